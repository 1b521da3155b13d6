/*
 * modules.h - from a pc to the mapped ELF file around it: its tables, and its number
 * in the session's module table, where the file is published at first sight. What the
 * process has mapped where has numbers of its own, of which several may be one file's.
 *
 * Any thread at any time, signal handlers too: no lock, no allocation. The loader is
 * asked each time (_dl_find_object, lock-free; before glibc 2.35 its public list of
 * link maps is walked), hence a module that went is not found again; what was read of a
 * module's headers is kept for as long as the loader says the same about it.
 *
 * Generations: whoever caches what a pc means keeps it by modules_generation(), read
 * before the first pc. It grows when a module went: by dlclose, or unseen (libc unloads
 * iconv and NSS modules itself) when another one is met at its addresses.
 */
#pragma once

#include "preload/cfi.h"
#include "preload/hidden.h"
#include "preload/wire.h"

struct module {
	uintptr_t start, end; /* mapped */
	uintptr_t bias;	      /* pc - bias = the file's virtual address */
	uint32_t index;	      /* of the wire_module; 0: their table is full */
	uint32_t number;      /* in this process, below WIRE_MODULES; 0: likewise */
	bool has_cfi;
	struct cfi cfi;
};

/* As unwind_init(). */
int modules_init(void *base, uint32_t process_serial);

/* The module around pc. 0, or -ENOENT. */
int modules_find(uintptr_t pc, struct module *ret);

/* Of a frame, its pc and the number of its module, as modules_find() gave it to anybody,
 * become what the wire has (see struct wire_module). Those of no module stay. */
void modules_tell(uint64_t *pc_flags, uint32_t *module);

/* Is pc inside any module? Cheaper. */
bool modules_has(uintptr_t pc);

struct modules_clock {
	_Atomic uint32_t generation;
	_Atomic uint32_t closing; /* dlcloses under way */
};

extern HIDDEN struct modules_clock modules_clock;

/* False: a dlclose is under way, cache nothing and look nothing up. */
static inline bool modules_generation(uint32_t *ret_generation)
{
	/* acquire, and in this order: pairs with modules_dlclose_end(). If no dlclose
	 * is seen here, then either it starts later, and every pc on this thread's
	 * stack is still what the generation says; or it has ended, and the generation
	 * read next is the one that it started. */
	if (__builtin_expect(atomic_load_explicit(&modules_clock.closing,
						  memory_order_acquire) != 0,
			     0))
		return false;
	*ret_generation = atomic_load_explicit(&modules_clock.generation,
					       memory_order_acquire);
	return true;
}

void modules_dlclose_begin(void);

/* Starts a new generation. */
void modules_dlclose_end(void);

/* For tests: as if glibc had no _dl_find_object. */
void modules_use_link_maps(bool yes);

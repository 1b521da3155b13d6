/*
 * real.h - the functions that the program would have called without us.
 *
 * Each is what dlsym(RTLD_NEXT) finds behind the shim, so that a program with
 * jemalloc linked in, or another preloaded allocator behind us, keeps its own.
 * Until they are known (dlsym itself may allocate), a bootstrap arena serves; its
 * blocks are never handed to a real allocator.
 */
#pragma once

#include "preload/hidden.h"

#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/wait.h>

struct link_map;
struct mallinfo2;
struct rusage;

/* glibc's struct dl_find_object, which older headers lack. */
struct real_object {
	unsigned long long flags;
	void *start, *end;
	struct link_map *map;
	void *eh_frame_hdr;
	unsigned long long reserved[7];
};

struct real {
	void *(*malloc)(size_t);
	void (*free)(void *);
	void *(*calloc)(size_t, size_t);
	void *(*realloc)(void *, size_t);
	void *(*reallocarray)(void *, size_t, size_t);
	void *(*memalign)(size_t, size_t);
	void *(*aligned_alloc)(size_t, size_t);
	int (*posix_memalign)(void **, size_t, size_t);
	void *(*valloc)(size_t);
	void *(*pvalloc)(size_t);
	void (*free_sized)(void *, size_t);
	void (*free_aligned_sized)(void *, size_t, size_t);
	size_t (*malloc_usable_size)(void *);
	struct mallinfo2 (*mallinfo2)(void); /* of the same object as malloc; or NULL */
	void *(*mmap)(void *, size_t, int, int, int, off_t);
	int (*munmap)(void *, size_t);
	void *(*mremap)(void *, size_t, size_t, int, ...);
	int (*dlclose)(void *);
	int (*find_object)(void *, struct real_object *); /* _dl_find_object; or NULL */
	pid_t (*waitpid)(pid_t, int *, int);
	pid_t (*wait4)(pid_t, int *, int, struct rusage *);
	int (*waitid)(idtype_t, id_t, siginfo_t *, int);
	int (*sigaltstack)(const stack_t *, stack_t *);
	int (*prctl)(int, ...);
	void (*_exit)(int);
	void (*_Exit)(int);
	void (*quick_exit)(int);
	int (*execve)(const char *, char *const *, char *const *);
	int (*execvpe)(const char *, char *const *, char *const *);
	int (*execveat)(int, const char *, char *const *, char *const *, int);
	int (*fexecve)(int, char *const *, char *const *);
	int (*posix_spawn)(pid_t *, const char *, const posix_spawn_file_actions_t *,
			   const posix_spawnattr_t *, char *const *, char *const *);
	int (*posix_spawnp)(pid_t *, const char *, const posix_spawn_file_actions_t *,
			    const posix_spawnattr_t *, char *const *, char *const *);
};

extern HIDDEN struct real real; /* constant after real_init() */

/* Apart, for who has no compiler. */
extern HIDDEN long (*real_syscall)(long, ...);

/* Looks all of them up, once; other callers meanwhile see false and use the
 * bootstrap arena. True when `real` is complete. Keeps errno. */
bool real_init(void);

/* Whether libc is 2.`minor` or later. To be asked before dlsym() for a name that came
 * with it: in vain, that allocates, and whose hook it is may be setting its heap up
 * (PartitionAlloc maps memory under a lock that it then waits for). */
bool real_libc_is(unsigned minor);

/* Whether two addresses are of one loaded object. */
bool real_is_one_object(const void *a, const void *b);

/* True if the program's own calls of malloc and free reach our hooks, false if an
 * object before us (the executable) defines them. Call after real_init(). */
bool real_is_interposed(void);

/* True unless C++'s operator new is one that the allocator behind us has brought, and
 * that the program's calls reach without us. Call after real_init(). */
bool real_new_is_seen(void);

/* Memory before the real allocator is known: zeroed, aligned to align (a power of
 * two, at least 16). NULL when the arena is used up. */
void *bootstrap_alloc(size_t size, size_t align);

enum { BOOTSTRAP_BYTES = 256 << 10 };
extern HIDDEN char bootstrap_arena[BOOTSTRAP_BYTES];

extern HIDDEN _Atomic size_t bootstrap_used; /* bytes; of most processes none */

static inline bool bootstrap_owns(const void *p)
{
	/* relaxed: whoever has a block of it saw that it was used. */
	size_t used = atomic_load_explicit(&bootstrap_used, memory_order_relaxed);

	return __builtin_expect(used != 0, 0) &&
	       (uintptr_t)p - (uintptr_t)bootstrap_arena < BOOTSTRAP_BYTES;
}

/* Size that a bootstrap block was asked for. */
size_t bootstrap_size(const void *p);

#include "preload/real.h"

#include "preload/sys.h"

#include <dlfcn.h>
#include <errno.h>
#include <gnu/libc-version.h>
#include <link.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

struct real real;
long (*real_syscall)(long, ...);
static struct real found; /* complete before any hook uses it */

enum { RESOLVE_NOT = 0, RESOLVE_NOW = 1, RESOLVE_DONE = 2 };
static _Atomic int resolved;

/* A block is preceded by its size, in the 16 bytes before it. */
_Alignas(4096) char bootstrap_arena[BOOTSTRAP_BYTES];
_Atomic size_t bootstrap_used;

void *bootstrap_alloc(size_t size, size_t align)
{
	size_t used = atomic_load_explicit(&bootstrap_used, memory_order_relaxed), at;

	if (align < 16)
		align = 16;
	do {
		at = (used + 16 + align - 1) & ~(align - 1);
		if (at < used || at > BOOTSTRAP_BYTES || size > BOOTSTRAP_BYTES - at)
			return NULL;
		/* relaxed: blocks are disjoint, and handed to this thread alone. */
	} while (!atomic_compare_exchange_weak_explicit(&bootstrap_used, &used, at + size,
							memory_order_relaxed,
							memory_order_relaxed));
	*(size_t *)(bootstrap_arena + at - 16) = size;
	return bootstrap_arena + at;
}

size_t bootstrap_size(const void *p)
{
	return *(const size_t *)((const char *)p - 16);
}

static void next(void *function, const char *name)
{
	/* POSIX lets a data pointer hold a function's address. */
	*(void **)function = dlsym(RTLD_NEXT, name);
}

bool real_libc_is(unsigned minor)
{
	const char *version = gnu_get_libc_version(); /* "2.36" */
	unsigned number = 0;

	if (strncmp(version, "2.", 2))
		return true;
	for (version += 2; *version >= '0' && *version <= '9'; version++)
		number = number * 10 + (unsigned)(*version - '0');
	return number >= minor;
}

/* Of a name that libc has from a version on. */
static void next_since(unsigned minor, void *function, const char *name)
{
	if (real_libc_is(minor))
		next(function, name);
}

bool real_is_one_object(const void *a, const void *b)
{
	struct real_object of_a, of_b;
	Dl_info at_a, at_b;

	/* (Of libc's functions dladdr() looks at thousands of symbols.) */
	if (found.find_object)
		return !found.find_object((void *)a, &of_a) &&
		       !found.find_object((void *)b, &of_b) && of_a.map == of_b.map;
	return dladdr(a, &at_a) && dladdr(b, &at_b) &&
	       at_a.dli_fbase == at_b.dli_fbase;
}

/* Only of the object that has malloc: another one's tells of another heap. */
static void next_of_allocator(void *function, const char *name)
{
	next(function, name);
	if (!*(void **)function ||
	    !real_is_one_object((void *)found.malloc, *(void **)function))
		*(void **)function = NULL;
}

bool real_init(void)
{
	int state = RESOLVE_NOT, saved;
	uint64_t signals;

	/* acquire: pairs with the release below; `real` is complete behind it. */
	if (atomic_load_explicit(&resolved, memory_order_acquire) == RESOLVE_DONE)
		return true;
	saved = errno; /* a blank thread has no place for it, but comes later */
	/* A handler that jumped out of this would leave the program without malloc. */
	sys_signals_block(&signals);
	if (!atomic_compare_exchange_strong(&resolved, &state, RESOLVE_NOW)) {
		sys_signals_restore(&signals);
		return state == RESOLVE_DONE;
	}
	next_since(35, &found.find_object, "_dl_find_object");
	next(&found.malloc, "malloc");
	next(&found.free, "free");
	next(&found.calloc, "calloc");
	next(&found.realloc, "realloc");
	next_since(26, &found.reallocarray, "reallocarray");
	next(&found.memalign, "memalign");
	next(&found.aligned_alloc, "aligned_alloc");
	next(&found.posix_memalign, "posix_memalign");
	next(&found.valloc, "valloc");
	next(&found.pvalloc, "pvalloc");
	next_since(43, &found.free_sized, "free_sized");
	next_since(43, &found.free_aligned_sized, "free_aligned_sized");
	next(&found.malloc_usable_size, "malloc_usable_size");
	if (real_libc_is(33))
		next_of_allocator(&found.mallinfo2, "mallinfo2");
	next(&found.mmap, "mmap");
	next(&found.munmap, "munmap");
	next(&found.mremap, "mremap");
	next(&found.dlclose, "dlclose");
	next(&found.waitpid, "waitpid");
	next(&found.wait4, "wait4");
	next(&found.waitid, "waitid");
	next(&found.sigaltstack, "sigaltstack");
	next(&found.prctl, "prctl");
	next(&real_syscall, "syscall");
	next(&found._exit, "_exit");
	next(&found._Exit, "_Exit");
	next(&found.quick_exit, "quick_exit");
	next(&found.execve, "execve");
	next(&found.execvpe, "execvpe");
	next_since(34, &found.execveat, "execveat");
	next(&found.fexecve, "fexecve");
	next(&found.posix_spawn, "posix_spawn");
	next(&found.posix_spawnp, "posix_spawnp");
	real = found;
	atomic_store_explicit(&resolved, RESOLVE_DONE, memory_order_release);
	sys_signals_restore(&signals);
	errno = saved;
	return true;
}

/* True if the program's calls of the name reach our object. */
static bool is_ours(const char *name, const void *our_base)
{
	void *address = dlsym(RTLD_DEFAULT, name);
	const ElfW(Sym) *symbol = NULL;
	Dl_info at;

	if (!address || !dladdr1(address, &at, (void **)&symbol, RTLD_DL_SYMENT))
		return false;
	/* An executable that is not position-independent and takes the function's
	 * address makes a PLT entry of its own the canonical one: it leads to us. */
	return at.dli_fbase == our_base || (symbol && symbol->st_shndx == SHN_UNDEF);
}

bool real_is_interposed(void)
{
	Dl_info ours;

	return dladdr(&real, &ours) && is_ours("malloc", ours.dli_fbase) &&
	       is_ours("free", ours.dli_fbase);
}

/* What the loader has found for C++'s operator new, if there is one. Nobody is asked: a
 * question in vain would allocate. */
void *_Znwm(size_t size) __attribute__((weak, visibility("default")));

bool real_new_is_seen(void)
{
	const void *operator_new = (const void *)_Znwm;

	/* No C++ in it, or our own, or libstdc++'s, which calls malloc. */
	return !operator_new || real_is_one_object(operator_new, &real) ||
	       !real_is_one_object(operator_new, (const void *)real.malloc);
}

/*
 * hooks_mmap.c - the program's own mappings, a domain apart from malloc's, and
 * dlclose, which changes what addresses mean.
 *
 * libc's and the loader's mappings do not pass here: they do not call by the PLT. An
 * allocator's do, and are part of its hook, which is recorded as a whole.
 */
/* The build asks for 64-bit file offsets, which renames mmap to mmap64: here both are
 * defined. */
#undef _FILE_OFFSET_BITS

#include "preload/account.h"
#include "preload/hook.h"
#include "preload/real.h"
#include "preload/sys.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <sys/mman.h>

#define HOOK __attribute__((visibility("default")))

/* Before the next definition is known: what libc would do. */
static long answer(long ret)
{
	if ((unsigned long)ret <= -4096ul)
		return ret;
	errno = (int)-ret;
	return -1;
}

static void *real_mmap(void *at, size_t size, int prot, int flags, int fd, off_t offset)
{
	if (real.mmap)
		return real.mmap(at, size, prot, flags, fd, offset);
	return (void *)answer(
		sys_call6(SYS_mmap, (long)at, (long)size, prot, flags, fd, offset));
}

/* Does an allocator of Python's objects call? Not for an arena of the usual kind, which is
 * told by hooks_python.c: another allocator than the interpreter's own. */
static inline bool is_arena(const struct hook *h)
{
	return h->depth && h->thread->hooks[h->depth - 1].objects;
}

static inline void *mapped(struct hook *h, void *p, size_t size)
{
	bool arena = is_arena(h);

	if (p != MAP_FAILED)
		hook_put(h, arena ? WIRE_ARENA : WIRE_MMAP, p, size, hook_stack(h));
	if (p != MAP_FAILED && arena)
		account_arena((int64_t)size);
	hook_leave(h);
	return p;
}

HOOK void *mmap(void *at, size_t size, int prot, int flags, int fd, off_t offset)
{
	struct hook h;

	if (!hook_enter_mapping(&h, HOOK_CALL))
		return real_mmap(at, size, prot, flags, fd, offset);
	return mapped(&h, real_mmap(at, size, prot, flags, fd, offset), size);
}

/* off_t has 64 bits on all that we run on: the two names are one function. */
HOOK void *mmap64(void *at, size_t size, int prot, int flags, int fd, off_t offset)
{
	struct hook h;

	if (!hook_enter_mapping(&h, HOOK_CALL))
		return real_mmap(at, size, prot, flags, fd, offset);
	return mapped(&h, real_mmap(at, size, prot, flags, fd, offset), size);
}

HOOK int munmap(void *at, size_t size)
{
	struct hook h;
	int ret;

	if (!hook_enter_mapping(&h, HOOK_CALL)) {
		if (real.munmap)
			return real.munmap(at, size);
		return (int)answer(sys_call3(SYS_munmap, at, size, 0));
	}
	hook_put(&h, WIRE_MUNMAP, at, size, hook_free_stack(&h));
	unwind_unmapped();
	ret = real.munmap(at, size);
	if (!ret && is_arena(&h))
		account_arena(-(int64_t)size);
	if (ret)
		hook_put(&h, WIRE_MUNMAP_FAILED, at, size, 0);
	hook_leave(&h);
	return ret;
}

HOOK void *mremap(void *at, size_t old, size_t size, int flags, ...)
{
	struct hook h;
	uint32_t stack;
	void *to = NULL;
	bool moves = old && !(flags & MREMAP_DONTUNMAP);
	va_list args;

	va_start(args, flags);
	if (flags & (MREMAP_FIXED | MREMAP_DONTUNMAP))
		to = va_arg(args, void *);
	va_end(args);
	if (!hook_enter_mapping(&h, HOOK_CALL)) {
		if (real.mremap)
			return real.mremap(at, old, size, flags, to);
		return (void *)answer(sys_call6(SYS_mremap, (long)at, (long)old,
						(long)size, flags, (long)to, 0));
	}
	stack = hook_stack(&h);
	if (moves)
		hook_put(&h, WIRE_MUNMAP, at, old, stack);
	unwind_unmapped();
	to = real.mremap(at, old, size, flags, to);
	if (to != MAP_FAILED)
		hook_put(&h, WIRE_MMAP, to, size, stack);
	else if (moves)
		hook_put(&h, WIRE_MUNMAP_FAILED, at, old, 0);
	hook_leave(&h);
	return to;
}

HOOK int dlclose(void *handle)
{
	int ret;

	if (!real_init())
		return -1;
	unwind_dlclose_begin();
	ret = real.dlclose(handle);
	unwind_dlclose_end();
	return ret;
}

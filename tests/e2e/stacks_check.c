/*
 * stacks_check.c - a shim that unwinds every event's stack a second time, by full
 * register CFI alone, and compares it with the node that the event is recorded with.
 * Linked from the shim's own objects, with last_take() and last_take_anew() wrapped, and
 * those that take runs compiled with RUNS_WATCHED.
 *
 *	CHECK_STACKS=FILE	counters of all processes, struct tally, at its start;
 *				the first differences as text behind them
 */
#include "preload/runs_take.h"
#include "preload/session.h"
#include "preload/sys.h"
#include "preload/unwind.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { TEXT_AT = 4096, REPORTS = 8 };

struct tally {
	_Atomic uint64_t stacks, frames, differences;
	/* How often the memory gave the outermost frame unchanged, and had none. */
	_Atomic uint64_t joined, without;
	_Atomic uint64_t reports;
};

static struct tally *tally;
static int file = -1;
static pthread_mutex_t reporting = PTHREAD_MUTEX_INITIALIZER;

struct own { /* of one thread; the second look's */
	bool busy;
	struct unwind_thread thread;
	struct unwind_frame frames[UNWIND_FRAMES];
};

static __thread struct own *own;

uint32_t __real_last_take(struct last *l, struct unwind_thread *t, void *base,
			  uintptr_t pc, uintptr_t sp, uintptr_t fp,
			  struct unwind_frame *spare);
uint32_t __wrap_last_take(struct last *l, struct unwind_thread *t, void *base,
			  uintptr_t pc, uintptr_t sp, uintptr_t fp,
			  struct unwind_frame *spare);
uint32_t __real_last_take_anew(struct unwind_thread *t, void *base, uintptr_t pc,
			       uintptr_t sp, uintptr_t fp, struct unwind_frame *frames);
uint32_t __wrap_last_take_anew(struct unwind_thread *t, void *base, uintptr_t pc,
			       uintptr_t sp, uintptr_t fp, struct unwind_frame *frames);

/* ---- what it found ------------------------------------------------------- */

static bool open_tally(void)
{
	static atomic_bool tried;
	const char *path;
	long fd;
	void *p;

	if (tally || atomic_exchange(&tried, true))
		return tally;
	path = getenv("CHECK_STACKS");
	if (!path)
		return false;
	fd = sys_call4(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
	if (fd < 0)
		return false;
	p = (void *)sys_call6(SYS_mmap, 0, TEXT_AT, PROT_READ | PROT_WRITE, MAP_SHARED,
			      fd, 0);
	file = (int)sys_call3(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 900);
	sys_call3(SYS_close, fd, 0, 0);
	if ((uintptr_t)p < -4096ul)
		tally = p;
	return tally;
}

static void say(const char *format, ...)
{
	char line[256];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	sys_call3(SYS_lseek, file, 0, SEEK_END);
	sys_call3(SYS_write, file, line, n < (int)sizeof(line) ? n : 255);
}

static void say_frame(void *base, const char *who, uint64_t pc_flags, uint32_t module)
{
	struct wire_module *m = wire_module(base, module);

	say("  %s flags %lx %s+%lx\n", who, pc_flags >> WIRE_PC_BITS,
	    module ? m->path : "-", pc_flags & WIRE_PC_MASK);
}

static void report(void *base, uint32_t node, const struct unwind_frame *frames,
		   size_t n)
{
	if (atomic_fetch_add(&tally->reports, 1) >= REPORTS || file < 0)
		return;
	pthread_mutex_lock(&reporting);
	say("a stack differs in %d:\n", getpid());
	for (size_t i = 0; node || i < n; i++) {
		struct wire_node *ours = wire_node(base, node);

		if (node)
			say_frame(base, "ours", ours->pc_flags, ours->module);
		if (i < n)
			say_frame(base, "true", frames[i].pc_flags, frames[i].module);
		node = node ? ours->parent : 0;
	}
	pthread_mutex_unlock(&reporting);
}

/* ---- the second look ----------------------------------------------------- */

static bool same(void *base, uint32_t node, const struct unwind_frame *frames, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct wire_node *ours = wire_node(base, node);

		if (!node || ours->pc_flags != frames[i].pc_flags ||
		    ours->module != frames[i].module)
			return false;
		node = ours->parent;
	}
	return !node;
}

static bool begin(void)
{
	if (!own) {
		long p = sys_call6(SYS_mmap, 0, sizeof(*own), PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if ((unsigned long)p > -4096ul)
			return false;
		own = (struct own *)p;
	}
	if (own->busy || !open_tally())
		return false;
	return own->busy = true;
}

/* A handler that comes in between is not looked at: its thread's buffers are in use. */
static __attribute__((noinline)) void look(void *base, uint32_t node, uintptr_t pc,
					   uintptr_t sp, uintptr_t fp)
{
	size_t n;

	if (!begin())
		return;
	n = unwind_stack_full(&own->thread, pc, sp, fp, own->frames);
	unwind_tell(own->frames, n);
	atomic_fetch_add(&tally->stacks, 1);
	atomic_fetch_add(&tally->frames, n);
	if (!same(base, node, own->frames, n)) {
		atomic_fetch_add(&tally->differences, 1);
		report(base, node, own->frames, n);
	}
	own->busy = false;
}

uint32_t __wrap_last_take(struct last *l, struct unwind_thread *t, void *base,
			  uintptr_t pc, uintptr_t sp, uintptr_t fp,
			  struct unwind_frame *spare)
{
	uint32_t outermost = l->count ? l->frames[1].node : 0;
	uint32_t node = __real_last_take(l, t, base, pc, sp, fp, spare);

	look(base, node, pc, sp, fp);
	if (tally && !l->count)
		atomic_fetch_add(&tally->without, 1);
	else if (tally && l->frames[1].node == outermost)
		atomic_fetch_add(&tally->joined, 1);
	return node;
}

void runs_watch(uint32_t node, uintptr_t pc, uintptr_t sp, uintptr_t fp)
{
	if (!node)
		return;
	look(session.base, node, pc, sp, fp);
	if (tally)
		atomic_fetch_add(&tally->joined, 1);
}

uint32_t __wrap_last_take_anew(struct unwind_thread *t, void *base, uintptr_t pc,
			       uintptr_t sp, uintptr_t fp, struct unwind_frame *frames)
{
	uint32_t node = __real_last_take_anew(t, base, pc, sp, fp, frames);

	look(base, node, pc, sp, fp);
	return node;
}

#include "cli/heap/threads.h"

#include "cli/base/array.h"
#include "cli/base/kernel.h"

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	ROUNDS = 64, /* looks for threads that have started */
	NAP_NS = 20000,
	LAST_NS = 5000000, /* for a killed one to be reaped; else our end does it */
	THREADS = 1 << 17,
};

_Static_assert(sizeof(struct user_regs_struct) == HEAP_REGISTERS * 8, "of x86-64");

static struct heap_thread *find(struct heap_threads *t, pid_t tid)
{
	for (size_t i = 0; i < t->count; i++)
		if (t->items[i].tid == tid)
			return &t->items[i];
	return NULL;
}

static void nap(void)
{
	nanosleep(&(struct timespec){0, NAP_NS}, NULL);
}

/* ---- stopping ------------------------------------------------------------ */

/* Whether a thread has ended, and is there only to be waited for: as the first one when
 * it ends before the others. */
static bool is_dead(pid_t pid, pid_t tid)
{
	char path[64], text[512];
	const char *name_end;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", (int)pid, (int)tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	name_end = strrchr(text, ')');
	return !name_end || !strncmp(name_end, ") Z", 3) ||
	       !strncmp(name_end, ") X", 3);
}

/* 1: a thread more is to be stopped; 0: it has ended already. */
static int seize(struct heap_threads *t, pid_t tid)
{
	if (array_reserve(&t->items, &t->room, t->count + 1) < 0)
		return -ENOMEM;
	if (ptrace(PTRACE_SEIZE, tid, NULL, NULL) < 0) {
		int r = -errno;

		return r == -ESRCH || (r == -EPERM && is_dead(t->pid, tid)) ? 0 : r;
	}
	/* (It may end right now: waiting tells.) */
	ptrace(PTRACE_INTERRUPT, tid, NULL, NULL);
	t->items[t->count++] = (struct heap_thread){.tid = tid};
	return 1;
}

/* How many were found that are not held yet, or -errno. */
static int seize_new(struct heap_threads *t)
{
	char path[64];
	struct dirent *entry;
	int found = 0, r = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)t->pid);
	dir = opendir(path);
	if (!dir)
		return errno == ENOENT ? -ESRCH : -errno;
	while (r >= 0 && (entry = readdir(dir))) {
		pid_t tid = (pid_t)atoi(entry->d_name);

		if (tid <= 0 || find(t, tid))
			continue;
		r = t->count < THREADS ? seize(t, tid) : -E2BIG;
		found += r > 0;
	}
	closedir(dir);
	return r < 0 ? r : found;
}

/* Its zombie is ours to see first; only then does its parent hear of it. */
static void reap(struct heap_thread *x)
{
	uint64_t end = kernel_monotonic_ns() + LAST_NS;

	while (waitpid(x->tid, NULL, __WALL | WNOHANG) == 0 &&
	       kernel_monotonic_ns() < end)
		nap();
	x->gone = true;
	x->stopped = false;
}

static void look(struct heap_thread *x)
{
	siginfo_t info = {0};
	int r = waitid(P_PID, (id_t)x->tid, &info,
		       WSTOPPED | WEXITED | WNOHANG | WNOWAIT | __WALL);

	if (r < 0) {
		x->gone = errno != EINTR;
		return;
	}
	if (!info.si_pid)
		return;
	if (info.si_code != CLD_TRAPPED && info.si_code != CLD_STOPPED) {
		reap(x);
		return;
	}
	x->stopped = true;
	/* Of PTRACE_EVENT_STOP the event is above; else it is a signal at hand. */
	x->signal = info.si_status >> 8 ? 0 : info.si_status & 0x7f;
}

static size_t wait_all(struct heap_threads *t, uint64_t until_ns)
{
	size_t running;

	for (;;) {
		running = 0;
		for (size_t i = 0; i < t->count; i++) {
			struct heap_thread *x = &t->items[i];

			if (!x->stopped && !x->gone)
				look(x);
			running += !x->stopped && !x->gone;
		}
		if (!running || kernel_monotonic_ns() >= until_ns)
			return running;
		nap();
	}
}

/* ---- registers ----------------------------------------------------------- */

static void read_vectors(struct heap_thread *x)
{
	struct iovec to = {malloc(HEAP_VECTOR_BYTES), HEAP_VECTOR_BYTES};

	x->vectors = to.iov_base;
	if (!x->vectors)
		return;
	if (ptrace(PTRACE_GETREGSET, x->tid, NT_X86_XSTATE, &to) < 0 &&
	    ptrace(PTRACE_GETREGSET, x->tid, NT_PRFPREG, &to) < 0)
		to.iov_len = 0;
	x->vector_count = to.iov_len / sizeof(uint64_t);
}

static void read_registers(struct heap_thread *x)
{
	struct user_regs_struct regs = {0};
	struct iovec to = {&regs, sizeof(regs)};

	if (ptrace(PTRACE_GETREGSET, x->tid, NT_PRSTATUS, &to) < 0) {
		look(x); /* killed */
		x->stopped = false;
		return;
	}
	memcpy(x->registers, &regs, sizeof(x->registers));
	x->sp = regs.rsp;
	x->tp = regs.fs_base;
	read_vectors(x);
}

int heap_threads_stop(struct heap_threads *t, pid_t pid, uint64_t patience_ns)
{
	uint64_t until = kernel_monotonic_ns() + patience_ns;
	int r = 0;

	*t = (struct heap_threads){.pid = pid};
	/* Threads that run may start others: looked for until there are none. */
	for (int round = 0; round < ROUNDS; round++) {
		r = seize_new(t);
		if (r <= 0)
			break;
		t->running = wait_all(t, until);
	}
	if (r < 0) {
		heap_threads_done(t);
		return r;
	}
	for (size_t i = 0; i < t->count; i++)
		if (t->items[i].stopped)
			read_registers(&t->items[i]);
	return 0;
}

int heap_threads_adopt(struct heap_threads *t, pid_t pid, const pid_t *tids, size_t n)
{
	*t = (struct heap_threads){.pid = pid};
	if (array_reserve(&t->items, &t->room, n + 1) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		t->items[i] = (struct heap_thread){.tid = tids[i], .stopped = true};
		read_registers(&t->items[i]);
	}
	t->count = n;
	return 0;
}

/* ---- letting go ---------------------------------------------------------- */

static void let_go(struct heap_thread *x)
{
	long signal = x->signal;

	if (x->stopped && ptrace(PTRACE_DETACH, x->tid, NULL, (void *)signal) < 0)
		reap(x); /* killed */
	x->stopped = false;
}

void heap_threads_resume(struct heap_threads *t)
{
	/* One that was late may have stopped meanwhile. */
	if (t->running)
		wait_all(t, 0);
	/* From the last: a killed process's first thread is reaped after the others. */
	for (size_t i = t->count; i-- > 0;)
		let_go(&t->items[i]);
}

void heap_threads_done(struct heap_threads *t)
{
	heap_threads_resume(t);
	for (size_t i = 0; i < t->count; i++)
		free(t->items[i].vectors);
	free(t->items);
	*t = (struct heap_threads){0};
}

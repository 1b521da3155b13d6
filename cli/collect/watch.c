#include "cli/collect/watch.h"

#include "cli/base/array.h"
#include "cli/base/cleanup.h"
#include "cli/base/kernel.h"
#include "cli/heap/threads.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>

enum {
	OPTIONS = PTRACE_O_TRACEEXIT | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC,
	POKE_NS = 1000000, /* between calls to a thread that waits */
	NAP_NS = 50000,
	ROUNDS = 64,
};

/* For all threads of a process to come to their end. */
#define GATHER_NS 1000000000ull

struct tracee {
	pid_t tid;
	bool at_exit; /* it stands there */
};

struct watch {
	pid_t pid;
	int bell;
	uint32_t wait_ms;
	pthread_t thread;
	sem_t begun; /* posted by the thread, with err */
	int err;
	_Atomic int state; /* enum watch_state */
	_Atomic bool leave;
	sem_t go; /* posted with the job, or without one */
	struct scan_job *job;
	pid_t exiting; /* who called for the end; 0: a signal did */

	/* The thread's. */
	struct tracee *items;
	size_t count, room;
};

/* ---- tracing ------------------------------------------------------------- */

static struct tracee *find(struct watch *w, pid_t tid)
{
	for (size_t i = 0; i < w->count; i++)
		if (w->items[i].tid == tid)
			return &w->items[i];
	return NULL;
}

static struct tracee *add(struct watch *w, pid_t tid)
{
	if (array_reserve(&w->items, &w->room, w->count + 1) < 0)
		return NULL;
	w->items[w->count] = (struct tracee){.tid = tid};
	return &w->items[w->count++];
}

static void drop(struct watch *w, pid_t tid)
{
	struct tracee *x = find(w, tid);

	if (x)
		*x = w->items[--w->count];
}

/* How many threads were found that are not held yet, or -errno. */
static int seize_new(struct watch *w)
{
	char path[64];
	struct dirent *entry;
	int found = 0, r = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)w->pid);
	dir = opendir(path);
	if (!dir)
		return -ESRCH;
	while (!r && (entry = readdir(dir))) {
		pid_t tid = (pid_t)atoi(entry->d_name);
		long options = OPTIONS;

		if (tid <= 0 || find(w, tid))
			continue;
		if (ptrace(PTRACE_SEIZE, tid, NULL, (void *)options) < 0)
			r = errno == ESRCH ? 0 : -errno;
		else if (add(w, tid))
			found++;
		else
			r = -ENOMEM;
	}
	closedir(dir);
	return r ? r : found;
}

static int seize_all(struct watch *w)
{
	int r = 1;

	for (int round = 0; r > 0 && round < ROUNDS; round++)
		r = seize_new(w);
	return r < 0 ? r : w->count ? 0 : -ESRCH;
}

static bool is_stop_signal(int signal)
{
	return signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN ||
	       signal == SIGTTOU;
}

/* Whether some thread executes a program: then the others end, and the process goes
 * on. It waits for them in the call. */
static bool executes(const struct watch *w)
{
	for (size_t i = 0; i < w->count; i++) {
		char path[64], text[32] = "";
		_cleanup_(fclosep) FILE *in = NULL;

		snprintf(path, sizeof(path), "/proc/%d/task/%d/syscall", (int)w->pid,
			 (int)w->items[i].tid);
		in = fopen(path, "re");
		if (!in || !fgets(text, sizeof(text), in))
			continue;
		if (*text >= '0' && *text <= '9' &&
		    (atoi(text) == SYS_execve || atoi(text) == SYS_execveat))
			return true;
	}
	return false;
}

/* Whether this thread's end is the process's; *ret_own: it asked for it. */
static bool is_end(const struct watch *w, pid_t tid, bool *ret_own)
{
	struct user_regs_struct regs = {0};
	struct iovec to = {&regs, sizeof(regs)};
	unsigned long code = 0;
	long call;

	*ret_own = false;
	if (ptrace(PTRACE_GETEVENTMSG, tid, NULL, &code) < 0 ||
	    ptrace(PTRACE_GETREGSET, tid, 1 /* NT_PRSTATUS */, &to) < 0)
		return false;
	call = (long)regs.orig_rax;
	if ((code & 0x7f) == SIGKILL) /* or it makes way for an exec */
		return false;
	if (code & 0x7f)
		return true;
	*ret_own = call == SYS_exit_group || call == SYS_exit;
	if (call == SYS_exit)
		return w->count == 1;
	return call == SYS_exit_group || code || !executes(w);
}

/* One stop, passed on. True: the process ends. */
static bool pass(struct watch *w, pid_t tid, int status)
{
	int signal = WSTOPSIG(status), event = status >> 16;
	struct tracee *x = find(w, tid);
	long deliver = 0;
	bool own;

	if (!x)
		x = add(w, tid); /* a new thread */
	if (event == PTRACE_EVENT_EXIT && x && is_end(w, tid, &own)) {
		x->at_exit = true;
		w->exiting = own ? tid : w->exiting;
		return true;
	}
	if (event == PTRACE_EVENT_EXIT) /* the first thread stays, as a zombie */
		drop(w, tid);
	if (event ==
	    PTRACE_EVENT_EXEC) { /* it is the only one, under the first's name */
		w->count = 0;
		add(w, tid);
	}
	if (event == PTRACE_EVENT_STOP && is_stop_signal(signal)) {
		ptrace(PTRACE_LISTEN, tid, NULL, NULL);
		return false;
	}
	if (!event)
		deliver = signal;
	ptrace(PTRACE_CONT, tid, NULL, (void *)deliver);
	return false;
}

/* The next of what happens to our threads: its pid, 0 nothing yet, -errno. */
static pid_t next(struct watch *w, int flags, bool *ret_ends)
{
	int status;
	pid_t tid = waitpid(-1, &status, __WALL | __WNOTHREAD | flags);

	*ret_ends = false;
	if (tid < 0)
		return -errno;
	if (tid && WIFSTOPPED(status))
		*ret_ends = pass(w, tid, status);
	else if (tid)
		drop(w, tid);
	return tid;
}

/* ---- letting go ---------------------------------------------------------- */

/* A thread that is let go must stand: it is stopped for a moment, and what signal it
 * stops with it gets. */
static void detach(pid_t tid)
{
	uint64_t end = kernel_monotonic_ns() + GATHER_NS;
	int status = 0;
	long deliver = 0;
	pid_t got;

	ptrace(PTRACE_INTERRUPT, tid, NULL, NULL);
	while (!(got = waitpid(tid, &status, __WALL | WNOHANG)) &&
	       kernel_monotonic_ns() < end)
		nanosleep(&(struct timespec){0, NAP_NS}, NULL);
	if (got != tid || !WIFSTOPPED(status))
		return;
	if (!(status >> 16))
		deliver = WSTOPSIG(status);
	ptrace(PTRACE_DETACH, tid, NULL, (void *)deliver);
}

static void leave(struct watch *w)
{
	for (size_t i = w->count; i-- > 0;) {
		if (w->items[i].at_exit)
			ptrace(PTRACE_DETACH, w->items[i].tid, NULL, NULL);
		else
			detach(w->items[i].tid);
	}
	w->count = 0;
}

/* ---- the end ------------------------------------------------------------- */

static bool all_at_exit(const struct watch *w)
{
	for (size_t i = 0; i < w->count; i++)
		if (!w->items[i].at_exit)
			return false;
	return true;
}

/* The other threads follow: to their own ends, where they stand. */
static void gather(struct watch *w)
{
	uint64_t end = kernel_monotonic_ns() + GATHER_NS;
	bool ends;

	while (!all_at_exit(w) && kernel_monotonic_ns() < end) {
		pid_t got = next(w, WNOHANG, &ends);

		if (got < 0 && got != -EINTR)
			break;
		if (!got)
			nanosleep(&(struct timespec){0, NAP_NS}, NULL);
	}
}

/* The scan, made by this thread. The process is let go by it. */
static void read_it(struct watch *w)
{
	struct heap_threads threads;
	pid_t *tids = calloc(w->count + 1, sizeof(*tids));
	size_t n = 0;
	int r;

	for (size_t i = 0; tids && i < w->count; i++)
		if (w->items[i].at_exit)
			tids[n++] = w->items[i].tid;
	r = tids ? heap_threads_adopt(&threads, w->pid, tids, n) : -ENOMEM;
	free(tids);
	w->job->exiting = w->exiting;
	scan_job_run_stopped(w->job, r ? NULL : &threads);
	if (r)
		leave(w);
	w->count = 0;
}

/* It stands; somebody may come to read it. */
static void stand(struct watch *w)
{
	struct timespec until;
	int is = WATCH_DYING;

	gather(w);
	atomic_store(&w->state, WATCH_DYING);
	eventfd_write(w->bell, 1);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += (time_t)(w->wait_ms / 1000) + 1;
	while (sem_timedwait(&w->go, &until) < 0 && errno == EINTR)
		if (atomic_load(&w->leave))
			break;
	/* Too late: whoever comes finds it gone. */
	if (atomic_compare_exchange_strong(&w->state, &is, WATCH_LEFT)) {
		leave(w);
		return;
	}
	if (w->job)
		read_it(w);
	else
		leave(w);
}

static void *run(void *context)
{
	struct watch *w = context;
	bool ends = false;
	pid_t got = 0;
	int r = seize_all(w);

	if (r)
		leave(w);
	w->err = r;
	sem_post(&w->begun);
	while (!r && !ends && w->count && !atomic_load(&w->leave)) {
		got = next(w, 0, &ends);
		if (got < 0 && got != -EINTR)
			break;
	}
	if (ends && !atomic_load(&w->leave))
		stand(w);
	else
		leave(w);
	atomic_store(&w->state, WATCH_LEFT);
	return NULL;
}

/* ---- the server's side --------------------------------------------------- */

static void woken(int signal)
{
	(void)signal;
}

/* A signal that ends a wait, and does nothing else. */
static int poke_signal(void)
{
	struct sigaction action = {.sa_handler = woken};

	sigaction(SIGRTMAX, &action, NULL);
	return SIGRTMAX;
}

int watch_begin(pid_t pid, int bell, uint32_t wait_ms, struct watch **ret)
{
	struct watch *w = calloc(1, sizeof(*w));
	int err;

	if (!w)
		return -ENOMEM;
	poke_signal();
	w->pid = pid;
	w->bell = bell;
	w->wait_ms = wait_ms;
	sem_init(&w->begun, 0, 0);
	sem_init(&w->go, 0, 0);
	if (pthread_create(&w->thread, NULL, run, w)) {
		free(w);
		return -ENOMEM;
	}
	while (sem_wait(&w->begun) < 0)
		;
	err = w->err;
	if (err) {
		watch_end(w);
		return err;
	}
	*ret = w;
	return 0;
}

enum watch_state watch_state(const struct watch *w)
{
	return (enum watch_state)atomic_load(&w->state);
}

bool watch_read(struct watch *w, struct scan_job *j)
{
	int is = WATCH_DYING;

	if (!atomic_compare_exchange_strong(&w->state, &is, WATCH_READING))
		return false;
	w->job = j;
	sem_post(&w->go);
	return true;
}

void watch_end(struct watch *w)
{
	int poke = poke_signal();

	if (!w)
		return;
	atomic_store(&w->leave, true);
	/* It may be just about to wait: it is called until it has come. */
	while (pthread_tryjoin_np(w->thread, NULL)) {
		pthread_kill(w->thread, poke);
		nanosleep(&(struct timespec){0, POKE_NS}, NULL);
	}
	sem_destroy(&w->begun);
	sem_destroy(&w->go);
	free(w->items);
	free(w);
}

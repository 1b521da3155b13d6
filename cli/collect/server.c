#include "cli/collect/server.h"

#include "cli/base/array.h"
#include "cli/base/cleanup.h"
#include "cli/base/kernel.h"
#include "cli/collect/bell.h"
#include "cli/collect/engine.h"
#include "cli/collect/procfs.h"
#include "cli/collect/recording.h"
#include "cli/profile/file.h"
#include "cli/symbol/symbols.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

enum {
	CALLERS = 64, /* connections that have not said hello yet */
	COMMAND_BYTES = 16384,
	ROOTS = 64,
	BUSY_EVENTS = 4096, /* a pass that found more is followed at once */
	NAP_MIN_US = 500,
	NAP_MAX_US = 250000,
	RSS_NS = 10000000,
	REAP_NS = 100000000,
	CHECKPOINT_FIRST_NS = 250000000,
	CHECKPOINT_MAX_NS = 10000000000u / 2,
	CHECKPOINT_SHARE =
		20, /* of the time since the last, at most one part is spent */
	GRACE_NS = 100000000, /* for what the program left behind to end as well */
};

struct member { /* a process that is recorded */
	struct engine_process *process;
	uint32_t slot;
	pid_t pid; /* as we see it */
	int pidfd; /* -1: none to be had */
	int root;  /* number of its "/" in server.roots; -1: ours, or not known */
};

struct root { /* a "/" that is not ours: another container's, a chroot */
	dev_t device;
	ino_t inode;
	int fd; /* held open: it outlives the processes that see it */
};

struct server {
	struct server_options *o;
	struct recording memory;
	struct bell *bell;
	struct engine *engine;
	struct profile *profile;
	struct profile_writer *writer;
	struct symbols *symbols;

	struct member *members; /* live ones */
	size_t member_count, member_room;
	uint32_t serials_seen;
	size_t modules; /* seen */
	struct root roots[ROOTS];
	size_t root_count;

	int callers[CALLERS];
	size_t caller_count;

	struct control_result result; /* about the root */
	struct control_root root;     /* pid 0: not ended yet */
	uint32_t root_serial;	      /* its last image */
	bool launcher_gone, answered;
	bool strangers; /* some process has the memory mapped that we do not know */
	bool opened, closing_time; /* --delay is over, --duration is */

	struct pollfd *fds;
	size_t fds_room;
	uint64_t events_since; /* the last checkpoint */
	uint64_t began_ns, root_ended_ns, nap_us;
	uint64_t rss_at, reap_at, checkpoint_at, checkpoint_every;
};

static struct wire_header *header(struct server *s)
{
	return (struct wire_header *)s->memory.base;
}

/* ---- who is there -------------------------------------------------------- */

static struct member *member_of(struct server *s, pid_t pid)
{
	for (size_t i = 0; i < s->member_count; i++)
		if (s->members[i].pid == pid)
			return &s->members[i];
	return NULL;
}

/* Where a process finds its files, looked up when it joins (it may be gone when they
 * are needed): a number in s->roots, or -1 for our own "/". */
static int root_of(struct server *s, pid_t pid)
{
	struct stat theirs, ours;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/root/.", (int)pid);
	if (stat(path, &theirs) < 0 || stat("/", &ours) < 0 ||
	    (theirs.st_dev == ours.st_dev && theirs.st_ino == ours.st_ino))
		return -1;
	for (size_t i = 0; i < s->root_count; i++)
		if (s->roots[i].device == theirs.st_dev &&
		    s->roots[i].inode == theirs.st_ino)
			return (int)i;
	if (s->root_count == ROOTS)
		return -1;
	s->roots[s->root_count] =
		(struct root){theirs.st_dev, theirs.st_ino,
			      open(path, O_PATH | O_DIRECTORY | O_CLOEXEC)};
	return s->roots[s->root_count].fd < 0 ? -1 : (int)s->root_count++;
}

/* pid: as we see it; the process's own number may be another (PID namespaces). */
static int member_add(struct server *s, uint32_t slot, pid_t pid)
{
	struct wire_process *p = wire_process(s->memory.base, slot);
	char command[COMMAND_BYTES], exe[4096];
	struct engine_process *process;
	struct member *m;

	process =
		engine_process_begin(s->engine, p->serial, p->parent_serial, pid, slot);
	if (!process ||
	    array_reserve(&s->members, &s->member_room, s->member_count + 1) < 0)
		return -ENOMEM;
	procfs_command(pid, command, sizeof(command));
	procfs_exe(pid, exe, sizeof(exe));
	engine_process_describe(process, command, exe);
	m = &s->members[s->member_count++];
	*m = (struct member){.process = process, .slot = slot, .pid = pid};
	m->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	m->root = root_of(s, pid);
	process->owner = process; /* marks it as one of the members, ever */
	return 0;
}

/* The process has ended, or its image was replaced: its last word is counted. */
static void member_end(struct server *s, struct member *m, enum profile_end how,
		       int status)
{
	engine_process_end(s->engine, m->process, how, status);
	closep(&m->pidfd);
	*m = s->members[--s->member_count];
}

/* Fork children attach without a word: their slots tell. */
static void members_look(struct server *s)
{
	uint32_t serials = atomic_load(&header(s)->serial);

	if (serials == s->serials_seen)
		return;
	s->serials_seen = serials;
	for (uint32_t i = 0; i < WIRE_PROCESSES; i++) {
		struct wire_process *p = wire_process(s->memory.base, i);
		/* acquire: pairs with the child's release; its fields are whole. */
		uint32_t state = atomic_load_explicit(&p->state, memory_order_acquire);
		struct engine_process *known;

		if (state == WIRE_PROCESS_CLAIMED)
			s->serials_seen = serials - 1; /* look again */
		if (state != WIRE_PROCESS_LIVE)
			continue;
		known = engine_process(s->engine, p->serial);
		if (!known || !known->owner)
			member_add(s, i, (pid_t)p->pid);
	}
}

/* A process has come by handshake. */
static void welcome(struct server *s, const struct recording_peer *peer)
{
	struct member *before = member_of(s, peer->pid);
	pid_t root = s->o->config.root_pid;

	/* The same pid again is the same process with another image. */
	if (before)
		member_end(s, before, PROFILE_EXECED, 0);
	if (member_add(s, peer->slot, peer->pid) < 0)
		return;
	if (root ? peer->pid == root : !s->root_serial) {
		s->root_serial = peer->serial;
		s->result.attached = true;
	}
}

/* ---- connections --------------------------------------------------------- */

static void callers_add(struct server *s, int fd)
{
	if (s->caller_count < CALLERS)
		s->callers[s->caller_count++] = fd;
	else
		close(fd);
}

static void callers_hear(struct server *s)
{
	for (size_t i = 0; i < s->caller_count;) {
		bool trusted = s->callers[i] == s->o->first;
		struct recording_peer peer;
		int answer = recording_hear(&s->memory, s->callers[i], trusted, &peer);

		if (answer == -EAGAIN) {
			i++;
			continue;
		}
		/* What /proc tells is asked while the process waits for our answer. */
		if (answer > 0) {
			welcome(s, &peer);
			recording_admit(&s->memory, s->callers[i], &peer);
		}
		close(s->callers[i]);
		s->callers[i] = s->callers[--s->caller_count];
	}
}

/* ---- the profile --------------------------------------------------------- */

/* Files are opened at first sight: they may be deleted or replaced later. */
static void module_seen(void *context, const struct engine_module *m)
{
	struct server *s = context;
	struct engine_process *p = engine_process(s->engine, m->process_serial);
	const char *path = *m->path || !p || !p->exe ? m->path : p->exe;
	char root[64] = "";

	for (size_t i = 0; i < s->member_count; i++)
		if (s->members[i].process == p && s->members[i].root >= 0)
			snprintf(root, sizeof(root), "/proc/self/fd/%d",
				 s->roots[s->members[i].root].fd);
	symbols_module(s->symbols, s->modules++, path, root, m->build_id);
}

static bool alive(void *context, int32_t pid, int32_t tid)
{
	(void)context;
	return procfs_thread_exists(pid, tid);
}

static void describe(struct server *s)
{
	struct profile *p = s->profile;
	char host[256] = "";
	struct timespec now;

	gethostname(host, sizeof(host) - 1);
	clock_gettime(CLOCK_REALTIME, &now);
	p->version = strings_add(&p->strings, HEAPLINE_VERSION);
	p->host = strings_add(&p->strings, host);
	p->options = strings_add(&p->strings, s->o->config.options);
	p->start_unix_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void write_profile(struct server *s)
{
	int err;

	err = engine_fill(s->engine, s->profile);
	if (!err)
		err = profile_writer_update(s->writer, s->profile);
	s->profile->write_error = err;
}

/* Now and then all that is known goes to the file, so that our own death costs little.
 * Most of the time belongs to draining. */
static void checkpoint(struct server *s, uint64_t now)
{
	uint64_t took;

	if (now < s->checkpoint_at || !s->events_since)
		return;
	s->events_since = 0;
	write_profile(s);
	took = kernel_monotonic_ns() - now;
	if (s->checkpoint_every < CHECKPOINT_MAX_NS)
		s->checkpoint_every *= 2;
	s->checkpoint_at = now + took + (took * CHECKPOINT_SHARE > s->checkpoint_every
						 ? took * CHECKPOINT_SHARE
						 : s->checkpoint_every);
}

static void finalize(struct server *s)
{
	struct profile *p = s->profile;

	/* A process may have come and gone since the last look. */
	engine_pass(s->engine);
	members_look(s);
	while (s->member_count)
		member_end(s, &s->members[0], PROFILE_EXITED, -1);
	engine_fill(s->engine, p);
	if (atomic_load(&header(s)->recording) == WIRE_ABANDONED)
		p->stopped = strings_add(
			&p->strings, "the collector was stopped or starved and did not "
				     "answer in time");
	/* All but the names, in case that we do not come to the end of those. */
	write_profile(s);
	if (!symbols_resolve(s->symbols, p)) {
		symbols_sources(s->symbols, p, NULL);
		p->symbolised = true;
	}
	p->complete = true;
	write_profile(s);
}

/* ---- the launcher -------------------------------------------------------- */

static void summarize(struct server *s)
{
	const struct profile *p = s->profile;
	struct control_result *r = &s->result;

	r->processes = (uint32_t)p->process_count;
	r->running = (uint32_t)s->member_count + s->strangers;
	r->abandoned = atomic_load(&header(s)->recording) == WIRE_ABANDONED;
	r->write_error = p->write_error;
	for (size_t i = 0; i < p->process_count; i++)
		if (p->processes[i].serial == s->root_serial)
			r->notes = p->processes[i].notes;
}

static void answer(struct server *s)
{
	if (s->answered || s->o->control < 0)
		return;
	s->answered = true;
	summarize(s);
	send(s->o->control, &s->result, sizeof(s->result), MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* The launcher says that the program has ended, or is gone itself. */
static void hear_launcher(struct server *s)
{
	ssize_t n = recv(s->o->control, &s->root, sizeof(s->root), MSG_DONTWAIT);
	struct member *m;
	int status = s->root.wait_status;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n != sizeof(s->root)) {
		s->launcher_gone = true;
		return;
	}
	s->root_ended_ns = kernel_monotonic_ns();
	engine_pass(s->engine);
	members_look(s);
	m = member_of(s, s->root.pid);
	if (!m)
		return;
	if (WIFSIGNALED(status))
		member_end(s, m, PROFILE_SIGNALED, WTERMSIG(status));
	else
		member_end(s, m, PROFILE_EXITED, WEXITSTATUS(status));
}

/* The program has ended, and what it left behind goes on: the launcher need not wait.
 */
static void leave_launcher(struct server *s, uint64_t now)
{
	if (!s->root.pid || s->answered || now - s->root_ended_ns < GRACE_NS)
		return;
	write_profile(s);
	answer(s);
}

/* ---- the loop ------------------------------------------------------------ */

/* Whether all that came has gone. A fork child that has not allocated yet is known to
 * nobody, but it has the memory mapped. */
static bool is_over(struct server *s)
{
	bool started = s->o->control < 0 ? s->serials_seen > 0
					 : s->root.pid || s->launcher_gone;

	if (!started || s->member_count || s->caller_count)
		return false;
	bell_close(s->bell); /* its thread looks into the memory */
	s->bell = NULL;
	s->strangers = recording_is_shared(&s->memory);
	return !s->strangers || bell_open(&header(s)->asleep, &s->bell) < 0;
}

/* --delay and --duration. A target may have given recording up for good meanwhile. */
static void keep_hours(struct server *s, uint64_t now)
{
	const struct control_config *c = &s->o->config;
	uint32_t paused = WIRE_PAUSED, recording = WIRE_RECORDING;
	uint64_t since = now - s->began_ns;

	if (s->closing_time)
		return;
	if (!s->opened && since >= c->delay_ns) {
		s->opened = true;
		atomic_compare_exchange_strong(&header(s)->recording, &paused,
					       WIRE_RECORDING);
	}
	if (s->opened && c->duration_ns && since >= c->delay_ns + c->duration_ns) {
		s->closing_time = true;
		if (atomic_compare_exchange_strong(&header(s)->recording, &recording,
						   WIRE_PAUSED))
			s->profile->stopped = strings_add(&s->profile->strings,
							  "--duration was over");
	}
}

static void sample_rss(struct server *s, uint64_t now)
{
	uint64_t sum = 0;

	if (now < s->rss_at)
		return;
	for (size_t i = 0; i < s->member_count; i++)
		sum += procfs_rss(s->members[i].pid);
	engine_rss_sample(s->engine, sum);
	/* Ten milliseconds at first, and a share of the time when there are many. */
	s->rss_at = now + RSS_NS + 50 * (kernel_monotonic_ns() - now);
}

enum { POLL_BELL, POLL_CONTROL, POLL_LISTEN, POLL_FIXED };

/* The program's end is the launcher's to tell, with its status. */
static bool is_watched(const struct server *s, const struct member *m)
{
	return m->pidfd >= 0 && (m->pid != s->o->config.root_pid || s->root.pid ||
				 s->launcher_gone || s->o->control < 0);
}

static size_t poll_fill(struct server *s, struct pollfd *fds)
{
	size_t n = POLL_FIXED;

	fds[POLL_BELL] = (struct pollfd){bell_fd(s->bell), POLLIN, 0};
	fds[POLL_CONTROL] = (struct pollfd){
		s->root.pid || s->launcher_gone ? -1 : s->o->control, POLLIN, 0};
	fds[POLL_LISTEN] = (struct pollfd){s->o->listen, POLLIN, 0};
	for (size_t i = 0; i < s->caller_count; i++)
		fds[n++] = (struct pollfd){s->callers[i], POLLIN, 0};
	for (size_t i = 0; i < s->member_count; i++)
		fds[n++] = (struct pollfd){
			is_watched(s, &s->members[i]) ? s->members[i].pidfd : -1,
			POLLIN, 0};
	return n;
}

/* Without a pidfd (another PID namespace, an old kernel) the dead are asked for. */
static bool is_gone(const struct member *m)
{
	return m->pidfd < 0 && kill(m->pid, 0) < 0 && errno == ESRCH;
}

/* Sees to everything that happened outside the rings; sleeps up to nap_us for it. */
static int attend(struct server *s, uint64_t nap_us)
{
	struct timespec nap = {(time_t)(nap_us / 1000000),
			       (long)(nap_us % 1000000 * 1000)};
	size_t n, members = s->member_count, callers = s->caller_count;
	struct pollfd *fds;

	if (array_reserve(&s->fds, &s->fds_room, POLL_FIXED + members + callers) < 0)
		return -ENOMEM;
	fds = s->fds;
	n = poll_fill(s, fds);
	if (nap_us)
		bell_arm(s->bell);
	if (ppoll(fds, n, &nap, NULL) < 0 && errno != EINTR)
		return -errno;
	if (nap_us)
		bell_disarm(s->bell);
	/* From the last: ending a member moves the last one into its place. */
	for (size_t i = members; i-- > 0;)
		if (fds[POLL_FIXED + callers + i].revents || is_gone(&s->members[i]))
			member_end(s, &s->members[i], PROFILE_EXITED, -1);
	if (fds[POLL_CONTROL].revents)
		hear_launcher(s);
	if (fds[POLL_LISTEN].revents) {
		int fd =
			accept4(s->o->listen, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0)
			callers_add(s, fd);
	}
	callers_hear(s);
	return 0;
}

/* Threads that the kernel does not tell of are asked for, now and then. */
static void reap(struct server *s, uint64_t now)
{
	if (now < s->reap_at)
		return;
	s->reap_at = now + REAP_NS;
	engine_reap(s->engine);
}

static void adapt_nap(struct server *s, size_t events)
{
	if (events > BUSY_EVENTS)
		s->nap_us = 0;
	else if (events || !s->nap_us)
		s->nap_us = NAP_MIN_US;
	else if (s->nap_us < NAP_MAX_US)
		s->nap_us *= 2;
}

static int serve(struct server *s)
{
	while (!is_over(s)) {
		uint64_t now = kernel_monotonic_ns();
		size_t events = engine_pass(s->engine);
		int err;

		s->events_since += events;
		/* relaxed: targets look whether it moves, nothing more. */
		atomic_fetch_add_explicit(&header(s)->heartbeat, 1,
					  memory_order_relaxed);
		members_look(s);
		reap(s, now);
		keep_hours(s, now);
		if (events)
			sample_rss(s, now);
		checkpoint(s, now);
		leave_launcher(s, now);
		adapt_nap(s, events);
		err = attend(s, s->nap_us);
		if (err < 0)
			return err;
	}
	return 0;
}

static int open_all(struct server *s)
{
	struct server_options *o = s->o;
	struct engine_hooks hooks = {
		.context = s, .alive = alive, .module_seen = module_seen};
	uint32_t flags = (o->config.free_stacks ? WIRE_FREE_STACKS : 0) |
			 (o->config.lossy ? WIRE_LOSSY : 0);
	int err = recording_open(&s->memory, flags, !o->config.delay_ns);

	memcpy(s->memory.token, o->config.token, sizeof(s->memory.token));
	if (!err)
		err = symbols_open(&s->symbols);
	if (!err)
		err = bell_open(&header(s)->asleep, &s->bell);
	if (!err)
		err = engine_open(s->memory.base, s->memory.memory, &hooks, &s->engine);
	if (!err)
		err = profile_writer_open(o->output, &s->writer);
	s->profile = err ? NULL : profile_new();
	if (!err && !s->profile)
		err = -ENOMEM;
	return err;
}

static void close_all(struct server *s)
{
	symbols_close(s->symbols);
	profile_writer_close(s->writer);
	profile_close(s->profile);
	engine_close(s->engine);
	bell_close(s->bell);
	recording_close(&s->memory);
	for (size_t i = 0; i < s->member_count; i++)
		closep(&s->members[i].pidfd);
	for (size_t i = 0; i < s->root_count; i++)
		closep(&s->roots[i].fd);
	free(s->members);
	free(s->fds);
}

static void say_ready(const struct server *s, int err)
{
	struct control_ready ready = {.err = err};

	if (s->o->control >= 0)
		send(s->o->control, &ready, sizeof(ready), MSG_NOSIGNAL);
}

int server_run(struct server_options *o)
{
	struct server s = {.o = o, .memory = {.memory = -1}};
	int err = open_all(&s);

	say_ready(&s, err);
	if (!err) {
		describe(&s);
		s.began_ns = kernel_monotonic_ns();
		s.checkpoint_every = CHECKPOINT_FIRST_NS;
		s.checkpoint_at = s.began_ns + s.checkpoint_every;
		s.opened = !o->config.delay_ns;
		if (o->first >= 0)
			callers_add(&s, o->first);
		err = serve(&s);
		finalize(&s);
		answer(&s);
	}
	close_all(&s);
	closep(&o->control);
	closep(&o->listen);
	return err;
}

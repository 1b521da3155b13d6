#include "cli/collect/server.h"

#include "cli/base/array.h"
#include "cli/base/cleanup.h"
#include "cli/base/kernel.h"
#include "cli/collect/callers.h"
#include "cli/collect/server_state.h"
#include "cli/profile/totals.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

enum {
	BUSY_EVENTS = 4096, /* a pass that found more is followed at once */
	NAP_MIN_US = 500,
	NAP_MAX_US = 250000,
	RSS_NS = 10000000,
	REAP_NS = 100000000,
	CHECKPOINT_FIRST_NS = 250000000,
	CHECKPOINT_MAX_NS = 10000000000u / 2,
	CHECKPOINT_SHARE =
		20,	    /* of the time since the last, at most one part is spent */
	MANY_STACKS = 2000, /* worth writing by several threads */
	GRACE_NS = 100000000, /* for what the program left behind to end as well */
	NAMES_NS = 20000000, /* how long names are waited for with all else unwritten */
};

static struct wire_header *header(struct server *s)
{
	return (struct wire_header *)s->memory.base;
}

/* Waits for what is being written, and when to write next follows from that. */
static void end_press(struct server *s)
{
	uint64_t took, pause = s->checkpoint_every;

	s->profile->write_error = press_close(s->press, &took);
	s->press = NULL;
	took += s->checkpoint_took;
	if (pause < took * CHECKPOINT_SHARE)
		pause = took * CHECKPOINT_SHARE;
	s->checkpoint_at = kernel_monotonic_ns() + pause;
}

struct profile *server_profile(struct server *s)
{
	if (s->press)
		end_press(s);
	return s->profile;
}

/* Those that have come since the last look. */
void server_watch_new(struct server *s)
{
	struct engine_process *p = NULL;

	if (!s->o->config.scan_at_any_exit)
		return;
	while ((p = engine_process_next_living(s->engine, p)))
		if (p->serial > s->watched && p->pid > 0) {
			scans_watch(s->scans, p);
			s->newest = p->serial > s->newest ? p->serial : s->newest;
		}
	s->watched = s->newest;
}

/* ---- the profile --------------------------------------------------------- */

/* Files are opened at first sight: they may be deleted or replaced later. */
static void module_seen(void *context, const struct engine_module *m)
{
	struct server *s = context;
	struct engine_process *p = engine_process(s->engine, m->process_serial);
	const char *path = *m->path || !p || !p->exe ? m->path : p->exe;
	char root[64] = "";

	if (p)
		members_root_path(s->members, p, root, sizeof(root));
	symbols_module(s->symbols, s->modules++, path, root, m->build_id);
}

static pid_t pid_of(void *context, const struct engine_process *p)
{
	struct server *s = context;

	return members_pid(s->members, p);
}

static void account(void *context, struct engine_process *p,
		    const struct engine_account *said)
{
	struct server *s = context;

	accounts_heard(s->accounts, p, said);
}

/* (Without memory it is one mark less.) */
static void marked(void *context, struct engine_process *p, uint32_t name, uint64_t ns)
{
	struct server *s = context;

	marks_add(&s->marks, p->serial, name, ns);
}

static void waited(void *context, int32_t pid, int32_t status)
{
	struct server *s = context;

	members_waited(s->members, pid, status);
}

static bool alive(void *context, int32_t pid, int32_t tid)
{
	struct server *s = context;

	return members_thread_exists(s->members, pid, tid);
}

static void describe(struct server *s)
{
	struct profile *p = server_profile(s);
	char host[256] = "";
	struct timespec now;

	gethostname(host, sizeof(host) - 1);
	clock_gettime(CLOCK_REALTIME, &now);
	p->version = strings_add(&p->strings, HEAPLINE_VERSION);
	p->host = strings_add(&p->strings, host);
	p->options = strings_add(&p->strings, s->o->config.options);
	p->start_unix_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static struct profile *fill_profile(struct server *s, int *ret_err)
{
	struct profile *p = server_profile(s);

	accounts_settle(s->accounts);
	*ret_err = engine_fill(s->engine, p);
	if (!*ret_err)
		*ret_err = marks_fill(&s->marks, &s->memory, p);
	if (!*ret_err)
		*ret_err = members_fill(s->members, p);
	if (!*ret_err)
		*ret_err = scans_fill(s->scans, p);
	return p;
}

void server_write(struct server *s)
{
	int err;
	struct profile *p = fill_profile(s, &err);

	p->write_error = err ? err : profile_writer_update(s->writer, p);
}

/* A part of what is to be done when the profile is next filled, so that the program has
 * not to wait for it then: where there is time for it, and before a checkpoint. False:
 * there is more of it. */
static bool fill_ahead(struct server *s, uint64_t now, size_t events)
{
	if (s->press && press_is_done(s->press))
		end_press(s);
	if (s->press || (events > BUSY_EVENTS && now < s->checkpoint_at))
		return true;
	return engine_fill_ahead(s->engine, s->profile);
}

/* At the first events, then now and then, all that is known goes to the file, so that
 * our own death costs little. Most of the time belongs to draining. ahead: nothing is left
 * to do in advance of it. */
static void checkpoint(struct server *s, uint64_t now, bool ahead)
{
	struct profile *p;
	int err;

	if (s->press || now < s->checkpoint_at ||
	    (!s->events_since && !scans_have_rows(s->scans)))
		return;
	/* New stacks may come faster than that. */
	if (!ahead && now - s->checkpoint_at < s->checkpoint_every)
		return;
	s->events_since = 0;
	p = fill_profile(s, &err);
	s->checkpoint_took = kernel_monotonic_ns() - now;
	if (s->checkpoint_every < CHECKPOINT_MAX_NS)
		s->checkpoint_every *= 2;
	s->checkpoint_at = now + s->checkpoint_every;
	s->press = err ? NULL : press_open(s->writer, p);
	if (!s->press)
		p->write_error = err ? err : -ENOMEM;
}

static void say_stopped(struct server *s, const char *why)
{
	struct profile *p = server_profile(s);

	p->stopped = strings_add(&p->strings, why);
}

/* The program says that it ends, and its memory takes the kernel a while: what it has
 * called by now is looked up meanwhile. */
static void foresee_end(struct server *s)
{
	int err;

	if (s->foreseen || s->press || !members_root_ends(s->members))
		return;
	s->foreseen = true;
	fill_profile(s, &err);
	symbols_begin(s->symbols, s->profile);
}

/* Written once, or where its names take long to find once before, without them, in case
 * that we do not come to the end. 0 or -errno. */
static int finish_profile(struct server *s)
{
	int err;
	struct profile *p = fill_profile(s, &err);

	if (err)
		return err;
	/* The program needs the processors no more. */
	if (p->stack_count > MANY_STACKS)
		profile_writer_use_threads(s->writer);
	/* (Without memory for it the names are looked up later.) */
	symbols_begin(s->symbols, p);
	/* Without memory for them, the options that need them will say so. */
	engine_fill_shares(s->engine, p);
	if (!symbols_wait(s->symbols, NAMES_NS))
		profile_writer_update(s->writer, p);
	if (!symbols_resolve(s->symbols, p) && !s->o->config.no_source)
		symbols_sources(s->symbols, p, NULL);
	p->complete = true;
	return profile_writer_update(s->writer, p);
}

static void finalize(struct server *s)
{
	/* A process may have come and gone since the last look. */
	engine_pass(s->engine);
	scans_end(s->scans);
	members_end_all(s->members);
	if (s->o->config.scan_at_exit)
		scans_tell_missing(s->scans);
	if (atomic_load(&header(s)->recording) == WIRE_ABANDONED)
		say_stopped(s, "the collector was stopped or starved and did not "
			       "answer in time");
	server_profile(s)->write_error = finish_profile(s);
}

/* ---- the launcher -------------------------------------------------------- */

static void summarize(struct server *s)
{
	const struct profile *p = server_profile(s);
	struct control_result *r = &s->result;

	r->complete = p->complete;
	r->processes = (uint32_t)profile_processes(p);
	r->running = (uint32_t)members_count(s->members) + s->strangers;
	r->unfollowed = (uint32_t)p->unfollowed_count;
	r->abandoned = atomic_load(&header(s)->recording) == WIRE_ABANDONED;
	r->write_error = p->write_error;
	for (size_t i = 0; i < p->process_count; i++) {
		const struct profile_process *q = &p->processes[i];

		if (q->serial == members_root_serial(s->members))
			r->notes = q->notes;
		else if (!q->counted)
			r->others += !(q->notes & WIRE_NOTE_OWN_MALLOC);
	}
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
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n != sizeof(s->root)) {
		s->launcher_gone = true;
		members_watch_root(s->members);
		return;
	}
	s->root_ended_ns = kernel_monotonic_ns();
	members_end_root(s->members, s->root.pid, s->root.wait_status);
}

/* The program has ended, and what it left behind goes on: the launcher need not wait.
 */
static void leave_launcher(struct server *s, uint64_t now)
{
	if (!s->root.pid || s->answered || now - s->root_ended_ns < GRACE_NS)
		return;
	server_write(s);
	answer(s);
}

/* ---- the loop ------------------------------------------------------------ */

/* Whether all that came has gone. A fork child that has not allocated yet is known to
 * nobody, but it has the memory mapped. */
static bool is_over(struct server *s)
{
	bool started = s->o->control < 0 ? members_had_any(s->members)
					 : s->root.pid || s->launcher_gone;

	members_look(s->members);
	if (!started || members_count(s->members) || s->caller_count ||
	    scans_busy(s->scans))
		return false;
	bell_close(s->bell); /* its thread looks into the memory */
	s->bell = NULL;
	/* A child that executes a program has left a word, and no mapping any more. So
	 * the last look at words comes right before the one at mappings. */
	members_look(s->members);
	s->strangers = !members_count(s->members) && recording_is_shared(&s->memory);
	return (!members_count(s->members) && !s->strangers) ||
	       bell_open(&header(s)->asleep, &s->bell) < 0;
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
		accounts_hush(s->accounts);
		if (atomic_compare_exchange_strong(&header(s)->recording, &recording,
						   WIRE_PAUSED))
			say_stopped(s, "--duration was over");
	}
}

static void sample_rss(struct server *s, uint64_t now)
{
	if (now < s->rss_at)
		return;
	engine_rss_sample(s->engine, members_rss(s->members));
	/* Ten milliseconds at first, and a share of the time when there are many. */
	s->rss_at = now + RSS_NS + 50 * (kernel_monotonic_ns() - now);
}

enum { POLL_BELL, POLL_CONTROL, POLL_LISTEN, POLL_SCANS, POLL_FIXED };

static size_t poll_fill(struct server *s, struct pollfd *fds)
{
	size_t n = POLL_FIXED;

	fds[POLL_BELL] = (struct pollfd){bell_fd(s->bell), POLLIN, 0};
	fds[POLL_CONTROL] = (struct pollfd){
		s->root.pid || s->launcher_gone ? -1 : s->o->control, POLLIN, 0};
	fds[POLL_LISTEN] = (struct pollfd){s->o->listen, POLLIN, 0};
	fds[POLL_SCANS] = (struct pollfd){scans_fd(s->scans), POLLIN, 0};
	for (size_t i = 0; i < s->caller_count; i++)
		fds[n++] = (struct pollfd){s->callers[i], POLLIN, 0};
	return n + members_poll(s->members, fds + n);
}

/* Sees to everything that happened outside the rings; sleeps up to nap_us for it. */
static int attend(struct server *s, uint64_t nap_us)
{
	struct timespec nap = {(time_t)(nap_us / 1000000),
			       (long)(nap_us % 1000000 * 1000)};
	size_t n, members = members_count(s->members), callers = s->caller_count;
	struct pollfd *fds;

	if (array_reserve(&s->fds, &s->fds_room, POLL_FIXED + members + callers) < 0)
		return -ENOMEM;
	fds = s->fds;
	n = poll_fill(s, fds);
	if (nap_us > NAP_MIN_US)
		bell_arm(s->bell);
	else if (nap_us)
		bell_nap(s->bell);
	if (ppoll(fds, n, &nap, NULL) < 0 && errno != EINTR)
		return -errno;
	if (nap_us)
		bell_disarm(s->bell);
	members_polled(s->members, fds + POLL_FIXED + callers, members);
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
	members_check(s->members, now);
}

static void adapt_nap(struct server *s, size_t events, bool ahead)
{
	if (events > BUSY_EVENTS)
		s->nap_us = 0;
	else if (events || !s->nap_us || !ahead)
		s->nap_us = NAP_MIN_US;
	else if (s->nap_us < NAP_MAX_US)
		s->nap_us *= 2;
}

/* They can be looked at while the recording goes on. */
static void keep_snapshots(struct server *s)
{
	if (scans_are_due(s->scans))
		server_write(s);
}

/* No longer than until a snapshot is due. */
static uint64_t nap_of(const struct server *s)
{
	uint64_t wait = schedule_wait(&s->schedule, engine_now_ns(s->engine)) / 1000;

	return wait < s->nap_us ? wait : s->nap_us;
}

static int serve(struct server *s)
{
	while (s->stopper < 0 && !is_over(s)) {
		uint64_t now = kernel_monotonic_ns();
		size_t events = engine_pass(s->engine);
		bool ahead;
		int err;

		s->events_since += events;
		/* relaxed: targets look whether it moves, nothing more. */
		atomic_fetch_add_explicit(&header(s)->heartbeat, 1,
					  memory_order_relaxed);
		members_look(s->members);
		server_watch_new(s);
		schedule_tick(&s->schedule, s->engine, s->scans,
			      engine_now_ns(s->engine));
		scans_look(s->scans);
		keep_snapshots(s);
		reap(s, now);
		keep_hours(s, now);
		if (events)
			sample_rss(s, now);
		accounts_tick(s->accounts, now);
		ahead = fill_ahead(s, now, events);
		checkpoint(s, now, ahead);
		leave_launcher(s, now);
		adapt_nap(s, events, ahead);
		if (!events)
			foresee_end(s);
		err = attend(s, nap_of(s));
		if (err < 0)
			return err;
	}
	return 0;
}

/* Without a launcher: a socket of our own, for the programs that the first executes. */
static int listen_bare(struct server *s)
{
	struct server_options *o = s->o;
	char name[64];

	o->listen = recording_listen(name, sizeof(name));
	if (o->listen < 0)
		return o->listen;
	if (getrandom(o->config.token, sizeof(o->config.token), 0) !=
	    sizeof(o->config.token))
		return -EIO;
	recording_session(name, o->config.token, s->memory.session);
	return 0;
}

/* By `heapline stop`: the targets go on, unrecorded. */
static void stop(struct server *s)
{
	uint32_t recording = WIRE_RECORDING;

	accounts_hush(s->accounts);
	atomic_compare_exchange_strong(&header(s)->recording, &recording, WIRE_PAUSED);
	say_stopped(s, "`heapline stop` ended it");
}

static void tell_progress(void *context, size_t done, size_t all)
{
	struct server *s = context;
	struct control_progress p = {(uint32_t)done, (uint32_t)all};

	/* Before the program's end the launcher does not listen, and what fills its
	 * queue would keep the result out. */
	if (s->o->control >= 0 && s->root_ended_ns && !s->answered)
		send(s->o->control, &p, sizeof(p), MSG_NOSIGNAL | MSG_DONTWAIT);
}

static int prepare_symbols(struct server *s)
{
	const struct control_config *c = &s->o->config;

	symbols_use_cache(s->symbols);
	symbols_on_progress(s->symbols, tell_progress, s);
	if (c->debuginfod) /* the launcher has said if that can't be */
		symbols_ask_servers(s->symbols);
	return symbols_source_paths(s->symbols, c->source_paths);
}

static int open_all(struct server *s)
{
	struct server_options *o = s->o;
	struct engine_hooks hooks = {.context = s,
				     .alive = alive,
				     .module_seen = module_seen,
				     .waited = waited,
				     .account = account,
				     .marked = marked};
	uint32_t flags = (o->config.free_stacks ? WIRE_FREE_STACKS : 0) |
			 (o->config.lossy ? WIRE_LOSSY : 0) | o->config.python |
			 (o->config.no_follow ? WIRE_NO_FOLLOW : 0) |
			 (o->config.scan_at_exit ? WIRE_SCAN_AT_EXIT : 0);
	bool partly = o->config.delay_ns || o->config.duration_ns || o->config.lossy ||
		      o->config.sample;
	int err = recording_open(&s->memory, flags, o->config.scan_wait_ms,
				 !o->config.delay_ns, o->config.kernel_clock);

	if (!err)
		header(s)->sample = o->config.sample;
	if (!err && o->listen < 0)
		err = listen_bare(s);
	memcpy(s->memory.token, o->config.token, sizeof(s->memory.token));
	if (!err)
		err = symbols_open(&s->symbols);
	if (!err)
		err = prepare_symbols(s);
	if (!err)
		err = bell_open(&header(s)->asleep, &s->bell);
	if (!err)
		err = engine_open(s->memory.base, s->memory.memory, &hooks, &s->engine);
	if (!err)
		engine_divide(s->engine, o->config.keep & ~CONTROL_KEEP_CONTENTS);
	if (!err && o->config.by_program)
		engine_join(s->engine);
	if (!err)
		err = members_open(&s->memory, s->engine, o->config.root_pid,
				   &s->members);
	if (!err)
		err = accounts_open(s->engine, s->memory.base, pid_of, s, &s->accounts);
	if (!err)
		err = scans_open(&s->memory, s->engine, partly,
				 o->config.keep & CONTROL_KEEP_CONTENTS, &s->scans);
	if (!err && o->config.scan_at_any_exit)
		scans_watch_all(s->scans, o->config.scan_wait_ms);
	if (!err)
		err = profile_writer_open(o->output, &s->writer);
	s->profile = err ? NULL : profile_new();
	if (!err && !s->profile)
		err = -ENOMEM;
	return err;
}

/* What others can see of us. The rest is the process's, and goes with it: to take apart
 * what a large recording has in memory is long work for nothing. */
static void leave(struct server *s)
{
	scans_close(s->scans);
	bell_close(s->bell);
	recording_close(&s->memory);
	closep(&s->stopper);
	closep(&s->o->control);
	closep(&s->o->listen);
}

static void say_ready(const struct server *s, int err)
{
	struct control_ready ready = {.err = err};

	if (s->o->control >= 0)
		send(s->o->control, &ready, sizeof(ready), MSG_NOSIGNAL);
}

int server_run(struct server_options *o)
{
	struct server s = {.o = o, .memory = {.memory = -1}, .stopper = -1};
	int err = open_all(&s);

	say_ready(&s, err);
	if (!err) {
		describe(&s);
		schedule_open(&s.schedule, &o->config.schedule);
		s.began_ns = kernel_monotonic_ns();
		s.checkpoint_every = CHECKPOINT_FIRST_NS / 2;
		s.opened = !o->config.delay_ns;
		if (o->first >= 0)
			callers_add(&s, o->first);
		err = serve(&s);
		if (s.stopper >= 0)
			stop(&s);
		finalize(&s);
		answer(&s);
		if (s.stopper >= 0)
			callers_send_status(&s, s.stopper);
	}
	leave(&s);
	return err;
}

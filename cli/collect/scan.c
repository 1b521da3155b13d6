#include "cli/collect/scan.h"

#include "cli/base/array.h"
#include "cli/base/kernel.h"
#include "cli/base/table.h"
#include "cli/base/threads.h"
#include "cli/collect/scan_job.h"
#include "cli/collect/watches.h"
#include "cli/profile/file.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
	WANTED = 256, /* asked for, not begun */
	JOBS = 8,     /* at a time, and no more than there are processors */
	PASSES = 64,  /* over the rings, for their end */
	END_LOOK_MS = 100,
	KEPT = 100, /* graphs that programs and schedules may fill a profile with ... */
};

#define KEPT_BYTES (1ull << 30)	      /* ... and their bytes in it */
#define UNWRITTEN_BYTES (16ull << 20) /* of graphs in our memory */
#define END_NS 60000000000ull	      /* for the last scans, when all else is over */

struct scan_row { /* that the profile does not have yet */
	struct profile_snapshot snapshot;
	char name[SCAN_NAME_BYTES];
	const char *cause;
	struct profile_piece *pieces;
	size_t piece_count;
};

struct scans {
	struct recording *memory;
	struct engine *engine;
	bool lacking, contents;
	int fd;
	uint32_t scans_seen;
	struct scan_want wanted[WANTED];
	size_t wanted_count;
	struct scan_job *jobs[JOBS]; /* under way; NULL: none */
	size_t most;		     /* of them */
	size_t kept;		     /* by programs and schedules */
	uint64_t kept_bytes;
	bool full_told;
	struct scan_row *rows;		    /* done, and not written */
	size_t row_count, row_room, number; /* of the next one, ever */
	uint64_t unwritten;		    /* bytes */
	bool due;
	struct table ended; /* serials of those that have a row of their end */
	struct watches watches;
};

int scans_open(struct recording *memory, struct engine *engine, bool lacking,
	       bool contents, struct scans **ret)
{
	struct scans *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	*s = (struct scans){.memory = memory,
			    .engine = engine,
			    .lacking = lacking,
			    .contents = contents,
			    .most = threads_allowed(JOBS)};
	s->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->fd < 0) {
		free(s);
		return -errno;
	}
	*ret = s;
	return 0;
}

int scans_fd(const struct scans *s)
{
	return s->fd;
}

static size_t job_count(const struct scans *s)
{
	size_t n = 0;

	for (size_t i = 0; i < JOBS; i++)
		n += s->jobs[i] != NULL;
	return n;
}

bool scans_busy(const struct scans *s)
{
	return s->wanted_count || job_count(s);
}

/* ---- beginning ----------------------------------------------------------- */

/* One that is dying is read by its watch; any other is let go by that, as a thread of
 * its own will trace it. */
static bool start(struct scans *s, struct scan_job *j)
{
	struct watch *watch = watches_find(&s->watches, j->want.serial);

	if (j->want.dying)
		return watch && watch_read(watch, j);
	if (watch && watch_state(watch) != WATCH_WATCHING)
		return false; /* it comes to its end: that is read */
	j->watch_again =
		watches_leave(&s->watches, j->want.serial) && !scan_at_end(&j->want);
	j->threaded = !pthread_create(&j->thread, NULL, scan_job_run, j);
	return j->threaded;
}

static struct scan_job *begin(struct scans *s, const struct scan_want *w)
{
	struct engine_process *p = engine_process(s->engine, w->serial);
	struct scan_job *j = p && !p->ended ? calloc(1, sizeof(*j)) : NULL;
	struct wire_process *slot;

	if (!j)
		return NULL;
	slot = wire_process(s->memory->base, p->slot);
	j->want = *w;
	j->want.contents |= s->contents;
	j->pid = p->pid;
	j->slot = slot;
	j->unheld = -1;
	j->bell = s->fd;
	j->started_ns = kernel_monotonic_ns();
	j->lacking = s->lacking;
	j->share = 1 + job_count(s);
	/* (Its own numbers are ours unless it lives in a namespace of pids.) */
	if (scan_at_end(w) && !w->dying && slot->pid == (uint32_t)p->pid) {
		j->exiting = (pid_t)slot->scan_tid;
		j->exit_sp = slot->scan_sp;
	}
	sem_init(&j->known, 0, 0);
	sem_init(&j->go, 0, 0);
	if (!start(s, j)) {
		scan_job_answer(j, -1);
		scan_job_close(j);
		return NULL;
	}
	return j;
}

/* ---- the blocks ---------------------------------------------------------- */

static void see_chunk(struct scan_job *j, const struct heap_block *b)
{
	if (!j->blocks_err)
		j->blocks_err =
			array_reserve(&j->chunks, &j->chunk_room, j->chunk_count + 1);
	if (!j->blocks_err)
		j->chunks[j->chunk_count++] = *b;
}

static void see_block(void *context, const struct engine_block *x)
{
	struct scan_job *j = context;
	const struct heap_block b = {.address = x->address,
				     .size = x->size,
				     .site = x->number,
				     .born_ns = x->born_ns,
				     .flags = (x->ignored ? HEAP_IGNORED : 0) |
					      (x->inherited ? HEAP_INHERITED : 0)};

	if (x->chunk)
		see_chunk(j, &b);
	else if (!j->blocks_err)
		j->blocks_err = heap_blocks_add(&j->graph.blocks, &b);
}

static void see_mapping(void *context, const struct engine_block *x)
{
	struct scan_job *j = context;

	if (!j->blocks_err)
		j->blocks_err = array_reserve(&j->mappings, &j->mapping_room,
					      j->mapping_count + 1);
	if (!j->blocks_err)
		j->mappings[j->mapping_count++] =
			(struct heap_block){.address = x->address,
					    .size = x->size,
					    .site = x->number,
					    .born_ns = x->born_ns,
					    .flags = x->blank ? HEAP_BLANK : 0};
}

/* The process stands: what it did is read to the end. */
static void give_blocks(struct scans *s, struct scan_job *j)
{
	struct engine_process *p;

	for (int i = 0, quiet = 0; i < PASSES && quiet < 2; i++)
		quiet = engine_pass(s->engine) ? 0 : quiet + 1;
	j->at_ns = engine_now_ns(s->engine);
	p = engine_process(s->engine, j->want.serial);
	if (p && !p->ended && !scan_at_end(&j->want))
		engine_look_begins(p, j->at_ns);
	/* Nothing is read until the blocks have been seen: the process may go on. */
	sem_post(&j->known);
	if (!p || p->ended)
		j->blocks_err = -ESRCH;
	else
		engine_each_live(s->engine, p, see_block, j);
	if (!j->blocks_err)
		engine_each_mapping(s->engine, p, see_mapping, j);
	sem_post(&j->go);
}

/* ---- the end ------------------------------------------------------------- */

static bool note_end(struct scans *s, uint32_t serial)
{
	return table_put(&s->ended, (struct table_key){serial, 0}, NULL);
}

/* What the job has made is the row's. Its number, or -ENOMEM. */
static int add_row(struct scans *s, struct scan_job *j)
{
	struct scan_row *row;

	if (array_reserve(&s->rows, &s->row_room, s->row_count + 1) < 0 ||
	    (scan_at_end(&j->want) && !note_end(s, j->want.serial)))
		return -ENOMEM;
	row = &s->rows[s->row_count++];
	*row = (struct scan_row){.snapshot = j->row, .cause = j->cause};
	row->snapshot.process_serial = j->want.serial;
	row->snapshot.kind = j->want.kind;
	row->snapshot.at_ns = j->at_ns;
	row->snapshot.lacking = j->lacking;
	memcpy(row->name, j->want.name, sizeof(row->name));
	if (!j->err) {
		row->pieces = j->pieces;
		row->piece_count = j->piece_count;
		j->pieces = NULL;
		j->piece_count = 0;
	}
	for (size_t i = 0; i < row->piece_count; i++)
		s->unwritten += row->pieces[i].stored;
	/* Nobody waits for what becomes of the many that end. */
	s->due |= !scan_at_end(&j->want) || s->unwritten > UNWRITTEN_BYTES;
	return (int)s->number++;
}

/* 0: none */
static uint32_t text(struct profile *p, const char *s)
{
	uint32_t number = strings_add(&p->strings, s);

	return number == UINT32_MAX ? 0 : number;
}

static int fill_row(struct profile *p, struct scan_row *from)
{
	struct profile_snapshot *row;
	int r = array_reserve(&p->snapshots, &p->snapshot_room, p->snapshot_count + 1);

	if (r < 0)
		return r;
	row = &p->snapshots[p->snapshot_count++];
	*row = from->snapshot;
	row->name = text(p, from->name);
	row->cause = text(p, from->cause);
	r = profile_pieces_add(p, from->pieces, from->piece_count);
	if (r < 0)
		p->snapshot_count--;
	else
		free(from->pieces);
	return r;
}

int scans_fill(struct scans *s, struct profile *p)
{
	size_t n = 0;
	int r = 0;

	while (n < s->row_count && !(r = fill_row(p, &s->rows[n])))
		n++;
	if (n)
		memmove(s->rows, s->rows + n, (s->row_count - n) * sizeof(*s->rows));
	s->row_count -= n;
	s->unwritten = r ? s->unwritten : 0;
	s->due = false;
	return r;
}

bool scans_have_rows(const struct scans *s)
{
	return s->row_count;
}

bool scans_are_due(const struct scans *s)
{
	return s->due;
}

static void count(struct profile_snapshot *row, const struct heap_graph *g)
{
	row->edges = g->edge_count;
	row->roots = g->root_count;
	row->read_bytes = g->read_bytes;
	row->unread_bytes = g->unread_bytes;
	for (size_t i = 0; i < g->blocks.count; i++)
		if (!(g->blocks.items[i].flags & HEAP_MAPPED)) {
			row->blocks++;
			row->bytes += g->blocks.items[i].size;
		}
}

/* Sites are numbers of the engine; in the file, blocks name stacks. Of those that were
 * there at the fork it is not known which of the parent's threads made them. */
static int name_sites(struct scans *s, struct scan_job *j)
{
	struct heap_graph *g = &j->graph;
	struct heap_blocks *b = &g->blocks;

	g->inherited = calloc(b->count + 1, 1);
	if (!g->inherited)
		return -ENOMEM;
	for (size_t i = 0; i < b->count; i++) {
		uint32_t stack, thread;

		engine_made_by(s->engine, b->items[i].site, &stack, &thread);
		b->items[i].site = stack == UINT32_MAX ? 0 : stack;
		/* Not known: its own process freed it since. */
		g->inherited[i] =
			stack == UINT32_MAX || b->items[i].flags & HEAP_INHERITED;
		if (!g->inherited[i] && thread != PROFILE_OTHERS &&
		    !heap_graph_set_thread(g, i, 1 + thread))
			return -ENOMEM;
	}
	return 0;
}

/* The graph is there: it is packed by a thread again, as that takes long. */
static void pack_up(struct scans *s, struct scan_job *j)
{
	struct engine_process *process = engine_process(s->engine, j->want.serial);

	if (j->threaded)
		pthread_join(j->thread, NULL);
	j->threaded = false;
	if (j->watch_again && process && !process->ended)
		watches_add(&s->watches, process);
	scan_job_answer(j, j->err ? -1 : j->want.counts ? j->unheld : 0);
	if (!j->err)
		j->err = name_sites(s, j);
	if (!j->err) {
		count(&j->row, &j->graph);
		j->threaded = !pthread_create(&j->thread, NULL, scan_job_pack, j);
		if (j->threaded)
			return;
		j->err = -ENOMEM;
	}
	scan_job_enter(j, SCAN_DONE);
}

/* What nobody sat waiting for is kept as far as there is room. */
static bool is_kept(struct scans *s, const struct scan_job *j)
{
	bool bounded = j->want.kind != PROFILE_AT_EXIT && j->want.kind != PROFILE_ASKED;

	if (!bounded)
		return true;
	for (size_t i = 0; i < j->piece_count; i++)
		s->kept_bytes += j->pieces[i].stored;
	return s->kept++ < KEPT && s->kept_bytes < KEPT_BYTES;
}

/* Said once. */
static bool is_last_word(struct scans *s, struct scan_job *j)
{
	if (s->full_told)
		return false;
	s->full_told = true;
	j->err = -ENOSPC;
	j->cause = "the profile has as many snapshots as are kept: 100 of programs and "
		   "schedules, or 1 GiB";
	return true;
}

/* The snapshot's number, or -errno. */
static int add(struct scans *s, struct scan_job *j)
{
	int number;

	/* It ended before its turn: nobody misses it. */
	if (j->want.kind == PROFILE_SCHEDULED && j->err == -ESRCH)
		return j->err;
	if (!is_kept(s, j) && !is_last_word(s, j))
		return -ENOSPC;
	number = add_row(s, j);
	return number < 0 || !j->err ? number : j->err;
}

/* What nothing held is watched for its free. */
static void follow(struct scans *s, struct scan_job *j)
{
	struct engine_process *p = engine_process(s->engine, j->want.serial);

	if (p && !scan_at_end(&j->want))
		j->row.followed =
			engine_look_ends(p, j->lost, j->err ? 0 : j->lost_count) &&
			!j->err;
}

static void finish(struct scans *s, struct scan_job *j)
{
	int result;

	if (j->threaded)
		pthread_join(j->thread, NULL);
	follow(s, j);
	if (j->err && !j->cause)
		j->cause = scan_job_cause(j->err);
	result = add(s, j);
	if (j->want.done)
		j->want.done(j->want.context, result);
	scan_job_close(j);
}

/* ---- asking -------------------------------------------------------------- */

int scans_ask(struct scans *s, const struct engine_process *p, const char *name,
	      bool contents, void (*done)(void *context, int result), void *context)
{
	struct scan_want *w;

	if (s->wanted_count == WANTED)
		return -EBUSY;
	w = &s->wanted[s->wanted_count++];
	*w = (struct scan_want){.serial = p->serial,
				.kind = PROFILE_ASKED,
				.contents = contents,
				.done = done,
				.context = context};
	snprintf(w->name, sizeof(w->name), "%s", name);
	eventfd_write(s->fd, 1);
	return 0;
}

static bool is_known(const struct scans *s, uint32_t serial, bool waits)
{
	for (size_t i = 0; i < JOBS; i++)
		if (s->jobs[i] && s->jobs[i]->want.waits == waits &&
		    s->jobs[i]->want.serial == serial)
			return true;
	for (size_t i = 0; i < s->wanted_count; i++)
		if (s->wanted[i].waits == waits && s->wanted[i].serial == serial)
			return true;
	return false;
}

bool scans_is_scheduled(const struct scans *s, const struct engine_process *p)
{
	for (size_t i = 0; i < s->wanted_count; i++)
		if (s->wanted[i].kind == PROFILE_SCHEDULED &&
		    s->wanted[i].serial == p->serial)
			return true;
	return false;
}

int scans_schedule(struct scans *s, const struct engine_process *p, const char *name)
{
	struct scan_want *w;
	int r;

	if (scans_is_scheduled(s, p))
		return -EBUSY;
	r = scans_ask(s, p, name, false, NULL, NULL);
	if (r)
		return r;
	w = &s->wanted[s->wanted_count - 1];
	w->kind = PROFILE_SCHEDULED;
	return 0;
}

/* What a process that waits wants. Its word is read once. */
static struct scan_want want_of(struct scans *s, const struct wire_process *p,
				uint32_t serial)
{
	static const enum profile_why_scanned kinds[WIRE_SCAN_KINDS] = {
		[WIRE_SCAN_AT_END] = PROFILE_AT_EXIT,
		[WIRE_SCAN_SNAPSHOT] = PROFILE_BY_PROGRAM,
		[WIRE_SCAN_LEAKS] = PROFILE_LEAK_CHECK,
	};
	uint32_t kind = *(const volatile uint32_t *)&p->scan_kind;
	uint32_t name = *(const volatile uint32_t *)&p->scan_name;
	struct scan_want w = {.serial = serial, .waits = true};

	w.kind = kinds[kind < WIRE_SCAN_KINDS ? kind : WIRE_SCAN_AT_END];
	w.counts = w.kind == PROFILE_LEAK_CHECK;
	recording_name(s->memory, name, w.name, sizeof(w.name));
	return w;
}

/* A slot whose process stands and waits. False: it is to be looked at again, as the
 * process is not known yet, or too many wait. */
static bool hear_slot(struct scans *s, uint32_t slot)
{
	struct wire_process *p = wire_process(s->memory->base, slot);
	struct engine_process *known;
	uint32_t serial;

	/* acquire: pairs with stand(). */
	if (atomic_load_explicit(&p->scan, memory_order_acquire) != WIRE_SCAN_ASKED ||
	    atomic_load_explicit(&p->state, memory_order_acquire) != WIRE_PROCESS_LIVE)
		return true;
	serial = p->serial;
	known = engine_process(s->engine, serial);
	if (known && known->ended)
		return true;
	if (!known || known->slot != slot || s->wanted_count == WANTED)
		return false;
	if (!is_known(s, serial, true))
		s->wanted[s->wanted_count++] = want_of(s, p, serial);
	return true;
}

/* Those that stand and wait. */
static void hear_processes(struct scans *s)
{
	struct wire_header *h = (struct wire_header *)s->memory->base;
	/* acquire: pairs with stand(). */
	uint32_t scans = atomic_load_explicit(&h->scans, memory_order_acquire);
	bool all = true;

	if (scans == s->scans_seen)
		return;
	for (uint32_t slot = 0; slot < wire_slots_used(s->memory->base); slot++)
		all &= hear_slot(s, slot);
	if (all)
		s->scans_seen = scans;
}

/* Those that stand at an end that they had no say in. */
static void hear_watches(struct scans *s)
{
	uint32_t serial;

	while (s->wanted_count < WANTED && watches_next(&s->watches, &serial))
		s->wanted[s->wanted_count++] = (struct scan_want){
			.serial = serial, .kind = PROFILE_AT_EXIT, .dying = true};
}

void scans_watch(struct scans *s, const struct engine_process *p)
{
	watches_add(&s->watches, p);
}

void scans_watch_all(struct scans *s, uint32_t wait_ms)
{
	s->watches.on = true;
	s->watches.bell = s->fd;
	s->watches.wait_ms = wait_ms;
}

/* One at a time of a process, in their order; and of those that go on, whose memory is
 * copied. */
static bool may_begin(const struct scans *s, size_t wanted)
{
	const struct scan_want *w = &s->wanted[wanted];

	for (size_t i = 0; i < wanted; i++)
		if (s->wanted[i].serial == w->serial)
			return false;
	for (size_t i = 0; i < JOBS; i++) {
		const struct scan_job *j = s->jobs[i];

		if (j && (j->want.serial == w->serial ||
			  (!scan_at_end(&j->want) && !scan_at_end(w))))
			return false;
	}
	return true;
}

/* What cannot be begun is done with. */
static void begin_wanted(struct scans *s, size_t wanted)
{
	struct scan_want w = s->wanted[wanted];
	struct scan_job *j;
	size_t slot = 0;

	memmove(s->wanted + wanted, s->wanted + wanted + 1,
		(--s->wanted_count - wanted) * sizeof(w));
	j = begin(s, &w);
	if (!j && w.done)
		w.done(w.context, -ESRCH);
	while (s->jobs[slot])
		slot++;
	s->jobs[slot] = j;
}

static void begin_all(struct scans *s)
{
	for (size_t i = 0; i < s->wanted_count && job_count(s) < s->most;)
		if (may_begin(s, i))
			begin_wanted(s, i);
		else
			i++;
}

/* True: it has come to its end. */
static bool go_on(struct scans *s, struct scan_job *j)
{
	/* acquire: pairs with scan_job_enter(). */
	switch (atomic_load_explicit(&j->phase, memory_order_acquire)) {
	case SCAN_STOPPED:
		atomic_store_explicit(&j->phase, SCAN_STOPPING, memory_order_relaxed);
		give_blocks(s, j);
		break;
	case SCAN_READ:
		atomic_store_explicit(&j->phase, SCAN_STOPPING, memory_order_relaxed);
		pack_up(s, j);
		break;
	case SCAN_DONE:
		return true;
	default:
		break;
	}
	return false;
}

void scans_look(struct scans *s)
{
	eventfd_t rung;

	eventfd_read(s->fd, &rung);
	hear_processes(s);
	hear_watches(s);
	for (size_t i = 0; i < JOBS; i++) {
		struct scan_job *j = s->jobs[i];

		if (!j || !go_on(s, j))
			continue;
		s->jobs[i] = NULL;
		finish(s, j);
	}
	begin_all(s);
}

void scans_end(struct scans *s)
{
	uint64_t end = kernel_monotonic_ns() + END_NS;

	while (scans_busy(s) && kernel_monotonic_ns() < end) {
		struct pollfd fd = {.fd = s->fd, .events = POLLIN};

		poll(&fd, 1, END_LOOK_MS);
		scans_look(s);
	}
	/* The others go on without us. */
	if (!job_count(s))
		watches_done(&s->watches);
}

static const char *why_missing(const struct engine_process *p)
{
	switch (p->end) {
	case PROFILE_SIGNALED:
		return "a signal ended it, which leaves no time for it";
	case PROFILE_RUNNING:
		return "it was still running when the recording ended";
	default:
		if (!p->events)
			return "it allocated and freed nothing itself";
		return "it ended without a word: by the bare system call, behind a "
		       "seccomp filter, or it did not wait any longer";
	}
}

void scans_tell_missing(struct scans *s)
{
	struct engine_process *i = NULL;

	while ((i = engine_process_next(s->engine, i))) {
		struct scan_job none = {.want = {.serial = i->serial},
					.at_ns = i->end_ns};

		if (i->end == PROFILE_EXECED ||
		    table_get(&s->ended, (struct table_key){i->serial, 0}))
			continue;
		none.cause = why_missing(i);
		add_row(s, &none);
	}
}

static void break_off(struct scan_job *j)
{
	j->blocks_err = j->blocks_err ? j->blocks_err : -ESRCH;
	sem_post(&j->known);
	sem_post(&j->go);
	if (j->threaded)
		pthread_join(j->thread, NULL);
}

void scans_close(struct scans *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < JOBS; i++)
		if (s->jobs[i])
			break_off(s->jobs[i]);
	watches_done(&s->watches); /* which may be at it */
	for (size_t i = 0; i < JOBS; i++)
		if (s->jobs[i]) {
			scan_job_answer(s->jobs[i], -1);
			scan_job_close(s->jobs[i]);
		}
	for (size_t i = 0; i < s->row_count; i++)
		profile_pieces_free(s->rows[i].pieces, s->rows[i].piece_count);
	free(s->rows);
	table_done(&s->ended);
	close(s->fd);
	free(s);
}

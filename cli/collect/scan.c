#include "cli/collect/scan.h"
#include "cli/collect/procfs.h"
#include "cli/collect/scan_frames.h"
#include "cli/collect/scan_names.h"

#include "cli/base/array.h"
#include "cli/base/cleanup.h"
#include "cli/base/kernel.h"
#include "cli/heap/memory.h"
#include "cli/heap/roots.h"
#include "cli/heap/store.h"
#include "cli/profile/file.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/sysinfo.h>
#include <unistd.h>

enum {
	WANTED = 256, /* asked for, not begun */
	NAME_BYTES = 128,
	PASSES = 64, /* over the rings, for their end */
	END_LOOK_MS = 100,
	EDGE_BYTES = 16, /* of memory, roots and the way back included */
};

#define STOP_NS 1000000000ull /* a thread that does not stop for that long runs on */
#define MAPPING_MAX (4ull << 30)
#define END_NS 60000000000ull /* for the last scans, when all else is over */

enum phase { STOPPING, STOPPED, READING, DONE };

struct want {
	uint32_t serial;
	bool at_exit;
	char name[NAME_BYTES];
	void (*done)(void *context, int result);
	void *context;
};

struct job { /* one scan; the thread's but where it says otherwise */
	struct want want;
	pid_t pid;
	pid_t exiting; /* thread, 0: none */
	uint64_t exit_sp;
	uint64_t at_ns, started_ns;
	uint32_t slot;
	bool lacking;

	pthread_t thread;
	int bell;		 /* rung when phase changed */
	_Atomic int phase;	 /* enum phase */
	sem_t go;		 /* posted by the server, with the blocks */
	int blocks_err;		 /* the server's */
	struct heap_graph graph; /* whose blocks are the server's to add */

	struct heap_image image; /* of one that goes on */
	uint64_t image_max;

	int err; /* 0 or -errno: not scanned */
	const char *cause;
	struct profile_snapshot row;
	struct profile_piece *pieces;
	size_t piece_count, piece_room;
	uint32_t *sites; /* of the graph's blocks */
	struct heap_roots roots;
	struct scan_frames frames;
};

struct scans {
	struct recording *memory;
	struct engine *engine;
	bool lacking;
	int fd;
	uint32_t scans_seen;
	struct want wanted[WANTED];
	size_t wanted_count;
	struct job *job; /* under way, or NULL */
};

int scans_open(struct recording *memory, struct engine *engine, bool lacking,
	       struct scans **ret)
{
	struct scans *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	*s = (struct scans){.memory = memory, .engine = engine, .lacking = lacking};
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

bool scans_busy(const struct scans *s)
{
	return s->job || s->wanted_count;
}

/* ---- the thread ---------------------------------------------------------- */

static void enter(struct job *j, enum phase phase)
{
	/* release: what was done in the phase before; pairs with scans_look(). */
	atomic_store_explicit(&j->phase, phase, memory_order_release);
	eventfd_write(j->bell, 1);
}

static const char *cause_of(int err)
{
	switch (err) {
	case -EPERM:
	case -EACCES:
		return "the kernel does not allow to trace it: another tracer has it, "
		       "or a security module forbids it";
	case -ESRCH:
		return "it ended while it was being read";
	case -EOVERFLOW:
		return "it holds more references than there is memory for";
	case -ENOMEM:
		return "there was not enough memory";
	default:
		return strerror(-err);
	}
}

static uint64_t memory_free(void)
{
	struct sysinfo info;

	if (sysinfo(&info) < 0)
		return 1ull << 30;
	return (info.freeram + info.bufferram) * (uint64_t)info.mem_unit;
}

/* So that a process full of pointers cannot take all memory. */
static size_t edge_max(void)
{
	uint64_t most = HEAP_NONE - 1, n = memory_free() / 2 / EDGE_BYTES;

	n = n < 1 << 20 ? 1 << 20 : n;
	return (size_t)(n < most ? n : most);
}

/* Edges and roots, out of memory that stands still. */
static int find(struct job *j, const struct heap_source *source,
		struct heap_memory *memory, struct heap_threads *threads)
{
	struct heap_roots_options o = {
		.exiting = j->exiting,
		.exit_sp = j->exit_sp,
		.shim = "libheapline.so",
		.read_max = MAPPING_MAX,
	};
	int r;

	j->graph.edge_max = edge_max();
	r = heap_modules_find(&j->roots.modules, &j->roots.names, memory);
	if (!r)
		r = scan_frames_take(&j->frames, &j->roots, memory, threads, j->exiting,
				     &o.exit_sp);
	if (!r)
		r = heap_blocks_seal(&j->graph.blocks);
	if (!r)
		r = heap_graph_scan(&j->graph, source);
	if (!r)
		r = heap_roots_find(&j->graph, source, memory, threads, &o, &j->roots);
	return r;
}

static void let_go(struct job *j, struct heap_threads *threads, uint64_t stopped_ns)
{
	heap_threads_resume(threads);
	j->row.pause_ns = kernel_monotonic_ns() - stopped_ns;
}

/* With the memory open. One that goes on is copied, if that can be, and let go before
 * anything is looked for. */
static int read_memory(struct job *j, struct heap_memory *memory,
		       struct heap_threads *threads, uint64_t stopped_ns)
{
	struct heap_source source = {memory, heap_memory_read};
	int r = j->want.at_exit ? -E2BIG
				: heap_image_take(&j->image, memory, j->image_max);

	while (sem_wait(&j->go) < 0)
		;
	if (j->blocks_err || (r && r != -E2BIG && r != -ENOMEM))
		return j->blocks_err ? j->blocks_err : r;
	if (!r) {
		memory->image = &j->image;
		let_go(j, threads, stopped_ns);
	}
	r = find(j, &source, memory, threads);
	if (!memory->image)
		let_go(j, threads, stopped_ns);
	return r;
}

/* The thread by which the memory is read: the first one may have ended before others,
 * and has none then. */
static pid_t reader_of(const struct heap_threads *threads)
{
	for (size_t i = 0; i < threads->count; i++)
		if (threads->items[i].stopped)
			return threads->items[i].tid;
	return threads->pid;
}

/* The process is stopped; its blocks are on their way. */
static int read_process(struct job *j, struct heap_threads *threads,
			uint64_t stopped_ns)
{
	_cleanup_(heap_maps_done) struct heap_maps maps = {0};
	struct heap_memory memory;
	pid_t reader = reader_of(threads);
	int r = heap_maps_read(reader, &maps);

	if (r < 0) {
		while (sem_wait(&j->go) < 0)
			;
		return r;
	}
	heap_memory_open(&memory, reader, &maps);
	r = read_memory(j, &memory, threads, stopped_ns);
	heap_memory_close(&memory);
	return r;
}

static int put_piece(void *context, const void *data, size_t len)
{
	struct job *j = context;
	int r = array_reserve(&j->pieces, &j->piece_room, j->piece_count + 1);

	if (!r)
		r = profile_piece_make(data, len, &j->pieces[j->piece_count]);
	if (!r)
		j->piece_count++;
	return r;
}

static int scan(struct job *j)
{
	struct heap_threads threads;
	uint64_t stopped_ns, rss = procfs_rss(j->pid);
	int r;

	j->image_max = memory_free() / 2;
	if (!j->want.at_exit && rss < j->image_max)
		heap_image_prepare(&j->image, rss);
	r = heap_threads_stop(&threads, j->pid, STOP_NS);
	if (r < 0)
		return r;
	stopped_ns = kernel_monotonic_ns();
	j->row.threads = (uint32_t)threads.count;
	j->row.running = (uint32_t)threads.running;
	enter(j, STOPPED);
	r = read_process(j, &threads, stopped_ns);
	heap_threads_done(&threads);
	return r;
}

static void *run(void *context)
{
	struct job *j = context;

	j->err = scan(j);
	if (!j->err)
		j->err = scan_names(&j->graph, &j->roots, &j->frames, j->pid);
	heap_image_done(&j->image);
	if (j->err)
		j->cause = cause_of(j->err);
	else
		heap_graph_seal(&j->graph);
	j->row.scan_ns = kernel_monotonic_ns() - j->started_ns;
	enter(j, READING); /* the process may go on: it was let go */
	return NULL;
}

/* ---- beginning ----------------------------------------------------------- */

static void job_close(struct job *j)
{
	for (size_t i = 0; i < j->piece_count; i++)
		free(j->pieces[i].data);
	free(j->pieces);
	free(j->sites);
	heap_graph_done(&j->graph);
	heap_roots_done(&j->roots);
	scan_frames_done(&j->frames);
	sem_destroy(&j->go);
	free(j);
}

static void answer(struct scans *s, struct job *j)
{
	struct wire_process *p;

	if (!j->want.at_exit)
		return;
	/* release: the process was let go; pairs with farewell(). */
	p = wire_process(s->memory->base, j->slot);
	atomic_store_explicit(&p->scan, WIRE_SCAN_DONE, memory_order_release);
	kernel_futex_wake(&p->scan);
}

static struct job *begin(struct scans *s, const struct want *w)
{
	struct engine_process *p = engine_process(s->engine, w->serial);
	struct job *j = p && !p->ended ? calloc(1, sizeof(*j)) : NULL;
	struct wire_process *slot;

	if (!j)
		return NULL;
	slot = wire_process(s->memory->base, p->slot);
	j->want = *w;
	j->pid = p->pid;
	j->slot = p->slot;
	j->bell = s->fd;
	j->started_ns = kernel_monotonic_ns();
	j->lacking = s->lacking;
	/* (Its own numbers are ours unless it lives in a namespace of pids.) */
	if (w->at_exit && slot->pid == (uint32_t)p->pid) {
		j->exiting = (pid_t)slot->scan_tid;
		j->exit_sp = slot->scan_sp;
	}
	sem_init(&j->go, 0, 0);
	if (pthread_create(&j->thread, NULL, run, j)) {
		answer(s, j);
		job_close(j);
		return NULL;
	}
	return j;
}

/* ---- the blocks ---------------------------------------------------------- */

static void see_block(void *context, uint64_t address, uint64_t size, uint32_t site,
		      uint64_t born_ns)
{
	struct job *j = context;
	const struct heap_block b = {
		.address = address, .size = size, .site = site, .born_ns = born_ns};

	if (!j->blocks_err)
		j->blocks_err = heap_blocks_add(&j->graph.blocks, &b);
}

/* The process stands: what it did is read to the end. */
static void give_blocks(struct scans *s, struct job *j)
{
	struct engine_process *p;

	for (int i = 0, quiet = 0; i < PASSES && quiet < 2; i++)
		quiet = engine_pass(s->engine) ? 0 : quiet + 1;
	p = engine_process(s->engine, j->want.serial);
	if (!p || p->ended)
		j->blocks_err = -ESRCH;
	else
		engine_each_live(s->engine, p, see_block, j);
	j->at_ns = engine_now_ns(s->engine);
	sem_post(&j->go);
}

/* ---- the end ------------------------------------------------------------- */

static struct profile_snapshot *add_row(struct scans *s, struct profile *p,
					const struct job *j)
{
	struct profile_snapshot *row;

	(void)s;
	if (array_reserve(&p->snapshots, &p->snapshot_room, p->snapshot_count + 1) < 0)
		return NULL;
	row = &p->snapshots[p->snapshot_count++];
	*row = j->row;
	row->process_serial = j->want.serial;
	row->kind = j->want.at_exit ? PROFILE_AT_EXIT : PROFILE_ASKED;
	row->name = strings_add(&p->strings, j->want.name);
	row->cause = strings_add(&p->strings, j->cause);
	row->name = row->name == UINT32_MAX ? 0 : row->name;
	row->cause = row->cause == UINT32_MAX ? 0 : row->cause;
	row->at_ns = j->at_ns;
	row->lacking = j->lacking;
	return row;
}

static void count(struct profile_snapshot *row, const struct heap_graph *g)
{
	row->blocks = g->blocks.count;
	row->edges = g->edge_count;
	row->roots = g->root_count;
	row->read_bytes = g->read_bytes;
	row->unread_bytes = g->unread_bytes;
	for (size_t i = 0; i < g->blocks.count; i++)
		row->bytes += g->blocks.items[i].size;
}

/* Sites are numbers of the engine; in the file, blocks name stacks. Those of another
 * process were there at the fork. */
static int name_sites(struct job *j, const struct profile *p)
{
	struct heap_blocks *b = &j->graph.blocks;
	uint8_t *inherited = calloc(b->count + 1, 1);

	if (!inherited)
		return -ENOMEM;
	for (size_t i = 0; i < b->count; i++) {
		uint32_t number = b->items[i].site;

		b->items[i].site = 0;
		if (number >= p->site_count)
			continue;
		inherited[i] = p->sites[number].process_serial != j->want.serial;
		b->items[i].site = p->sites[number].stack;
	}
	j->graph.inherited = inherited;
	return 0;
}

static void *pack(void *context)
{
	struct job *j = context;

	j->err = heap_store(&j->graph, &j->roots, put_piece, j);
	if (j->err)
		j->cause = cause_of(j->err);
	enter(j, DONE);
	return NULL;
}

/* The graph is there: it is packed by a thread again, as that takes long. */
static void pack_up(struct scans *s, struct job *j, struct profile *p,
		    int (*fill)(void *context, struct profile *p), void *context)
{
	pthread_join(j->thread, NULL);
	answer(s, j);
	if (!j->err && fill(context, p) < 0)
		j->err = -ENOMEM;
	if (!j->err)
		j->err = name_sites(j, p);
	if (!j->err) {
		count(&j->row, &j->graph);
		if (!pthread_create(&j->thread, NULL, pack, j))
			return;
		j->err = -ENOMEM;
	}
	j->thread = 0;
	enter(j, DONE);
}

static void finish(struct scans *s, struct job *j, struct profile *p)
{
	struct profile_snapshot *row;
	int result = j->err;

	if (j->thread)
		pthread_join(j->thread, NULL);
	if (j->err && !j->cause)
		j->cause = cause_of(j->err);
	row = add_row(s, p, j);
	if (!row)
		result = -ENOMEM;
	else if (!j->err && profile_pieces_add(p, j->pieces, j->piece_count) < 0) {
		row->cause = strings_add(&p->strings, cause_of(-ENOMEM));
		result = -ENOMEM;
	}
	if (j->want.done)
		j->want.done(j->want.context,
			     result ? result : (int)p->snapshot_count - 1);
	s->job = NULL;
	job_close(j);
}

/* ---- asking -------------------------------------------------------------- */

int scans_ask(struct scans *s, const struct engine_process *p, const char *name,
	      void (*done)(void *context, int result), void *context)
{
	struct want *w;

	if (s->wanted_count == WANTED)
		return -EBUSY;
	w = &s->wanted[s->wanted_count++];
	*w = (struct want){.serial = p->serial, .done = done, .context = context};
	snprintf(w->name, sizeof(w->name), "%s", name);
	eventfd_write(s->fd, 1);
	return 0;
}

static bool is_known(const struct scans *s, uint32_t serial)
{
	if (s->job && s->job->want.at_exit && s->job->want.serial == serial)
		return true;
	for (size_t i = 0; i < s->wanted_count; i++)
		if (s->wanted[i].at_exit && s->wanted[i].serial == serial)
			return true;
	return false;
}

/* A slot whose process stands at its end. False: it is to be looked at again, as the
 * process is not known yet, or too many wait. */
static bool hear_slot(struct scans *s, uint32_t slot)
{
	struct wire_process *p = wire_process(s->memory->base, slot);
	struct engine_process *known;
	uint32_t serial;

	/* acquire: pairs with farewell(). */
	if (atomic_load_explicit(&p->scan, memory_order_acquire) != WIRE_SCAN_ASKED ||
	    atomic_load_explicit(&p->state, memory_order_acquire) != WIRE_PROCESS_LIVE)
		return true;
	serial = p->serial;
	known = engine_process(s->engine, serial);
	if (known && known->ended)
		return true;
	if (!known || known->slot != slot || s->wanted_count == WANTED)
		return false;
	if (!is_known(s, serial))
		s->wanted[s->wanted_count++] =
			(struct want){.serial = serial, .at_exit = true};
	return true;
}

/* Those that stand at their end, and wait. */
static void hear_processes(struct scans *s)
{
	struct wire_header *h = (struct wire_header *)s->memory->base;
	/* acquire: pairs with farewell(). */
	uint32_t scans = atomic_load_explicit(&h->scans, memory_order_acquire);
	bool all = true;

	if (scans == s->scans_seen)
		return;
	for (uint32_t slot = 0; slot < WIRE_PROCESSES; slot++)
		all &= hear_slot(s, slot);
	if (all)
		s->scans_seen = scans;
}

/* The first that is wanted; what cannot be begun is done with. */
static void begin_next(struct scans *s)
{
	while (!s->job && s->wanted_count) {
		struct want w = s->wanted[0];

		memmove(s->wanted, s->wanted + 1, --s->wanted_count * sizeof(w));
		s->job = begin(s, &w);
		if (!s->job && w.done)
			w.done(w.context, -ESRCH);
	}
}

void scans_look(struct scans *s, struct profile *p,
		int (*fill)(void *context, struct profile *p), void *context)
{
	struct job *j;
	eventfd_t rung;

	eventfd_read(s->fd, &rung);
	hear_processes(s);
	begin_next(s);
	j = s->job;
	if (!j)
		return;
	/* acquire: pairs with enter(). */
	switch (atomic_load_explicit(&j->phase, memory_order_acquire)) {
	case STOPPED:
		atomic_store_explicit(&j->phase, STOPPING, memory_order_relaxed);
		give_blocks(s, j);
		break;
	case READING:
		atomic_store_explicit(&j->phase, STOPPING, memory_order_relaxed);
		pack_up(s, j, p, fill, context);
		break;
	case DONE:
		finish(s, j, p);
		begin_next(s);
		break;
	default:
		break;
	}
}

void scans_end(struct scans *s, struct profile *p,
	       int (*fill)(void *context, struct profile *p), void *context)
{
	uint64_t end = kernel_monotonic_ns() + END_NS;

	while (scans_busy(s) && kernel_monotonic_ns() < end) {
		struct pollfd fd = {.fd = s->fd, .events = POLLIN};

		poll(&fd, 1, END_LOOK_MS);
		scans_look(s, p, fill, context);
	}
}

static bool has_row(const struct profile *p, uint32_t serial)
{
	for (size_t i = 0; i < p->snapshot_count; i++)
		if (p->snapshots[i].process_serial == serial &&
		    p->snapshots[i].kind == PROFILE_AT_EXIT)
			return true;
	return false;
}

static const char *why_missing(const struct engine_process *p)
{
	switch (p->end) {
	case PROFILE_SIGNALED:
		return "a signal ended it, which leaves no time for it";
	case PROFILE_RUNNING:
		return "it was still running when the recording ended";
	default:
		return "it ended without a word: by the bare system call, behind a "
		       "seccomp filter, or it did not wait any longer";
	}
}

void scans_tell_missing(struct scans *s, struct profile *p)
{
	struct engine_process *i = NULL;

	while ((i = engine_process_next(s->engine, i))) {
		struct job none = {.want = {.serial = i->serial, .at_exit = true},
				   .at_ns = i->end_ns};

		if (i->end == PROFILE_EXECED || has_row(p, i->serial))
			continue;
		none.cause = why_missing(i);
		add_row(s, p, &none);
	}
}

void scans_close(struct scans *s)
{
	if (!s)
		return;
	if (s->job) {
		s->job->blocks_err = s->job->blocks_err ? s->job->blocks_err : -ESRCH;
		sem_post(&s->job->go);
		if (s->job->thread)
			pthread_join(s->job->thread, NULL);
		answer(s, s->job);
		job_close(s->job);
	}
	close(s->fd);
	free(s);
}

#include "cli/collect/engine.h"

#include "cli/base/array.h"
#include "cli/base/table.h"
#include "cli/collect/fill.h"
#include "cli/collect/ledger.h"
#include "cli/collect/merge.h"
#include "cli/collect/modules.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>

enum {
	BATCH = 128,
	TRIM_RINGS = 256, /* trimmed at most at a time */
	SLOW_BYTES = 4096, /* read between two looks: more is busy */
	SLOW_HOLDS = 64 << 10, /* what makes it worth trimming a slow ring */
	LOOK_RINGS = 64, /* rings looked at in each pass for a dead owner, or a claim */
	SLACK_NS = 1000000,
	PARKED_MAX = 1 << 20, /* events; more are not waited for */
};

#define FORK_PATIENCE_NS 60000000000ull /* by then a child has taken its slot */

struct process {
	struct engine_process pub; /* first: its address is the process's */
	struct ledger_process books;
	uint64_t round; /* what is parked up to this round waits for the fence */
	bool fenced, ending;
	uint32_t forked_from; /* a parent that is not known yet; 0: none, or known */
	uint64_t forked_ns;
	uint64_t lost, held_back; /* of rings that were freed; ticks */
};

struct thread {
	uint32_t process, tid; /* index */
	char name[WIRE_THREAD_NAME_BYTES + 1];
	uint64_t events, start_ns, end_ns;
	bool ended, filled;
};

struct lane { /* a ring in use */
	struct ring_reader reader; /* first */
	struct process *process;
	struct ledger_thread books;
	size_t thread;
	uint64_t fence;
	uint64_t looked_at; /* how far it was read when last looked at for trimming */
};

struct engine {
	void *base;
	int fd;
	struct engine_hooks hooks;
	struct stamp_clock clock;
	struct ledger ledger;
	struct modules modules;
	size_t modules_told;

	struct lane lanes[WIRE_RINGS];
	uint16_t open[WIRE_RINGS]; /* numbers of lanes in use */
	size_t open_count;
	bool in_use[WIRE_RINGS];
	uint32_t claims; /* as of the last look at all rings */
	size_t trim;	 /* where the next look for idle rings begins */
	uint32_t look;	 /* where the next look at a few begins */
	struct event *windows; /* free ones, linked through their first word */

	struct process **processes; /* by index */
	size_t process_count, process_room;
	size_t orphans; /* whose parent is not known yet */
	struct table serials; /* serial -> index + 1 */
	struct thread *threads;
	size_t thread_count, thread_room;
	size_t threads_final; /* all below have ended and are in the profile */

	struct merge merge;
	uint64_t stamp; /* of this pass */
	uint64_t slack; /* that two processors' counters may differ by, in ticks */
	struct event batch[BATCH];
	size_t batched, consumed;
	uint64_t lost; /* events of rings that no process owns */
};

static struct wire_header *header(const struct engine *e)
{
	return e->base;
}

static uint64_t now(const struct engine *e)
{
	return e->hooks.now ? e->hooks.now(e->hooks.context) : clock_stamp(&e->clock);
}

static void fail(struct engine *e)
{
	if (!e->ledger.sites.error)
		e->ledger.sites.error = -ENOMEM;
}

/* ---- processes ----------------------------------------------------------- */

struct engine_process *engine_process(struct engine *e, uint32_t serial)
{
	uint64_t *index = table_get(&e->serials, (struct table_key){serial, 0});

	return index && *index ? &e->processes[*index - 1]->pub : NULL;
}

static struct process *process_new(struct engine *e, uint32_t serial)
{
	struct process *p = calloc(1, sizeof(*p));
	uint64_t *index = table_put(&e->serials, (struct table_key){serial, 0}, NULL);

	if (!p || !index ||
	    array_reserve(&e->processes, &e->process_room, e->process_count + 1) < 0 ||
	    ledger_process_start(&e->ledger, &p->books, serial) < 0) {
		free(p);
		fail(e);
		return NULL;
	}
	e->processes[e->process_count++] = p;
	*index = e->process_count;
	p->pub.serial = serial;
	return p;
}

struct engine_process *engine_process_begin(struct engine *e, uint32_t serial,
					    uint32_t parent_serial, int32_t pid,
					    uint32_t slot)
{
	struct engine_process *known = engine_process(e, serial);
	struct process *p;

	if (known || !serial || slot >= WIRE_PROCESSES)
		return known;
	p = process_new(e, serial);
	if (!p)
		return NULL;
	p->pub.parent_serial = parent_serial;
	p->pub.pid = pid;
	p->pub.slot = slot;
	p->pub.start_ns = clock_ns(&e->clock, now(e));
	if (e->hooks.process_seen)
		e->hooks.process_seen(e->hooks.context, &p->pub);
	return &p->pub;
}

/* As soon as its parent is known as well. */
static void inherit(struct engine *e, struct process *p)
{
	struct process *parent =
		(struct process *)engine_process(e, p->forked_from);

	if (!p->forked_from || !parent)
		return;
	ledger_process_inherit(&p->books, &parent->books, p->pub.serial, p->forked_ns);
	p->forked_from = 0;
	e->orphans--;
}

void engine_process_forked(struct engine *e, struct engine_process *pub,
			   uint32_t parent_serial, uint64_t stamp)
{
	struct process *p = (struct process *)pub;

	if (p->books.lineage.parent || p->forked_from || !parent_serial)
		return;
	p->forked_from = parent_serial;
	p->forked_ns = clock_ns(&e->clock, stamp);
	e->orphans++;
	inherit(e, p);
}

/* The process that a ring names. A slot that tells another story is not believed. */
static struct process *process_of(struct engine *e, const struct wire_ring *control)
{
	uint32_t slot = control->process, serial = control->process_serial, parent = 0;
	struct engine_process *known = engine_process(e, serial);
	uint64_t stamp = 0;
	int32_t pid = 0;

	if (!known && slot < WIRE_PROCESSES) {
		const volatile struct wire_process *w = wire_process(e->base, slot);

		if (w->serial == serial) {
			parent = w->parent_serial;
			pid = (int32_t)w->pid;
			stamp = w->start_stamp;
		}
		known = engine_process_begin(e, serial, parent, pid, slot);
		if (known && parent)
			engine_process_forked(e, known, parent, stamp);
	}
	return (struct process *)known;
}

struct engine_process *engine_process_next(struct engine *e,
					   const struct engine_process *after)
{
	const struct process *p = (const struct process *)after;
	size_t index = p ? p->books.sums.index + 1 : 0;

	return index < e->process_count ? &e->processes[index]->pub : NULL;
}

static int replace(char **text, const char *with)
{
	char *copy = strdup(with);

	if (!copy)
		return -ENOMEM;
	free(*text);
	*text = copy;
	return 0;
}

int engine_process_describe(struct engine_process *p, const char *command,
			    const char *exe)
{
	int r = command ? replace(&p->command, command) : 0;

	return r == 0 && exe ? replace(&p->exe, exe) : r;
}

/* ---- lanes --------------------------------------------------------------- */

static bool lane_thread(struct engine *e, struct lane *lane)
{
	const struct wire_ring *control = lane->reader.control;
	struct thread *t;

	if (array_reserve(&e->threads, &e->thread_room, e->thread_count + 1) < 0)
		return false;
	lane->thread = e->thread_count++;
	t = &e->threads[lane->thread];
	*t = (struct thread){.process = lane->process->books.sums.index,
			     .tid = control->tid,
			     .start_ns = clock_ns(&e->clock, e->stamp)};
	memcpy(t->name, control->name, WIRE_THREAD_NAME_BYTES);
	t->name[strcspn(t->name, "\n")] = 0;
	return true;
}

/* A ring was claimed. One that names no process is left alone; one whose process has
 * ended already cannot be true, and is emptied as it stands. */
static void lane_open(struct engine *e, uint32_t index)
{
	struct lane *lane = &e->lanes[index];

	*lane = (struct lane){0};
	ring_open(&lane->reader, e->base, index);
	lane->process = process_of(e, lane->reader.control);
	if (!lane->process || !lane_thread(e, lane))
		return;
	if (lane->process->pub.ended)
		ring_bury(&lane->reader);
	e->in_use[index] = true;
	e->open[e->open_count++] = (uint16_t)index;
}

static void look_at_claim(struct engine *e, uint32_t index)
{
	/* acquire: pairs with the claimant's release of the state. */
	if (!e->in_use[index] &&
	    atomic_load_explicit(&wire_ring(e->base, index)->state,
				 memory_order_acquire) == WIRE_RING_LIVE)
		lane_open(e, index);
}

/* Opens the rings that were claimed since the last time. */
static void look_at_claims(struct engine *e, bool all)
{
	/* acquire: pairs with the claimant's release, after its ring became LIVE. */
	uint32_t claims =
		atomic_load_explicit(&header(e)->claims, memory_order_acquire);

	if (claims != e->claims)
		all = true;
	e->claims = claims;
	for (uint32_t i = 0; all && i < WIRE_RINGS; i++)
		look_at_claim(e, i);
}

static void return_window(struct engine *e, struct lane *lane)
{
	struct event *window = lane->reader.window;

	if (!window)
		return;
	memcpy((void *)window, &e->windows, sizeof(e->windows));
	e->windows = window;
	lane->reader.window = NULL;
}

static bool borrow_window(struct engine *e, struct lane *lane)
{
	struct event *window = e->windows;

	if (lane->reader.window)
		return true;
	if (window)
		memcpy(&e->windows, (void *)window, sizeof(e->windows));
	else
		window = malloc(RING_WINDOW * sizeof(*window));
	lane->reader.window = window;
	if (!window)
		fail(e);
	return window;
}

static void close_thread(struct engine *e, struct lane *lane)
{
	e->threads[lane->thread].ended = true;
	e->threads[lane->thread].end_ns = clock_ns(&e->clock, e->stamp);
}

/* Everything was read: the ring may have another owner. */
static void lane_close(struct engine *e, size_t at)
{
	struct lane *lane = &e->lanes[e->open[at]];
	struct wire_ring *control = lane->reader.control;
	uint16_t index = lane->reader.index;

	lane->process->lost +=
		atomic_load_explicit(&control->lost, memory_order_relaxed);
	lane->process->held_back +=
		atomic_load_explicit(&control->held_back, memory_order_relaxed);
	lane->process->books.lost += lane->reader.bad;
	ledger_thread_end(&e->ledger, &lane->process->books, &lane->books);
	close_thread(e, lane);
	return_window(e, lane);
	if (e->fd >= 0)
		fallocate(e->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			  (off_t)(WIRE_AT_DATA + index * WIRE_DATA_STRIDE),
			  (off_t)WIRE_DATA_STRIDE);
	e->in_use[index] = false;
	e->open[at] = e->open[--e->open_count];
	ring_release(&lane->reader);
}

static bool is_drained(const struct lane *lane)
{
	return lane->reader.dead && lane->reader.at == lane->reader.count &&
	       !ring_ready(&lane->reader);
}

/* Frees the rings that are dead and read. */
static void close_lanes(struct engine *e)
{
	for (size_t i = e->open_count; i-- > 0;)
		if (is_drained(&e->lanes[e->open[i]]))
			lane_close(e, i);
}

/* ---- one pass ------------------------------------------------------------ */

/* One event, in the order of all. */
static void apply(struct engine *e, struct event *ev)
{
	struct lane *lane = &e->lanes[ev->ring];
	struct process *p = lane->process;

	if (ev->type == WIRE_WAITED && e->hooks.waited)
		e->hooks.waited(e->hooks.context, (int32_t)ev->address,
				(int32_t)ev->size);
	else if (p->pub.ended)
		p->books.lost++;
	else
		ledger_event(&e->ledger, &p->books, &lane->books, ev);
}

static const struct ledger_process *books_of(const struct engine *e,
					     const struct event *ev)
{
	return &e->lanes[ev->ring].process->books;
}

/* Each step asks for the memory that the next one reads, for all of the batch, so
 * that many misses are under way at once. */
static void flush(struct engine *e)
{
	size_t n = e->batched;

	for (size_t i = 1; i < n; i++)
		if (e->batch[i].address == e->batch[i - 1].address)
			e->batch[i].met = e->batch[i - 1].met = true;
	for (size_t i = 0; i < n; i++)
		ledger_prefetch(&e->ledger, books_of(e, &e->batch[i]), &e->batch[i]);
	for (size_t i = 0; i < n; i++)
		ledger_prefetch_sites(&e->ledger, books_of(e, &e->batch[i]),
				      &e->batch[i]);
	for (size_t i = 0; i < n; i++)
		ledger_prefetch_histograms(&e->ledger, &e->batch[i]);
	for (size_t i = 0; i < n; i++)
		apply(e, &e->batch[i]);
	e->consumed += n;
	e->batched = 0;
}

/* Events of a ring up to its window's end, or beyond the limit. At least one. */
static void hand_on(struct engine *e, struct lane *lane, uint64_t limit)
{
	struct ring_reader *r = &lane->reader;
	uint32_t from = r->at;

	if (limit > e->stamp)
		limit = e->stamp;
	do {
		struct event *ev = &e->batch[e->batched++];

		*ev = r->window[r->at++];
		if (ev->stamp > e->stamp)
			ev->stamp = e->stamp;
		if (e->batched == BATCH)
			flush(e);
	} while (r->at < r->count && r->window[r->at].stamp <= limit);
	lane->process->pub.events += r->at - from;
	e->threads[lane->thread].events += r->at - from;
}

/* Has the lane a next event for this pass? Its stamp as far as it is believed. */
static bool has_next(struct engine *e, struct lane *lane, uint64_t *ret_stamp)
{
	struct ring_reader *r = &lane->reader;
	uint64_t stamp;

	while (r->at == r->count) {
		if (e->hooks.meanwhile)
			e->hooks.meanwhile(e->hooks.context);
		if (!ring_ready(r) || !borrow_window(e, lane)) {
			return_window(e, lane);
			return false;
		}
		ring_fill(r, e->base);
	}
	stamp = r->window[r->at].stamp;
	/* Later than this pass, and not before its time: what came before it in other
	 * rings may not have been looked at. A stamp that nobody can have taken yet is
	 * a lie, and waits for nothing. */
	if (stamp > e->stamp && stamp <= now(e) + e->slack)
		return false;
	*ret_stamp = stamp < e->stamp ? stamp : e->stamp;
	return true;
}

static void read_rings(struct engine *e)
{
	uint64_t stamp;

	for (size_t i = 0; i < e->open_count; i++) {
		struct lane *lane = &e->lanes[e->open[i]];

		if ((lane->reader.at < lane->reader.count ||
		     ring_ready(&lane->reader)) &&
		    has_next(e, lane, &stamp))
			merge_add(&e->merge, &lane->reader, stamp);
	}
	while (e->merge.count) {
		struct lane *lane = (struct lane *)e->merge.heap[0];

		hand_on(e, lane, merge_limit(&e->merge));
		if (has_next(e, lane, &stamp))
			merge_move(&e->merge, stamp);
		else
			merge_drop(&e->merge);
	}
	flush(e);
}

/* ---- parked events ------------------------------------------------------- */

/* What was parked until now is explained by slots below the fence, or by nothing. */
static void raise_fence(struct engine *e, struct process *p)
{
	for (size_t i = 0; i < e->open_count; i++) {
		struct lane *lane = &e->lanes[e->open[i]];

		if (lane->process == p)
			lane->fence = ring_bound(&lane->reader);
	}
	p->fenced = true;
}

static bool is_past_fence(const struct engine *e, const struct process *p)
{
	for (size_t i = 0; i < e->open_count; i++) {
		const struct lane *lane = &e->lanes[e->open[i]];

		if (lane->process == p && ring_done(&lane->reader) < lane->fence)
			return false;
	}
	return true;
}

static void settle(struct engine *e, struct process *p, uint64_t round)
{
	uint64_t final = 0;

	if (p->fenced && is_past_fence(e, p)) {
		final = p->round;
		p->fenced = false;
	}
	/* Of a dead process everything has been read. Its books must be settled before
	 * its rings are closed, and reallocs that never ended undone. */
	if (p->ending || e->ledger.park.item_count > PARKED_MAX)
		final = UINT64_MAX;
	ledger_settle(&e->ledger, &p->books, final);
	if (p->fenced || !p->books.parked)
		return;
	raise_fence(e, p);
	p->round = round;
}

static void settle_all(struct engine *e)
{
	uint64_t round;

	if (!e->ledger.park.lot_count)
		return;
	look_at_claims(e, false);
	round = ++e->ledger.round;
	for (size_t i = 0; i < e->process_count && e->ledger.park.lot_count; i++)
		if (e->processes[i]->books.parked)
			settle(e, e->processes[i], round);
}

/* ---- what happens beside the events -------------------------------------- */

static void look_at_owner(struct lane *lane)
{
	/* acquire: the kernel marked the word after all that the owner ever did. */
	uint32_t word = atomic_load_explicit(&lane->reader.control->owner.word,
					     memory_order_acquire);

	if (word & FUTEX_OWNER_DIED && !lane->reader.dead)
		ring_bury(&lane->reader);
}

/* A few rings in each pass: those in use for their owners' death, and any for a claim
 * that was not announced. */
static void look_around(struct engine *e)
{
	for (size_t i = 0; i < LOOK_RINGS; i++, e->look++) {
		look_at_claim(e, e->look % WIRE_RINGS);
		if (i < e->open_count)
			look_at_owner(&e->lanes[e->open[e->look % e->open_count]]);
	}
}

/* An idle ring's pages go back. Not a busy one's: it would only fault them in again. */
static bool trim(struct engine *e, struct lane *lane)
{
	struct ring_reader *r = &lane->reader;
	uint64_t news = r->read - lane->looked_at;

	lane->looked_at = r->read;
	if (e->fd < 0 || r->dead || news > SLOW_BYTES)
		return false;
	return ring_trim(r, e->fd, news ? SLOW_HOLDS : 1);
}

static void trim_some(struct engine *e)
{
	int most = TRIM_RINGS;

	for (size_t i = 0; i < e->open_count && most; i++, e->trim++)
		most -= trim(e, &e->lanes[e->open[e->trim % e->open_count]]);
}

/* Parents that were not known yet, and forks that led to nothing. */
static void look_at_families(struct engine *e)
{
	uint64_t ns = engine_now_ns(e);

	for (size_t i = 0; i < e->process_count; i++) {
		if (e->orphans)
			inherit(e, e->processes[i]);
		if (ns > FORK_PATIENCE_NS && !e->processes[i]->pub.ended)
			ledger_forget_forks(&e->processes[i]->books,
					    ns - FORK_PATIENCE_NS);
	}
}

void engine_reap(struct engine *e)
{
	trim_some(e);
	look_at_families(e);
	for (size_t i = 0; i < e->open_count; i++) {
		struct lane *lane = &e->lanes[e->open[i]];
		struct wire_ring *c = lane->reader.control;

		look_at_owner(lane);
		if (!lane->reader.dead && e->hooks.alive &&
		    !atomic_load_explicit(&c->owner.word, memory_order_relaxed) &&
		    !e->hooks.alive(e->hooks.context, lane->process->pub.pid,
				    (int32_t)e->threads[lane->thread].tid))
			ring_bury(&lane->reader);
	}
}

static void look_at_modules(struct engine *e)
{
	if (modules_poll(&e->modules, e->base) < 0)
		fail(e);
	for (; e->modules_told < e->modules.count; e->modules_told++) {
		const struct modules_item *m = &e->modules.items[e->modules_told];
		struct engine_module told = {m->path, m->build_id, m->start,
					     m->end,  m->bias,	   m->process_serial};

		if (e->hooks.module_seen)
			e->hooks.module_seen(e->hooks.context, &told);
	}
}

size_t engine_pass(struct engine *e)
{
	e->consumed = 0;
	clock_refine(&e->clock);
	e->stamp = now(e);
	look_at_claims(e, false);
	look_at_modules(e);
	read_rings(e);
	settle_all(e);
	look_around(e);
	close_lanes(e);
	return e->consumed;
}

/* ---- the end of a process ------------------------------------------------ */

static bool has_lanes(const struct engine *e, const struct process *p)
{
	for (size_t i = 0; i < e->open_count; i++)
		if (e->lanes[e->open[i]].process == p)
			return true;
	return false;
}

static void free_slot(struct engine *e, const struct process *p)
{
	struct wire_process *w = wire_process(e->base, p->pub.slot);

	if (w->serial != p->pub.serial)
		return;
	/* release: whoever claims the slot next sees that it is ours no more. */
	atomic_store_explicit(&w->state, WIRE_PROCESS_FREE, memory_order_release);
}

static void read_notes(struct engine *e, struct process *p)
{
	struct wire_process *w = wire_process(e->base, p->pub.slot);

	if (!p->pub.ended && w->serial == p->pub.serial)
		p->pub.notes = atomic_load_explicit(&w->notes, memory_order_relaxed);
}

void engine_process_end(struct engine *e, struct engine_process *pub,
			enum profile_end end, int32_t status)
{
	struct process *p = (struct process *)pub;

	if (pub->ended)
		return;
	look_at_claims(e, true);
	p->ending = true;
	for (size_t i = 0; i < e->open_count; i++)
		if (e->lanes[e->open[i]].process == p)
			ring_bury(&e->lanes[e->open[i]].reader);
	/* A dead ring is read to its end in one pass, whatever its stamps. Without
	 * memory for a window it is not, and what is left in it is lost. */
	do
		engine_pass(e);
	while (has_lanes(e, p) && !engine_error(e));
	read_notes(e, p);
	pub->ended = true;
	pub->end = end;
	pub->end_status = status;
	pub->end_ns = clock_ns(&e->clock, e->stamp);
	ledger_process_end(&e->ledger, &p->books, pub->end_ns);
	free_slot(e, p);
}

/* ---- the profile --------------------------------------------------------- */

static uint64_t losses(const struct engine *e, const struct process *p,
		       uint64_t *ret_held_back)
{
	uint64_t lost = p->lost + p->books.lost;

	*ret_held_back = p->held_back;
	for (size_t i = 0; i < e->open_count; i++) {
		const struct lane *lane = &e->lanes[e->open[i]];
		struct wire_ring *c = lane->reader.control;

		if (lane->process != p)
			continue;
		lost += atomic_load_explicit(&c->lost, memory_order_relaxed) +
			lane->reader.bad;
		*ret_held_back +=
			atomic_load_explicit(&c->held_back, memory_order_relaxed);
	}
	return lost;
}

static int fill_process(struct engine *e, struct process *p, struct profile *profile,
			struct profile_process *to)
{
	const struct sites_process *sums = &p->books.sums;
	uint64_t held_back, lost = losses(e, p, &held_back);
	uint32_t command = strings_add(&profile->strings, p->pub.command);
	uint32_t exe = strings_add(&profile->strings, p->pub.exe);

	if (command == UINT32_MAX || exe == UINT32_MAX)
		return -ENOMEM;
	read_notes(e, p);
	*to = (struct profile_process){
		.serial = p->pub.serial,
		.parent_serial = p->pub.parent_serial,
		.pid = p->pub.pid,
		.command = command,
		.exe = exe,
		.end = p->pub.end,
		.end_status = p->pub.end_status,
		.notes = p->pub.notes,
		.start_ns = p->pub.start_ns,
		.end_ns = p->pub.end_ns,
		.temporary = sums->temporary,
		.inherited = p->books.lineage.inherited,
		.inherited_freed = p->books.lineage.freed,
		.unknown_frees = p->books.unknown_frees,
		.unseen_frees = p->books.unseen_frees,
		.lost = lost,
		.held_back_ns = clock_ns(&e->clock, e->clock.stamp0 + held_back),
		.events = p->pub.events,
	};
	for (int d = 0; d < PROFILE_DOMAINS; d++) {
		to->domain[d].allocs = sums->allocs[d];
		to->domain[d].allocated_bytes = sums->allocated_bytes[d];
		to->domain[d].frees = sums->frees[d];
		to->domain[d].freed_bytes = sums->freed_bytes[d];
		to->domain[d].peak = sums->peak[d].max;
		to->domain[d].peak_at_ns = sums->peak[d].at_ns;
	}
	return 0;
}

/* Ended; how is told a little later, at times. */
static bool is_final(const struct profile_process *p, const struct engine_process *now)
{
	return p->end != PROFILE_RUNNING && p->end == (uint32_t)now->end &&
	       p->end_status == now->end_status;
}

static int fill_processes(struct engine *e, struct profile *p)
{
	int r = array_reserve(&p->processes, &p->process_room, e->process_count);

	for (size_t i = 0; r == 0 && i < e->process_count; i++) {
		struct process *from = e->processes[i];

		if (i < p->process_count && is_final(&p->processes[i], &from->pub))
			continue;
		r = fill_process(e, from, p, &p->processes[i]);
		if (r == 0 && i >= p->process_count)
			p->process_count = i + 1;
	}
	return r;
}

static int fill_thread(struct engine *e, struct thread *from, struct profile *p,
		       struct profile_thread *to)
{
	uint32_t name = strings_add(&p->strings, from->name);

	if (name == UINT32_MAX)
		return -ENOMEM;
	*to = (struct profile_thread){
		.process_serial = e->processes[from->process]->pub.serial,
		.tid = (int32_t)from->tid,
		.name = name,
		.events = from->events,
		.start_ns = from->start_ns,
		.end_ns = from->ended ? from->end_ns : engine_now_ns(e),
	};
	from->filled = from->ended;
	return 0;
}

static int fill_threads(struct engine *e, struct profile *p)
{
	int r = array_reserve(&p->threads, &p->thread_room, e->thread_count);

	for (size_t i = e->threads_final; r == 0 && i < e->thread_count; i++) {
		if (!e->threads[i].filled)
			r = fill_thread(e, &e->threads[i], p, &p->threads[i]);
		if (r == 0 && i >= p->thread_count)
			p->thread_count = i + 1;
	}
	while (e->threads_final < e->thread_count &&
	       e->threads[e->threads_final].filled)
		e->threads_final++;
	return r;
}

static const char *exe_of(void *context, uint32_t serial)
{
	const struct engine_process *p = engine_process(context, serial);

	return p && p->exe ? p->exe : "";
}

int engine_fill(struct engine *e, struct profile *p)
{
	struct sites *s = &e->ledger.sites;
	struct wire_header *h = header(e);
	int r = fill_modules(&e->modules, exe_of, e, p);

	if (r == 0)
		r = fill_stacks(&s->stacks, &e->modules, p);
	if (r == 0)
		r = fill_sites(s, p);
	if (r == 0)
		r = fill_processes(e, p);
	if (r == 0)
		r = fill_threads(e, p);
	timeline_advance(&s->timeline, engine_now_ns(e));
	if (r == 0)
		r = fill_timeline(&s->timeline, p);
	p->tree_peak = s->tree_peak.max;
	p->tree_peak_at_ns = s->tree_peak.at_ns;
	p->wall_ns = engine_now_ns(e);
	p->free_stacks = h->flags & WIRE_FREE_STACKS;
	p->lossy = h->flags & WIRE_LOSSY;
	p->lost_no_ring = atomic_load_explicit(&h->unrung, memory_order_relaxed);
	p->cut_stacks = atomic_load_explicit(&h->cut_stacks, memory_order_relaxed);
	return r;
}

/* ---- the rest ------------------------------------------------------------ */

int engine_open(void *base, int fd, const struct engine_hooks *hooks,
		struct engine **ret)
{
	const struct wire_header *h = base;
	struct engine *e = aligned_alloc(_Alignof(struct engine), sizeof(*e));
	int r;

	if (!e)
		return -ENOMEM;
	memset(e, 0, sizeof(*e));
	e->base = base;
	e->fd = fd;
	if (hooks)
		e->hooks = *hooks;
	clock_start(&e->clock, h->flags & WIRE_CLOCK_TSC);
	if (e->hooks.now)
		e->clock = (struct stamp_clock){.rate = 1ull << 32,
						.refine_ns = UINT64_MAX};
	e->stamp = now(e);
	e->slack = e->hooks.now ? 0 : clock_ticks(&e->clock, SLACK_NS);
	r = ledger_open(&e->ledger, base, &e->clock);
	if (r < 0) {
		free(e);
		return r;
	}
	*ret = e;
	return 0;
}

static void process_close(struct process *p)
{
	ledger_process_done(&p->books);
	free(p->pub.command);
	free(p->pub.exe);
	free(p);
}

void engine_close(struct engine *e)
{
	if (!e)
		return;
	for (size_t i = 0; i < e->open_count; i++) {
		struct lane *lane = &e->lanes[e->open[i]];

		ledger_thread_end(&e->ledger, &lane->process->books, &lane->books);
		free(lane->reader.window);
	}
	while (e->windows) {
		struct event *window = e->windows;

		memcpy(&e->windows, (void *)window, sizeof(e->windows));
		free(window);
	}
	ledger_done(&e->ledger);
	for (size_t i = 0; i < e->process_count; i++)
		process_close(e->processes[i]);
	free(e->processes);
	free(e->threads);
	table_done(&e->serials);
	modules_done(&e->modules);
	free(e);
}

void engine_rss_sample(struct engine *e, uint64_t bytes)
{
	timeline_rss(&e->ledger.sites.timeline, engine_now_ns(e), bytes);
}

uint64_t engine_now_ns(const struct engine *e)
{
	return clock_ns(&e->clock, now(e));
}

struct profile_amount engine_live(const struct engine *e)
{
	return e->ledger.sites.tree_live;
}

int engine_error(const struct engine *e)
{
	return e->ledger.sites.error;
}

size_t engine_rings(const struct engine *e)
{
	return e->open_count;
}

uint64_t engine_backlog(const struct engine *e)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < e->open_count; i++) {
		const struct ring_reader *r = &e->lanes[e->open[i]].reader;

		bytes += ring_bound(r) - ring_done(r);
	}
	return bytes;
}

struct seeing {
	void (*see)(void *, uint64_t, uint64_t, uint32_t, uint64_t);
	void *context;
};

static void see_block(void *context, uint64_t address, const struct live_block *b)
{
	const struct seeing *s = context;

	s->see(s->context, address, b->size, b->site - 1, b->born_ns);
}

void engine_each_live(const struct engine *e, const struct engine_process *p,
		      void (*see)(void *context, uint64_t address, uint64_t size,
				  uint32_t site, uint64_t born_ns),
		      void *context)
{
	struct seeing s = {see, context};

	ledger_each(&e->ledger, &((const struct process *)p)->books, see_block, &s);
}

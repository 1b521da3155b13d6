#include "cli/collect/engine.h"

#include "cli/base/array.h"
#include "cli/collect/chunks.h"
#include "cli/collect/crowds.h"
#include "cli/collect/engine_state.h"
#include "cli/collect/lanes.h"
#include "cli/collect/processes.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	SLACK_NS = 1000000,
	PARKED_MAX = 1 << 20, /* events; more are not waited for */
};

#define FORK_PATIENCE_NS 60000000000ull /* by then a child has taken its slot */

/* ---- one pass ------------------------------------------------------------ */

static void hear_account(struct engine *e, struct process *p, const struct event *ev)
{
	struct engine_account said = {
		.at_ns = clock_ns(&e->clock, ev->stamp),
		.used_bytes = ev->address,
		.system_bytes = ev->size,
		.at_exit = ev->type == WIRE_ACCOUNT_AT_EXIT,
	};

	said.live_bytes = engine_process_heap(&p->pub).live_bytes;
	/* Made up, unless it fits what the system can give. */
	if (said.system_bytes >= said.used_bytes && said.system_bytes <= WIRE_PC_MASK)
		e->hooks.account(e->hooks.context, &p->pub, &said);
}

static void hear_mark(struct engine *e, struct process *p, const struct event *ev)
{
	uint32_t name = ev->address < WIRE_NAMES ? (uint32_t)ev->address : 0;

	if (e->hooks.marked)
		e->hooks.marked(e->hooks.context, &p->pub, name,
				clock_ns(&e->clock, ev->stamp));
}

/* An event that is not plain, in the order of all. */
static void apply(struct engine *e, struct lane *lane, struct event *ev)
{
	struct process *p = lane->process;

	ledger_rest(&e->ledger);
	if (ev->type == WIRE_WAITED && e->hooks.waited)
		e->hooks.waited(e->hooks.context, (int32_t)ev->address,
				(int32_t)ev->size);
	else if (p->pub.ended)
		p->books.lost += ev->type == EVENT_PAIR ? 2 : 1;
	else if ((ev->type == WIRE_ACCOUNT || ev->type == WIRE_ACCOUNT_AT_EXIT) &&
		 e->hooks.account)
		hear_account(e, p, ev);
	else if (ev->type == WIRE_MARK)
		hear_mark(e, p, ev);
	else
		ledger_event(&e->ledger, &p->books, &lane->books, ev);
	if (ev->type == WIRE_FORK)
		processes_told(e, (uint32_t)ev->address);
}

/* A pair whose free comes later: that stays. */
static void split(struct engine *e, struct lane *lane, struct event *ev)
{
	struct event born = *ev;

	born.type = WIRE_ALLOC;
	event_free(ev);
	apply(e, lane, &born);
}

/* One that is not plain; half: of a pair, the allocation alone. */
static void step(struct engine *e, struct lane *lane, struct event *ev, bool half)
{
	lane->books.events += ev->type == EVENT_PAIR && !half ? 2 : 1;
	if (half)
		split(e, lane, ev);
	else
		apply(e, lane, ev);
}

static inline struct lane *lane_of(const struct merge_ring *ring)
{
	return (struct lane *)ring->reader;
}

/* Events of the only ring that has any, up to its window's end. */
static void hand_on(struct engine *e, struct merge_ring *ring)
{
	struct lane *lane = lane_of(ring);
	struct process *p = lane->process;
	struct event *to = ring->next;

	for (;;) {
		bool half;

		if (!p->pub.ended)
			to = ledger_run(&e->ledger, &p->books, &lane->books, to,
					ring->end, e->stamp);
		if (to == ring->end || to->stamp > e->stamp)
			break;
		half = to->type == EVENT_PAIR && to->stamp + to->gap > e->stamp;
		step(e, lane, to, half);
		to += !half;
		if (to == ring->end)
			break;
	}
	ring->next = to;
}

/* The lane's turn is over: its events count. */
static void count(struct engine *e, struct lane *lane)
{
	uint64_t events = lane->books.events - lane->told;

	lane->told += events;
	e->consumed += events;
	lane->process->pub.events += events;
	e->threads[lane->thread].events += events;
}

/* Has the lane a next event for this pass? */
static bool has_next(struct engine *e, struct lane *lane)
{
	struct ring_reader *r = &lane->reader;
	struct event *ev;

	while (r->at == r->count) {
		if (e->hooks.meanwhile)
			e->hooks.meanwhile(e->hooks.context);
		if (!ring_ready(r) || !lanes_borrow_window(e, lane)) {
			lanes_return_window(e, lane);
			return false;
		}
		ring_fill(r, e->base);
		ledger_look_ahead(&e->ledger, &lane->process->books, r->window,
				  r->count);
	}
	ev = &r->window[r->at];
	if (ev->stamp <= e->stamp)
		return true;
	/* Later than this pass, and not before its time: what came before it in other
	 * rings may not have been looked at. A stamp that nobody can have taken yet is
	 * a lie, and waits for nothing. */
	if (ev->stamp <= engine_stamp(e) + e->slack)
		return false;
	ev->stamp = e->stamp;
	return true;
}

/* The first ring is done with its window, or is beyond this pass. */
static void look_at_first(struct engine *e)
{
	struct merge_ring *ring = merge_first(&e->merge);
	struct lane *lane = lane_of(ring);

	lane->reader.at = (uint32_t)(ring->next - lane->reader.window);
	if (has_next(e, lane)) {
		merge_move(&e->merge);
	} else {
		merge_drop(&e->merge);
		count(e, lane);
	}
}

/* Those that have events for this pass. */
static void line_up(struct engine *e)
{
	merge_clear(&e->merge);
	for (size_t i = 0; i < e->open_count; i++) {
		struct lane *lane = &e->lanes[e->open[i]];
		struct ring_reader *r = &lane->reader;
		struct process *p = lane->process;

		if ((r->at < r->count || ring_ready(r)) && has_next(e, lane))
			merge_add(&e->merge, r, p->pub.ended ? NULL : &p->books,
				  &lane->books);
	}
}

/* An event, or a half of one, that is not plain. */
static void take_turn(struct engine *e, struct merge *m)
{
	const struct merge_turn *turn = &m->turns[m->at];
	bool whole = merge_is_whole(m);

	step(e, lane_of(turn->ring), turn->event,
	     turn->event->type == EVENT_PAIR && !whole);
	m->at += whole ? 2 : 1;
}

static void read_rings(struct engine *e)
{
	struct merge *m = &e->merge;

	line_up(e);
	while (m->count) {
		if (m->count == 1) {
			hand_on(e, merge_first(m));
		} else {
			merge_plan(m, e->stamp);
			while (!ledger_merge(&e->ledger, m))
				take_turn(e, m);
		}
		look_at_first(e);
	}
	ledger_rest(&e->ledger);
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
	lanes_look_at_claims(e, false);
	round = ++e->ledger.round;
	for (struct process *p = e->living; p && e->ledger.park.lot_count;
	     p = p->behind)
		if (p->books.parked)
			settle(e, p, round);
}

/* ---- what happens beside the events -------------------------------------- */

/* Those that have ended, as long as a child of theirs may come. */
static void forget_awaited(struct engine *e, uint64_t ns)
{
	size_t left = 0;

	for (size_t i = 0; i < e->awaited_count; i++) {
		struct process *p = e->awaited[i];

		ledger_forget_forks(&p->books, ns);
		if (ledger_has_forks(&p->books))
			e->awaited[left++] = p;
	}
	e->awaited_count = left;
}

/* Parents that were not known yet, and forks that led to nothing. */
static void look_at_families(struct engine *e)
{
	uint64_t now = engine_now_ns(e);
	uint64_t ns = now > FORK_PATIENCE_NS ? now - FORK_PATIENCE_NS : 0;

	for (struct process *p = e->living; p; p = p->behind) {
		if (e->orphans)
			processes_inherit(e, p);
		ledger_forget_forks(&p->books, ns);
	}
	forget_awaited(e, ns);
}

void engine_reap(struct engine *e)
{
	lanes_trim(e);
	look_at_families(e);
	for (size_t i = 0; i < e->open_count; i++) {
		struct lane *lane = &e->lanes[e->open[i]];
		struct wire_ring *c = lane->reader.control;

		lanes_look_at_owner(lane);
		if (!lane->reader.dead && e->hooks.alive &&
		    !atomic_load_explicit(&c->owner.word, memory_order_relaxed) &&
		    !e->hooks.alive(e->hooks.context, lane->process->pub.pid,
				    (int32_t)e->threads[lane->thread].tid))
			ring_bury(&lane->reader);
	}
}

void engine_look_at_modules(struct engine *e)
{
	if (modules_poll(&e->modules, e->base) < 0)
		engine_fail(e);
	for (; e->modules_told < e->modules.count; e->modules_told++) {
		const struct modules_item *m = &e->modules.items[e->modules_told];
		struct engine_module told = {m->path, m->build_id, m->process_serial};

		if (e->hooks.module_seen)
			e->hooks.module_seen(e->hooks.context, &told);
	}
}

size_t engine_pass(struct engine *e)
{
	e->consumed = 0;
	clock_refine(&e->clock);
	e->slack = e->hooks.now ? 0 : clock_ticks(&e->clock, SLACK_NS);
	e->stamp = engine_stamp(e);
	lanes_look_at_claims(e, false);
	engine_look_at_modules(e);
	read_rings(e);
	settle_all(e);
	lanes_look_around(e);
	lanes_close_drained(e);
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

static void await(struct engine *e, struct process *p)
{
	if (!ledger_has_forks(&p->books))
		return;
	if (array_reserve(&e->awaited, &e->awaited_room, e->awaited_count + 1) < 0)
		return; /* what it has for them is kept to the end */
	e->awaited[e->awaited_count++] = p;
}

void engine_process_end(struct engine *e, struct engine_process *pub,
			enum profile_end end, int32_t status)
{
	struct process *p = (struct process *)pub;

	if (pub->ended)
		return;
	lanes_look_at_claims(e, true);
	p->ending = true;
	for (size_t i = 0; i < e->open_count; i++)
		if (e->lanes[e->open[i]].process == p)
			ring_bury(&e->lanes[e->open[i]].reader);
	/* A dead ring is read to its end in one pass, whatever its stamps. Without
	 * memory for a window it is not, and what is left in it is lost. */
	do
		engine_pass(e);
	while (has_lanes(e, p) && !engine_error(e));
	processes_read_notes(e, p);
	processes_bury(e, p);
	pub->end = end;
	pub->end_status = status;
	pub->end_ns = clock_ns(&e->clock, e->stamp);
	ledger_process_end(&e->ledger, &p->books, pub->end_ns);
	await(e, p);
	crowds_leave(e, p);
	processes_free_slot(e, p);
}

/* ---- the rest ------------------------------------------------------------ */

int engine_open(void *base, int fd, const struct engine_hooks *hooks,
		struct engine **ret)
{
	const struct wire_header *h = base;
	off_t bytes = fd >= 0 ? lseek(fd, 0, SEEK_END) : (off_t)WIRE_BYTES;
	/* Zero without being touched: most lanes are never used. */
	struct engine *e = mmap(NULL, sizeof(*e), PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int r;

	if (e == MAP_FAILED)
		return -ENOMEM;
	e->base = base;
	e->fd = fd;
	e->rings = wire_rings((uint64_t)bytes);
	if (hooks)
		e->hooks = *hooks;
	clock_start(&e->clock, h->flags & WIRE_CLOCK_TSC);
	if (e->hooks.now)
		e->clock = (struct stamp_clock){.rate = 1ull << 32,
						.refine_ns = UINT64_MAX};
	e->stamp = engine_stamp(e);
	r = ledger_open(&e->ledger, base, &e->clock);
	if (r < 0) {
		munmap(e, sizeof(*e));
		return r;
	}
	*ret = e;
	return 0;
}

void engine_divide(struct engine *e, unsigned dimensions)
{
	sites_divide(&e->ledger.sites, dimensions);
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
		processes_free(e->processes[i]);
	free(e->processes);
	free(e->threads);
	free(e->awaited);
	table_done(&e->serials);
	crowds_done(&e->crowds);
	modules_done(&e->modules);
	codes_done(&e->codes);
	munmap(e, sizeof(*e));
}

void engine_rss_sample(struct engine *e, uint64_t bytes)
{
	timeline_rss(&e->ledger.sites.timeline, engine_read_ns(e), bytes);
}

uint64_t engine_now_ns(const struct engine *e)
{
	return clock_ns(&e->clock, engine_stamp(e));
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
	void (*see)(void *, const struct engine_block *);
	void *context;
	const struct ledger_process *books;
};

static void see_block(void *context, uint64_t address, const struct live_block *b)
{
	const struct seeing *s = context;
	const struct engine_block block = {.address = address & ~POOLS_CHUNK,
					   .size = b->size,
					   .born_ns = b->born_ns,
					   .number = b->site,
					   .ignored = b->ignored,
					   .chunk = (address & POOLS_CHUNK) != 0};

	s->see(s->context, &block);
}

static void see_inherited(void *context, uint64_t address,
			  const struct lineage_block *b, uint32_t site)
{
	const struct seeing *s = context;
	const struct engine_block block = {.address = address & ~POOLS_CHUNK,
					   .size = b->size,
					   .born_ns = b->born_ns,
					   .number = site,
					   .ignored = b->ignored,
					   .chunk = (address & POOLS_CHUNK) != 0,
					   .inherited = true};

	if (!chunks_is_taken(s->books, address))
		s->see(s->context, &block);
}

void engine_each_live(struct engine *e, struct engine_process *p,
		      void (*see)(void *context, const struct engine_block *b),
		      void *context)
{
	struct ledger_process *books = &((struct process *)p)->books;
	struct seeing s = {see, context, books};

	ledger_each_inherited(&e->ledger, books, see_inherited, &s);
	ledger_each(&e->ledger, books, see_block, &s);
}

void engine_made_by(const struct engine *e, uint32_t number, uint32_t *ret_stack,
		    uint32_t *ret_thread)
{
	const struct sites *s = &e->ledger.sites;
	uint32_t site = sites_number(s, number);

	*ret_stack = site ? s->items[site].stack : UINT32_MAX;
	*ret_thread = owners_thread_index(divisions_thread(s, number));
}

void engine_look_begins(struct engine_process *p, uint64_t ns)
{
	proofs_begin(&((struct process *)p)->books.proofs, ns);
}

bool engine_look_ends(struct engine_process *p, const struct engine_suspect *lost,
		      size_t count)
{
	struct proofs *proofs = &((struct process *)p)->books.proofs;

	for (size_t i = 0; i < count; i++)
		proofs_suspect(proofs,
			       lost[i].address | (lost[i].chunk ? POOLS_CHUNK : 0));
	proofs_end(proofs);
	return !proofs->lost;
}

void engine_each_mapping(struct engine *e, const struct engine_process *p,
			 void (*see)(void *context, const struct engine_block *b),
			 void *context)
{
	const struct ledger_process *books = &((const struct process *)p)->books;
	const struct maps *m = &books->maps;
	/* What is left of Python's objects are blocks, but of a sample. */
	bool down = books->finalised.blocks && !e->ledger.sites.sample;

	for (size_t i = 0; i < m->count; i++) {
		const struct maps_piece *x = &m->pieces[i];
		const struct maps_mapping *of = &m->mappings[x->mapping];
		const struct engine_block block = {
			.address = x->start,
			.size = x->end - x->start,
			.born_ns = of->born_ns,
			.number = of->site,
			.blank = down && e->ledger.sites.items[of->site].domain ==
						 PROFILE_ARENA,
		};

		see(context, &block);
	}
}

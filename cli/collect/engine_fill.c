/*
 * The engine's own part of the profile: processes, threads, losses. The rest is said
 * by fill.h.
 */
#include "cli/collect/engine.h"

#include "cli/base/array.h"
#include "cli/collect/engine_state.h"
#include "cli/collect/fill.h"
#include "cli/collect/processes.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

enum {			    /* of engine_fill_ahead() */
       AHEAD_STACKS = 4096, /* half a millisecond or so, both */
       AHEAD_SITES = 1024,
       AHEAD_PARTS = 32, /* or of what is left one in so many */
};

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

/* How it ended: of a row that others are counted in, once all of them have. */
static enum profile_end end_of(const struct process *p)
{
	if (!p->pub.counted)
		return p->pub.end;
	return p->living ? PROFILE_RUNNING : PROFILE_EXITED;
}

/* What was counted with others is theirs, but for its arenas at its end. */
static void drop_sums(struct profile_process *to)
{
	memset(to->domain, 0, sizeof(to->domain));
	to->temporary = (struct profile_amount){0};
	to->arenas_at_peak = (struct profile_arenas){0};
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
	processes_read_notes(e, p);
	*to = (struct profile_process){
		.serial = p->pub.serial,
		.parent_serial = p->pub.parent_serial,
		.pid = p->pub.counted ? p->first_pid : p->pub.pid,
		.command = command,
		.exe = exe,
		.end = end_of(p),
		.end_status = p->pub.counted ? -1 : p->pub.end_status,
		.counted_with = p->pub.counted_with,
		.counted = p->pub.counted,
		.notes = p->pub.notes,
		.python = p->pub.python,
		.start_ns = p->pub.start_ns,
		.end_ns = p->pub.end_ns,
		.temporary = sums->temporary,
		.inherited = p->books.lineage.inherited,
		.inherited_freed = p->books.lineage.freed,
		.memory = {p->pub.memory[PROFILE_AT_PEAK],
			   p->pub.memory[PROFILE_AT_END]},
		.unknown_frees = p->books.unknown_frees,
		.unseen_frees = p->books.unseen_frees,
		.pools = {.unknown = p->books.pools.wrong.pools,
			  .frees = p->books.pools.wrong.frees,
			  .others = p->books.pools.wrong.others,
			  .overlaps = p->books.pools.wrong.overlaps},
		.finalised = p->books.finalised,
		.arenas = p->books.arenas.now,
		.arenas_at_peak = arenas_at_peak(&p->books.arenas,
						 sums->peak[PROFILE_MALLOC].epoch),
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
	if (to->counted_with)
		drop_sums(to);
	return 0;
}

/* Ended; how is told a little later, at times. */
static bool is_final(const struct profile_process *p, const struct engine_process *now)
{
	return !now->counted && p->end != PROFILE_RUNNING &&
	       p->end == (uint32_t)now->end && p->end_status == now->end_status;
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

int engine_fill_shares(struct engine *e, struct profile *p)
{
	struct sites *s = &e->ledger.sites;
	int r;

	/* Epochs without events, up to the end, are epochs. */
	sites_moment(s, engine_now_ns(e));
	/* Without memory for some of them, they would not add up. */
	if (s->error)
		return s->error;
	r = fill_history(s, p);
	if (r >= 0)
		r = fill_sizes(s, p);
	return r < 0 ? r : fill_owners(s, p);
}

/* Rows are never changed, but come for each process at any time. */
static int fill_proofs(const struct engine *e, struct profile *p)
{
	size_t count = 0;

	for (size_t i = 0; i < e->process_count; i++)
		count += e->processes[i]->books.proofs.count;
	if (count && array_reserve(&p->proofs, &p->proof_room, count) < 0)
		return -ENOMEM;
	p->proof_count = 0;
	for (size_t i = 0; i < e->process_count; i++) {
		const struct process *from = e->processes[i];
		const struct proofs *proofs = &from->books.proofs;

		for (size_t k = 0; k < proofs->count; k++)
			p->proofs[p->proof_count++] = (struct profile_proof){
				.process_serial = from->pub.serial,
				.address = proofs->rows[k].address & ~POOLS_CHUNK,
				.lost_ns = proofs->rows[k].lost_ns,
				.freed_ns = proofs->rows[k].freed_ns};
	}
	return 0;
}

/* So many stacks more at most, and what they name. */
static int fill_code(struct engine *e, struct profile *p, size_t most)
{
	const struct stacks *s = &e->ledger.sites.stacks;
	int r;

	/* A module may have come behind the pass's look at them, and then an event. */
	engine_look_at_modules(e);
	r = s->has_python ? modules_add_python(&e->modules) : 0;
	if (r == 0)
		r = fill_modules(&e->modules, exe_of, e, p);
	if (r == 0)
		r = fill_stacks(s, &e->modules, &e->codes, e->base, p, most);
	return r;
}

/* Who has many new stacks soon has more of them: where there is more to do, more is. */
static size_t part_of(size_t left, size_t least)
{
	return left / AHEAD_PARTS > least ? left / AHEAD_PARTS : least;
}

bool engine_fill_ahead(struct engine *e, struct profile *p)
{
	struct sites *s = &e->ledger.sites;
	size_t stacks = s->stacks.count - p->stack_count, rows = s->count - 1 - s->rows;

	assert(!e->ledger.sums.of); /* all that was done shows */
	if ((stacks && fill_code(e, p, part_of(stacks, AHEAD_STACKS)) < 0) ||
	    (rows && fill_rows(s, p, part_of(rows, AHEAD_SITES)) < 0))
		return true; /* without memory */
	return p->stack_count == s->stacks.count && s->rows == s->count - 1;
}

int engine_fill(struct engine *e, struct profile *p)
{
	struct sites *s = &e->ledger.sites;
	struct wire_header *h = engine_header(e);
	int r = fill_code(e, p, SIZE_MAX);

	assert(!e->ledger.sums.of); /* all that was done shows */
	if (r == 0)
		r = fill_sites(s, p);
	if (r == 0)
		r = fill_processes(e, p);
	if (r == 0)
		r = fill_threads(e, p);
	if (r == 0)
		r = fill_proofs(e, p);
	timeline_advance(&s->timeline, engine_read_ns(e));
	if (r == 0)
		r = fill_timeline(&s->timeline, p);
	p->tree_peak = s->tree_peak.max;
	p->tree_peak_at_ns = s->tree_peak.at_ns;
	p->wall_ns = engine_now_ns(e);
	p->free_stacks = h->flags & WIRE_FREE_STACKS;
	p->lossy = h->flags & WIRE_LOSSY;
	p->sampled = s->sample;
	p->divided = s->divisions.dimensions;
	p->lost_no_ring = atomic_load_explicit(&h->unrung, memory_order_relaxed);
	p->cut_stacks = atomic_load_explicit(&h->cut_stacks, memory_order_relaxed) +
			e->ledger.sites.cut;
	return r;
}

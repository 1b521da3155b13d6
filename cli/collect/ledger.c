#include "cli/collect/ledger.h"

#include <errno.h>
#include <stdlib.h>

#define PAGE 4096ull

enum {
	PAIR_TRIES = 4096, /* steps of a search that honest programs end at once */
	PATIENCE = 16, /* rounds that an event waits for an address to calm down */
	DISORDER_NS = 100000, /* stamps disagree by far less */
};

int ledger_open(struct ledger *l, void *base, const struct stamp_clock *clock)
{
	*l = (struct ledger){.clock = clock};
	return sites_open(&l->sites, base);
}

/* A begin whose end has not come, or is parked as a restore, is owned by the thread or
 * by that restore. */
static bool owns_realloc(const struct park_item *i)
{
	return i->event.type == EVENT_RESTORE || (i->event.type == WIRE_REALLOC_BEGIN &&
						  i->realloc->outcome != LEDGER_OPEN);
}

void ledger_done(struct ledger *l)
{
	for (struct park_lot *lot = l->park.lots; lot; lot = lot->next)
		for (struct park_item *i = lot->first; i; i = i->next)
			if (owns_realloc(i))
				free(i->realloc);
	park_done(&l->park);
	sites_done(&l->sites);
}

int ledger_process_start(struct ledger *l, struct ledger_process *p, uint32_t serial)
{
	*p = (struct ledger_process){0};
	return sites_process_start(&l->sites, &p->sums, serial);
}

/* ---- the blocks: the window, and the table behind it --------------------- */

static struct ledger_recent *recent(struct ledger *l, uint64_t address)
{
	uint64_t h = address * 0x9e3779b97f4a7c15ull;

	return &l->recent[(h >> 40) % LEDGER_WINDOW];
}

static bool is_recent(const struct ledger_recent *r, const struct ledger_process *p,
		      uint64_t address)
{
	return r->address1 == address + 1 && r->process == p;
}

static bool occupied(struct ledger *l, struct ledger_process *p, uint64_t address)
{
	return is_recent(recent(l, address), p, address) || live_has(&p->live, address);
}

static void put(struct ledger *l, struct ledger_process *p, uint64_t address,
		const struct live_block *b)
{
	struct ledger_recent *r = recent(l, address);

	if (r->address1 &&
	    live_add(&r->process->live, r->address1 - 1, &r->block) < 0) {
		l->sites.error = l->sites.error ? l->sites.error : -ENOMEM;
		r->process->lost++;
	}
	*r = (struct ledger_recent){address + 1, p, *b};
}

static bool take(struct ledger *l, struct ledger_process *p, uint64_t address,
		 struct live_block *ret)
{
	struct ledger_recent *r = recent(l, address);

	if (!is_recent(r, p, address))
		return live_take(&p->live, address, ret);
	*ret = r->block;
	r->address1 = 0;
	return true;
}

static struct ledger_freed *freed_slot(struct ledger *l, uint64_t address)
{
	return &l->freed[((address * 0x9e3779b97f4a7c15ull) >> 40) %
			 LEDGER_RECENT_FREES];
}

static uint64_t freed_key(const struct ledger_process *p, uint64_t address)
{
	return address | (uint64_t)p->sums.index << LIVE_ADDRESS_BITS;
}

static void note_freed(struct ledger *l, const struct ledger_process *p,
		       uint64_t address, uint64_t ns)
{
	*freed_slot(l, address) = (struct ledger_freed){freed_key(p, address), ns};
}

static void book_free(struct ledger *l, struct ledger_process *p,
		      const struct live_block *b, uint32_t by, uint64_t ns)
{
	struct sites_block block = {b->size, b->born_ns, b->site};

	sites_free(&l->sites, &p->sums, &block, 1, by, ns);
}

void ledger_prefetch(const struct ledger *l, const struct ledger_process *p,
		     const struct event *ev)
{
	if (!ev->met)
		live_prefetch(&p->live, ev->address);
	sites_prefetch_index(&l->sites, &p->sums, ev->stack);
}

void ledger_prefetch_sites(const struct ledger *l, const struct ledger_process *p,
			   struct event *ev)
{
	if (ev->type < WIRE_MMAP)
		ev->site = sites_peek(&l->sites, &p->sums, ev->stack);
	sites_prefetch(&l->sites, ev->site);
	if (ev->met || (ev->type != WIRE_FREE && ev->type != WIRE_REALLOC_BEGIN))
		return;
	ev->victim = live_peek(&p->live, ev->address);
	if (ev->victim)
		sites_prefetch(&l->sites, ev->victim);
}

void ledger_prefetch_histograms(const struct ledger *l, const struct event *ev)
{
	if (ev->victim)
		__builtin_prefetch(l->sites.items[ev->victim].lives, 1);
	else if (ev->site)
		__builtin_prefetch(l->sites.items[ev->site].sizes, 1);
	__asm__ volatile(""); /* see live_prefetch() */
}

/* ---- one event of the malloc domain -------------------------------------- */

static uint64_t moment(const struct ledger *l, const struct event *ev)
{
	return clock_ns(l->clock, ev->stamp);
}

static uint32_t site_of(struct ledger *l, struct ledger_process *p,
			const struct event *ev)
{
	if (ev->site)
		return ev->site;
	return sites_find(&l->sites, &p->sums, ev->stack, PROFILE_MALLOC);
}

/* The block lies where nothing lay. */
static void allocate(struct ledger *l, struct ledger_process *p, const struct event *ev)
{
	struct live_block b = {ev->size, moment(l, ev), site_of(l, p, ev)};

	if (!b.site) {
		p->lost++;
		return;
	}
	put(l, p, ev->address, &b);
	sites_alloc(&l->sites, &p->sums, b.site, b.size, 1, b.born_ns);
}

/* ---- inherited blocks ---------------------------------------------------- */

static struct ledger_process *owner_of(const struct lineage *of)
{
	return (struct ledger_process *)((char *)of -
					 offsetof(struct ledger_process, lineage));
}

static bool peek(void *context, const struct lineage *of, uint64_t address,
		 struct lineage_block *ret)
{
	struct ledger_process *p = owner_of(of);
	struct ledger *l = context;
	struct live_block b;

	if (!take(l, p, address, &b))
		return false;
	put(l, p, address, &b);
	*ret = (struct lineage_block){b.size, b.born_ns};
	return true;
}

/* The process frees none of its own blocks: one that it inherited? */
static bool take_inherited(struct ledger *l, struct ledger_process *p, uint64_t address,
			   uint64_t ns, struct live_block *ret)
{
	struct lineage_block b;

	if (!p->lineage.parent ||
	    !lineage_take(&p->lineage, address, ns, peek, l, &b))
		return false;
	*ret = (struct live_block){b.size, b.born_ns, 0};
	return true;
}

static void give_back(struct ledger_process *p, const struct ledger_realloc *r)
{
	struct lineage_block b = {r->block.size, r->block.born_ns};

	lineage_give_back(&p->lineage, r->address, &b);
}

/* A block has left the table for good, or until a realloc fails. */
static void leave(struct ledger *l, struct ledger_process *p, uint64_t address,
		  const struct live_block *b, uint64_t ns)
{
	struct lineage_block block = {b->size, b->born_ns};

	note_freed(l, p, address, ns);
	if (lineage_is_parent(&p->lineage) &&
	    lineage_gone(&p->lineage, address, &block, ns) < 0)
		l->sites.error = l->sites.error ? l->sites.error : -ENOMEM;
}

/* A begin has found its block, or that there is none. Its end may be known already. */
static void begun(struct ledger *l, struct ledger_process *p, struct ledger_realloc *r)
{
	if (r->outcome == LEDGER_OPEN)
		return;
	if (r->outcome == LEDGER_FREED && r->held == LEDGER_HELD)
		book_free(l, p, &r->block, r->by, r->ns);
	else if (r->outcome == LEDGER_FREED && r->held == LEDGER_UNKNOWN)
		p->unknown_frees++;
	else if (r->outcome == LEDGER_STANDS && r->held == LEDGER_HELD)
		put(l, p, r->address, &r->block);
	else if (r->outcome == LEDGER_STANDS && r->held == LEDGER_INHERITED)
		give_back(p, r);
	free(r);
}

static bool free_block(struct ledger *l, struct ledger_process *p,
		       const struct event *ev)
{
	uint64_t ns = moment(l, ev);
	struct live_block b;

	if (!take(l, p, ev->address, &b))
		return take_inherited(l, p, ev->address, ns, &b);
	leave(l, p, ev->address, &b, ns);
	book_free(l, p, &b, site_of(l, p, ev), ns);
	if (ev->temporary) {
		struct sites_block block = {b.size, b.born_ns, b.site};

		sites_temporary(&l->sites, &p->sums, &block);
	}
	return true;
}

static bool begin_realloc(struct ledger *l, struct ledger_process *p,
			  const struct event *ev, struct ledger_realloc *r)
{
	uint64_t ns = moment(l, ev);

	if (take(l, p, ev->address, &r->block)) {
		r->held = LEDGER_HELD;
		leave(l, p, ev->address, &r->block, ns);
	} else if (take_inherited(l, p, ev->address, ns, &r->block)) {
		r->held = LEDGER_INHERITED;
	} else {
		return false;
	}
	begun(l, p, r);
	return true;
}

/* Applies the event if it is legal. */
static bool apply(struct ledger *l, struct ledger_process *p, const struct event *ev,
		  struct ledger_realloc *r)
{
	switch (ev->type) {
	case WIRE_FREE:
		return free_block(l, p, ev);
	case WIRE_REALLOC_BEGIN:
		return begin_realloc(l, p, ev, r);
	case EVENT_RESTORE:
		if (r->held == LEDGER_HELD && occupied(l, p, ev->address))
			return false;
		if (r->held == LEDGER_HELD)
			put(l, p, ev->address, &r->block);
		else if (r->held == LEDGER_INHERITED)
			give_back(p, r);
		free(r);
		return true;
	default:
		if (occupied(l, p, ev->address))
			return false;
		allocate(l, p, ev);
		return true;
	}
}

/* ---- parking ------------------------------------------------------------- */

struct wanted {
	bool live;
	uint64_t final; /* latest round that counts */
};

static bool needs_block(const struct event *ev)
{
	return ev->type == WIRE_FREE || ev->type == WIRE_REALLOC_BEGIN;
}

static bool is_legal(const struct park_item *item, void *context)
{
	const struct wanted *w = context;

	if (item->event.type == EVENT_RESTORE && item->realloc->held != LEDGER_HELD)
		return item->realloc->held != LEDGER_WAITING;
	return needs_block(&item->event) == w->live;
}

static bool is_final(const struct park_item *item, void *context)
{
	const struct wanted *w = context;

	return item->round <= w->final;
}

static void drop(struct ledger *l, struct park_lot *lot, struct park_item *item)
{
	park_remove(&l->park, lot, item);
	lot->process->parked--;
	free(item);
}

static void apply_legal(struct ledger *l, struct park_lot *lot)
{
	struct ledger_process *p = lot->process;
	struct wanted wanted = {0};
	struct park_item *item;

	for (;;) {
		wanted.live = occupied(l, p, lot->address);
		item = park_pick(&l->park, lot, is_legal, &wanted);
		if (!item || !apply(l, p, &item->event, item->realloc))
			return;
		drop(l, lot, item);
	}
}

/* No event explains this one. */
static void apply_anyway(struct ledger *l, struct park_lot *lot, struct park_item *item)
{
	struct ledger_process *p = lot->process;
	struct live_block b;

	if (item->event.type == WIRE_FREE) {
		p->unknown_frees++;
	} else if (item->event.type == WIRE_REALLOC_BEGIN) {
		item->realloc->held = LEDGER_UNKNOWN;
		begun(l, p, item->realloc);
	} else {
		if (take(l, p, lot->address, &b)) {
			p->unseen_frees++;
			leave(l, p, lot->address, &b, moment(l, &item->event));
			book_free(l, p, &b,
				  sites_find(&l->sites, &p->sums, 0, PROFILE_MALLOC),
				  moment(l, &item->event));
		}
		apply(l, p, &item->event, item->realloc);
	}
	drop(l, lot, item);
}

/* May the last event applied at this address have been applied before its time? */
static bool is_suspect(struct ledger *l, const struct park_lot *lot,
		       const struct park_item *stuck)
{
	const struct ledger_freed *freed = freed_slot(l, lot->address);
	struct ledger_process *p = lot->process;
	uint64_t ns = moment(l, &stuck->event);
	struct live_block b;

	if (needs_block(&stuck->event))
		return freed->key == freed_key(p, lot->address) &&
		       freed->ns + DISORDER_NS >= ns;
	if (!take(l, p, lot->address, &b))
		return false;
	put(l, p, lot->address, &b);
	return b.born_ns + DISORDER_NS >= ns;
}

/* Two events that followed each other in one ring, the first of the stuck kind. */
struct pair {
	struct park_item *first, *second;
};

static struct pair find_pair(const struct park_lot *lot)
{
	size_t tries = 0;

	for (struct park_item *i = lot->first; i && tries++ < PAIR_TRIES; i = i->next)
		if (i->later &&
		    needs_block(&i->event) == needs_block(&lot->first->event) &&
		    needs_block(&i->later->event) != needs_block(&i->event))
			return (struct pair){i, i->later};
	return (struct pair){NULL, NULL};
}

/* The allocation of a pair, and its free, on their own: whatever lies there steps
 * aside, for a pair in a row leaves an address as it was. */
static void apply_pair(struct ledger *l, struct park_lot *lot, struct pair pair)
{
	struct park_item *born = pair.first, *dead = pair.second;
	struct ledger_process *p = lot->process;
	struct live_block aside;
	bool lay;

	if (needs_block(&born->event)) {
		born = pair.second;
		dead = pair.first;
	}
	if (born->event.type == EVENT_RESTORE && born->realloc == dead->realloc) {
		free(born->realloc); /* began and failed: nothing happened */
	} else {
		lay = take(l, p, lot->address, &aside);
		apply(l, p, &born->event, born->realloc);
		apply(l, p, &dead->event, dead->realloc);
		if (lay)
			put(l, p, lot->address, &aside);
	}
	drop(l, lot, pair.first);
	drop(l, lot, pair.second);
}

/*
 * Stuck for good: with the address live (free), the next events of all rings are
 * allocations (frees). If that can be explained at all, then an event was applied too
 * early, on account of its stamp, and what belongs before it is still here: among
 * the waiting there are as many events of the other kind as it takes. Each stands
 * behind one of the stuck kind in its ring, so somewhere two of different kinds stand
 * in a row. They belong together, before what was applied too early.
 *
 * A block older than the recording, or a parent's, looks alike: its free, then the
 * next allocation there, from one ring. Hence is_suspect(): too early is not long ago.
 */
static bool explain(struct ledger *l, struct park_lot *lot,
		    const struct park_item *item)
{
	struct pair pair;

	if (!is_suspect(l, lot, item))
		return false;
	pair = find_pair(lot);
	if (!pair.first)
		return false;
	apply_pair(l, lot, pair);
	return true;
}

static void settle_lot(struct ledger *l, struct park_lot *lot, uint64_t final)
{
	struct wanted wanted = {.final = final};
	struct park_item *item;

	/* What came here since may have been applied for want of what is yet to be
	 * read; but a busy address is not waited for until it is quiet. */
	if (lot->touched > final)
		wanted.final = final > PATIENCE ? final - PATIENCE : 0;
	apply_legal(l, lot);
	while ((item = park_pick(&l->park, lot, is_final, &wanted))) {
		if (!explain(l, lot, item))
			apply_anyway(l, lot, item);
		apply_legal(l, lot);
	}
	if (!lot->first)
		park_close(&l->park, lot);
}

void ledger_settle(struct ledger *l, struct ledger_process *p, uint64_t final)
{
	struct park_lot *next;

	for (struct park_lot *lot = l->park.lots; lot && p->parked; lot = next) {
		next = lot->next;
		if (lot->process == p)
			settle_lot(l, lot, final);
	}
}

/* Rounds count from 1: nothing is final here. */
static void park(struct ledger *l, struct ledger_process *p, const struct event *ev,
		 struct ledger_realloc *r)
{
	struct park_lot *lot;

	if (park_push(&l->park, p, ev, r, l->round + 1) < 0) {
		l->sites.error = -ENOMEM;
		p->lost++;
		if (ev->type == EVENT_RESTORE)
			free(r);
		else if (r)
			r->held = LEDGER_UNKNOWN;
		return;
	}
	p->parked++;
	lot = park_find(&l->park, p, ev->address);
	/* Behind another event of its own ring it changes nothing yet. */
	if (park_has_choice(lot))
		settle_lot(l, lot, 0);
}

static void submit(struct ledger *l, struct ledger_process *p, const struct event *ev,
		   struct ledger_realloc *r)
{
	if ((p->parked && park_find(&l->park, p, ev->address)) || !apply(l, p, ev, r))
		park(l, p, ev, r);
}

/* ---- realloc ------------------------------------------------------------- */

static void realloc_begin(struct ledger *l, struct ledger_process *p,
			  struct ledger_thread *t, const struct event *ev)
{
	struct ledger_realloc *r = calloc(1, sizeof(*r));

	if (!r) {
		l->sites.error = -ENOMEM;
		p->lost++;
		return;
	}
	r->address = ev->address;
	r->next = t->reallocs;
	t->reallocs = r;
	submit(l, p, ev, r);
}

static void restore(struct ledger *l, struct ledger_process *p,
		    struct ledger_realloc *r, const struct event *end)
{
	struct event ev = *end;

	ev.type = EVENT_RESTORE;
	ev.address = r->address;
	submit(l, p, &ev, r);
}

/* Succeeded: the old block is free, by code at the end's stack. */
static void realloc_freed(struct ledger *l, struct ledger_process *p,
			  struct ledger_realloc *r, const struct event *end)
{
	r->outcome = LEDGER_FREED;
	r->by = site_of(l, p, end);
	r->ns = moment(l, end);
	if (r->held != LEDGER_WAITING)
		begun(l, p, r);
}

static void realloc_end(struct ledger *l, struct ledger_process *p,
			struct ledger_thread *t, const struct event *ev)
{
	struct ledger_realloc *r = t->reallocs;

	if (r)
		t->reallocs = r->next;
	if (r && !ev->address && ev->size)
		restore(l, p, r, ev);
	else if (r)
		realloc_freed(l, p, r, ev);
	if (ev->address)
		submit(l, p, ev, NULL);
}

void ledger_thread_end(struct ledger *l, struct ledger_process *p,
		       struct ledger_thread *t)
{
	while (t->reallocs) {
		struct ledger_realloc *r = t->reallocs;

		t->reallocs = r->next;
		r->outcome = LEDGER_STANDS;
		if (r->held == LEDGER_WAITING)
			continue; /* begun() will see to it */
		/* If somebody was given its place, it had been moved: it lives on, in
		 * the counters, at an address that nobody learnt. */
		if (r->held == LEDGER_HELD && !occupied(l, p, r->address))
			put(l, p, r->address, &r->block);
		else if (r->held == LEDGER_INHERITED)
			give_back(p, r);
		free(r);
	}
	maps_forget(&p->maps, &t->unmapped);
	free(t->unmapped.items);
	*t = (struct ledger_thread){0};
}

/* ---- the mmap domain ----------------------------------------------------- */

static bool pages_of(const struct event *ev, uint64_t *ret_start, uint64_t *ret_end)
{
	uint64_t limit = 1ull << LIVE_ADDRESS_BITS;

	if (!ev->size || ev->size > limit - ev->address)
		return false;
	*ret_start = ev->address & ~(PAGE - 1);
	*ret_end = (ev->address + ev->size + PAGE - 1) & ~(PAGE - 1);
	return true;
}

static struct sites_block block_of(const struct ledger_process *p,
				   const struct maps_cut *cut)
{
	const struct maps_mapping *m = &p->maps.mappings[cut->mapping];

	return (struct sites_block){cut->end - cut->start, m->born_ns, m->site};
}

static void unmap(struct ledger *l, struct ledger_process *p, struct ledger_thread *t,
		  const struct event *ev)
{
	uint64_t start, end;

	maps_forget(&p->maps, &t->unmapped);
	if (!pages_of(ev, &start, &end))
		return;
	t->unmapped_by = sites_find(&l->sites, &p->sums, ev->stack, PROFILE_MMAP);
	t->unmapped_ns = moment(l, ev);
	if (maps_cut(&p->maps, start, end, &t->unmapped) < 0) {
		p->lost++;
		return;
	}
	for (size_t i = 0; i < t->unmapped.count; i++) {
		struct sites_block b = block_of(p, &t->unmapped.items[i]);

		sites_free(&l->sites, &p->sums, &b, t->unmapped.items[i].last,
			   t->unmapped_by, t->unmapped_ns);
	}
}

static void unmap_failed(struct ledger *l, struct ledger_process *p,
			 struct ledger_thread *t, const struct event *ev)
{
	/* Backwards: the cut that was the mapping's last comes back first. */
	for (size_t i = t->unmapped.count; i-- > 0;) {
		struct maps_cut *cut = &t->unmapped.items[i];
		struct sites_block b = block_of(p, cut);
		uint32_t first;

		if (maps_restore(&p->maps, cut, &first) == 0)
			sites_unfree(&l->sites, &p->sums, &b, first, t->unmapped_by,
				     t->unmapped_ns, moment(l, ev));
	}
	maps_forget(&p->maps, &t->unmapped);
}

static void map(struct ledger *l, struct ledger_process *p, struct ledger_thread *t,
		const struct event *ev)
{
	uint64_t start, end, ns = moment(l, ev);
	uint32_t site = sites_find(&l->sites, &p->sums, ev->stack, PROFILE_MMAP);

	unmap(l, p, t, ev);
	maps_forget(&p->maps, &t->unmapped);
	if (!pages_of(ev, &start, &end))
		return;
	if (!site || maps_add(&p->maps, start, end, site, ns) < 0)
		p->lost++;
	else
		sites_alloc(&l->sites, &p->sums, site, end - start, 1, ns);
}

/* ---- all events ---------------------------------------------------------- */

void ledger_event(struct ledger *l, struct ledger_process *p, struct ledger_thread *t,
		  struct event *ev)
{
	uint64_t last_alloc = t->last_alloc;

	t->last_alloc = 0;
	switch (ev->type) {
	case WIRE_ALLOC:
		t->last_alloc = ev->address;
		submit(l, p, ev, NULL);
		break;
	case WIRE_FREE:
		ev->temporary = ev->address == last_alloc;
		submit(l, p, ev, NULL);
		break;
	case WIRE_REALLOC_BEGIN:
		realloc_begin(l, p, t, ev);
		break;
	case WIRE_REALLOC_END:
		t->last_alloc = ev->address;
		realloc_end(l, p, t, ev);
		break;
	case WIRE_FORK:
		if (lineage_fork(&p->lineage, (uint32_t)ev->address, moment(l, ev),
				 p->sums.live[PROFILE_MALLOC]) < 0)
			l->sites.error = l->sites.error ? l->sites.error : -ENOMEM;
		break;
	case WIRE_MMAP:
		map(l, p, t, ev);
		break;
	case WIRE_MUNMAP:
		unmap(l, p, t, ev);
		break;
	case WIRE_MUNMAP_FAILED:
		unmap_failed(l, p, t, ev);
		break;
	default:
		break;
	}
}

void ledger_process_inherit(struct ledger_process *p, struct ledger_process *parent,
			    uint32_t serial, uint64_t ns)
{
	if (p != parent && !p->lineage.parent)
		lineage_begin(&p->lineage, &parent->lineage, serial, ns,
			      parent->sums.live[PROFILE_MALLOC]);
}

void ledger_forget_forks(struct ledger_process *p, uint64_t ns)
{
	if (p->lineage.fork_count)
		lineage_expire(&p->lineage, ns);
}

/* Nobody can ask for the process's blocks any more. */
static void release(void *context, struct lineage *of)
{
	struct ledger_process *p = owner_of(of);

	(void)context;
	live_done(&p->live);
	lineage_done(of);
}

void ledger_process_end(struct ledger *l, struct ledger_process *p, uint64_t ns)
{
	ledger_settle(l, p, UINT64_MAX);
	for (size_t i = 0; i < LEDGER_WINDOW; i++) {
		struct ledger_recent *r = &l->recent[i];

		if (r->process != p || !r->address1)
			continue;
		if (p->lineage.heirs)
			live_add(&p->live, r->address1 - 1, &r->block);
		*r = (struct ledger_recent){0};
	}
	sites_process_end(&l->sites, &p->sums, ns);
	maps_done(&p->maps);
	lineage_end(&p->lineage, release, NULL);
}

void ledger_process_done(struct ledger_process *p)
{
	live_done(&p->live);
	maps_done(&p->maps);
	lineage_done(&p->lineage);
}

void ledger_each(const struct ledger *l, const struct ledger_process *p,
		 void (*see)(void *context, uint64_t address,
			     const struct live_block *b),
		 void *context)
{
	for (size_t i = 0; i < LEDGER_WINDOW; i++)
		if (l->recent[i].address1 && l->recent[i].process == p)
			see(context, l->recent[i].address1 - 1, &l->recent[i].block);
	live_each(&p->live, see, context);
}

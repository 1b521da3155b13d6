#include "cli/collect/ledger.h"

#include "cli/base/array.h"
#include "cli/collect/blocks.h"
#include "cli/collect/chunks.h"
#include "cli/collect/mappings.h"
#include "cli/collect/plain.h"
#include "cli/collect/settle.h"

#include <errno.h>
#include <stdlib.h>

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
	*p = (struct ledger_process){.lineage.sample = l->sites.sample};
	return sites_process_start(&l->sites, &p->sums, serial);
}

int ledger_crowd_start(struct ledger *l, struct ledger_process *p, uint32_t serial)
{
	*p = (struct ledger_process){.lineage.sample = l->sites.sample};
	return sites_crowd_start(&l->sites, &p->sums, serial);
}

/* ---- realloc ------------------------------------------------------------- */

static void realloc_begin(struct ledger *l, struct ledger_process *p,
			  struct ledger_thread *t, const struct event *ev)
{
	/* (calloc() does not come by glibc's lists of the thread's own.) */
	struct ledger_realloc *r = malloc(sizeof(*r));

	if (!r) {
		l->sites.error = -ENOMEM;
		p->lost++;
		return;
	}
	*r = (struct ledger_realloc){.next = t->reallocs, .address = ev->address};
	t->reallocs = r;
	settle_submit(l, p, ev, r);
}

static void restore(struct ledger *l, struct ledger_process *p,
		    struct ledger_realloc *r, const struct event *end)
{
	struct event ev = *end;

	ev.type = EVENT_RESTORE;
	ev.address = r->address;
	settle_submit(l, p, &ev, r);
}

/* Succeeded: the old block is free, by code at the end's stack. */
static void realloc_freed(struct ledger *l, struct ledger_process *p,
			  struct ledger_realloc *r, const struct event *end)
{
	r->outcome = LEDGER_FREED;
	r->by = blocks_site_of(l, p, end);
	r->ns = blocks_moment(l, end);
	if (r->held != LEDGER_WAITING)
		blocks_begun(l, p, r);
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
		settle_submit(l, p, ev, NULL);
}

void ledger_thread_end(struct ledger *l, struct ledger_process *p,
		       struct ledger_thread *t)
{
	while (t->reallocs) {
		struct ledger_realloc *r = t->reallocs;

		t->reallocs = r->next;
		r->outcome = LEDGER_STANDS;
		if (r->held == LEDGER_WAITING)
			continue; /* blocks_begun() will see to it */
		/* If somebody was given its place, it had been moved: it lives on, in
		 * the counters, at an address that nobody learnt. */
		if (r->held == LEDGER_HELD && !blocks_has(p, r->address))
			blocks_put(l, p, r->address, &r->block);
		else if (r->held == LEDGER_HELD)
			blocks_stray(l, p, &r->block);
		else if (r->held == LEDGER_INHERITED)
			blocks_give_back(p, r);
		free(r);
	}
	maps_forget(&p->maps, &t->unmapped);
	free(t->unmapped.items);
	*t = (struct ledger_thread){0};
}

/* ---- what is no leak ----------------------------------------------------- */

/* Its allocation may wait among the parked: then it waits, too. */
static void ignore_at(struct ledger *l, struct ledger_process *p, uint64_t address,
		      uint64_t ns)
{
	int r = 0;

	if (p->parked && park_find(&l->park, p, address)) {
		if (p->late_count == LEDGER_LATE)
			return;
		r = array_reserve(&p->late, &p->late_room, p->late_count + 1);
		if (!r)
			p->late[p->late_count++] = (struct ledger_moment){address, ns};
	} else if (!live_ignore(blocks_table(p, address), address & ~POOLS_CHUNK) &&
		   p->lineage.parent) {
		r = lineage_ignore(&p->lineage, address);
	}
	if (r)
		l->sites.error = l->sites.error ? l->sites.error : r;
}

/* The chunk that begins there, or else the block. */
static void ignore(struct ledger *l, struct ledger_process *p, const struct event *ev)
{
	uint64_t chunk = pools_of(&p->pools, ev->address) ? POOLS_CHUNK : 0;

	ignore_at(l, p, ev->address | chunk, blocks_moment(l, ev));
}

/* The block that is there now was so then, or came later. */
static void ignore_late(struct ledger *l, struct ledger_process *p,
			const struct ledger_moment *m)
{
	struct live_block b;

	if (!blocks_take(p, m->key, &b))
		return;
	b.ignored |= b.born_ns <= m->ns;
	blocks_put(l, p, m->key, &b);
}

/* Those whose allocations have been found a place. */
static void settle_ignores(struct ledger *l, struct ledger_process *p)
{
	size_t left = 0;

	for (size_t i = 0; i < p->late_count; i++) {
		if (p->parked && park_find(&l->park, p, p->late[i].key))
			p->late[left++] = p->late[i];
		else
			ignore_late(l, p, &p->late[i]);
	}
	p->late_count = left;
}

/* ---- all events ---------------------------------------------------------- */

/* Of a child to be, or of its own, which nobody told of. */
static void forked(struct ledger *l, struct ledger_process *p, const struct event *ev)
{
	uint64_t ns = blocks_moment(l, ev);
	struct lineage *parent = p->lineage.parent;

	if ((uint32_t)ev->address != p->sums.serial) {
		if (lineage_fork(&p->lineage, (uint32_t)ev->address, ns,
				 p->sums.live[PROFILE_MALLOC]) < 0)
			l->sites.error = l->sites.error ? l->sites.error : -ENOMEM;
	} else if (parent) {
		lineage_untold(&p->lineage, ns,
			       blocks_owner_of(parent)->sums.live[PROFILE_MALLOC]);
	}
}

/* An allocation and its free. */
static void joined(struct ledger *l, struct ledger_process *p, struct ledger_thread *t,
		   const struct event *ev)
{
	struct event born = *ev, dead = *ev;

	born.type = WIRE_ALLOC;
	event_free(&dead);
	ledger_event(l, p, t, &born);
	ledger_event(l, p, t, &dead);
}

void ledger_event(struct ledger *l, struct ledger_process *p, struct ledger_thread *t,
		  struct event *ev)
{
	uint64_t last_alloc = t->last_alloc;

	ledger_rest(l);
	/* Nothing happens to the block, nor between its allocation and its free. */
	if (ev->type == WIRE_VALUE) {
		blocks_value(l, p, ev->address, ev->size);
		return;
	}
	t->last_alloc = 0;
	switch (ev->type) {
	case WIRE_ALLOC:
		t->last_alloc = ev->address;
		ev->thread = t->number;
		settle_submit(l, p, ev, NULL);
		break;
	case WIRE_FREE:
		ev->temporary = ev->address == last_alloc;
		settle_submit(l, p, ev, NULL);
		break;
	case EVENT_PAIR:
		joined(l, p, t, ev);
		break;
	case WIRE_GONE:
		arenas_end(&p->arenas);
		settle_submit(l, p, ev, NULL);
		break;
	case WIRE_REALLOC_BEGIN:
		realloc_begin(l, p, t, ev);
		break;
	case WIRE_REALLOC_END:
		t->last_alloc = ev->address;
		ev->thread = t->number;
		realloc_end(l, p, t, ev);
		break;
	case WIRE_FORK:
		forked(l, p, ev);
		break;
	case WIRE_IGNORE:
		ignore(l, p, ev);
		break;
	case WIRE_MMAP:
	case WIRE_ARENA:
		mappings_map(l, p, t, ev);
		break;
	case WIRE_MUNMAP:
	case WIRE_ARENA_FREE:
		mappings_unmap(l, p, t, ev);
		break;
	case WIRE_MUNMAP_FAILED:
		mappings_unmap_failed(l, p, t, ev);
		break;
	case WIRE_POOL_CREATE:
	case WIRE_POOL_DESTROY:
	case WIRE_POOL_ALLOC:
	case WIRE_POOL_FREE:
		chunks_event(l, p, ev);
		break;
	default:
		break;
	}
}

enum { /* so many are in the caches by themselves */
       FEW_SITES = 2048,
       FEW_PAGES = 4096,
       /* Of a batch, and batches in which all are looked at once one was cold. */
       FEW_FREES = 4,
       WARY_BATCHES = 8,
};

/* Whether it was not looked for lately, so that it may be in no cache. */
static inline bool is_cold(uint32_t *warm, uint32_t number)
{
	uint32_t *last = &warm[number % LEDGER_WARM];

	if (*last == number)
		return false;
	*last = number;
	return true;
}

/* The events of which a site may be cold. What a free's block is of is dear to find out: as
 * long as those of a few in each batch are not, it is not done for the others. */
static size_t find_cold(struct ledger *l, struct ledger_process *p,
			const struct event *events, size_t n, const struct event **ret)
{
	struct ledger_warm *w = &l->warm;
	int looks = w->wary ? (int)n : FEW_FREES;
	bool seen = false;
	size_t cold = 0;

	for (const struct event *ev = events; ev < events + n; ev++) {
		bool is = is_cold(w->stacks, ev->stack);
		uint32_t owner;

		if (ev->type == EVENT_PAIR)
			is |= is_cold(w->stacks, ev->freed_by);
		if (ev->type == WIRE_FREE && looks-- > 0) {
			owner = live_peek(&p->live, &ev->way, ev->address);
			if (owner && is_cold(w->owners, owner))
				is = seen = true;
		}
		if (is)
			ret[cold++] = ev;
	}
	if (seen)
		w->wary = WARY_BATCHES;
	else if (w->wary)
		w->wary--;
	return cold;
}

/* Each loop asks for what the one before it was told where to find: so many misses are
 * under way at once. */
static void look_for_sites(const struct ledger *l, struct ledger_process *p,
			   const struct event *const *events, size_t n)
{
	const struct sites *s = &l->sites;

	for (size_t i = 0; i < n; i++) {
		const struct event *ev = events[i];

		sites_prefetch_index(&p->sums, ev->stack);
		if (ev->type == EVENT_PAIR)
			sites_prefetch_index(&p->sums, ev->freed_by);
	}
	for (size_t i = 0; i < n; i++) {
		const struct event *ev = events[i];

		sites_prefetch(s, sites_peek(&p->sums, ev->stack));
		if (ev->type == EVENT_PAIR)
			sites_prefetch(s, sites_peek(&p->sums, ev->freed_by));
		else if (ev->type == WIRE_FREE)
			sites_prefetch(s, sites_number(s, live_peek(&p->live, &ev->way,
								    ev->address)));
	}
	for (size_t i = 0; i < n; i++) {
		const struct event *ev = events[i];
		uint32_t site = sites_peek(&p->sums, ev->stack);

		if (ev->type == WIRE_FREE)
			site = sites_number(s,
					    live_peek(&p->live, &ev->way, ev->address));
		else
			__builtin_prefetch(s->items[site].sizes, 1);
		if (ev->type != WIRE_ALLOC)
			__builtin_prefetch(s->items[site].lives, 1);
		__asm__ volatile(""); /* see live_ask() */
	}
}

void ledger_look_ahead(struct ledger *l, struct ledger_process *p, struct event *events,
		       size_t n)
{
	const struct event *cold[RING_WINDOW];
	struct live_ahead ahead = {0};
	uint64_t last = 0;

	assert(n <= RING_WINDOW);
	if (p->live.pages > FEW_PAGES)
		for (const struct event *ev = events; ev < events + n; ev++) {
			live_hint(&p->live, ev->address, last);
			last = ev->address;
		}
	for (struct event *ev = events; ev < events + n; ev++) {
		ev->way = live_way_ahead(&p->live, ev->address, &ahead);
		if (__builtin_expect(!ev->way.page, 0) && ev->type == WIRE_ALLOC) {
			live_open(&p->live, ev->address, ev->size);
			ahead = (struct live_ahead){0};
			ev->way = live_way_ahead(&p->live, ev->address, &ahead);
		}
	}
	if (l->sites.count > FEW_SITES)
		look_for_sites(l, p, cold, find_cold(l, p, events, n, cold));
}

/* A block that was kept beside its event comes to the table, and is freed by what is
 * left of that. If somebody was given its address before its free, by that one's stamp,
 * then it was free. */
static void put_down(struct ledger *l, struct ledger_process *p, struct event *ev)
{
	struct live_block b = {
		.size = ev->size, .site = ev->held.site, .born_ns = ev->held.born_ns};
	struct sites_block freed = {b.size, b.born_ns, b.site};

	ev->type = WIRE_FREE;
	ev->size = 0;
	if (!blocks_put(l, p, ev->address, &b)) {
		blocks_book_free(l, p, &b, arenas_has(&p->arenas, ev->address),
				 blocks_site_of(l, p, ev), blocks_moment(l, ev));
		sites_temporary(&l->sites, &p->sums, &freed);
		ev->type = WIRE_NOP;
	}
	ev->way = live_way(&p->live, ev->address);
}

void ledger_rest(struct ledger *l)
{
	struct ledger_process *p = l->sums.of;

	if (!p)
		return;
	plain_end(l);
	while (l->sums.held)
		put_down(l, p, l->held[--l->sums.held]);
}

bool ledger_sum_up(struct ledger *l, struct ledger_process *p)
{
	ledger_rest(l);
	if (plain_may(l, p))
		plain_begin(l, p);
	return l->sums.of;
}

/* Of a pair, or what is left of it. True: all of it was done. */
static bool run_pair(struct ledger *l, struct ledger_process *p,
		     struct ledger_thread *t, struct event *ev, uint64_t limit)
{
	if (ev->stamp + ev->gap <= limit) {
		if (!plain_pair(l, p, ev))
			return false;
		t->last_alloc = 0;
		t->events++;
		return true;
	}
	if (plain_allocate(l, p, ev)) {
		t->last_alloc = ev->address;
		t->events++;
		event_free(ev); /* its free is left */
	}
	return false;
}

struct event *ledger_run(struct ledger *l, struct ledger_process *p,
			 struct ledger_thread *t, struct event *from,
			 const struct event *end, uint64_t limit)
{
	struct event *ev = from;

	if (l->sums.of != p && !ledger_sum_up(l, p))
		return from;
	for (; ev < end && ev->stamp <= limit; ev++) {
		if (ev->type == WIRE_ALLOC) {
			if (!plain_allocate(l, p, ev))
				break;
			t->last_alloc = ev->address;
		} else if (ev->type == WIRE_FREE) {
			if (!plain_free(l, p, ev, ev->address == t->last_alloc))
				break;
			t->last_alloc = 0;
		} else if (ev->type == EVENT_PAIR) {
			if (!run_pair(l, p, t, ev, limit))
				break;
		} else {
			bool both;

			if (ev->type != WIRE_REALLOC_BEGIN || ev + 1 == end ||
			    ev[1].stamp > limit || t->reallocs ||
			    !plain_realloc(l, p, ev, &both))
				break;
			ev++;
			t->last_alloc = ev->address;
			if (!both)
				break; /* the end is left */
		}
	}
	t->events += (size_t)(ev - from);
	return ev;
}

void ledger_process_inherit(struct ledger_process *p, struct ledger_process *parent,
			    uint32_t serial, uint64_t ns)
{
	if (p != parent && !p->lineage.parent)
		lineage_begin(&p->lineage, &parent->lineage, serial, ns,
			      parent->sums.live[PROFILE_MALLOC]);
}

/* Nobody can ask for the process's blocks any more. */
static void release(void *context, struct lineage *of)
{
	struct ledger_process *p = blocks_owner_of(of);

	(void)context;
	live_leave(&p->live);
	live_leave(&p->chunks);
	pools_done(&p->pools);
	lineage_done(of);
}

void ledger_forget_forks(struct ledger_process *p, uint64_t ns)
{
	lineage_expire(&p->lineage, ns, release, NULL);
}

bool ledger_has_forks(const struct ledger_process *p)
{
	return p->lineage.fork_count;
}

void ledger_process_told(struct ledger_process *p, uint32_t serial)
{
	lineage_told(&p->lineage, serial);
}

void ledger_forget_fork(struct ledger_process *p, uint32_t serial)
{
	lineage_forget(&p->lineage, serial, release, NULL);
}

struct keeping {
	struct sites *sites;
	struct sites_process *of;
	struct history_index index;
	uint64_t ns;
};

static void keep(void *context, uint64_t address, const struct live_block *b)
{
	struct keeping *k = context;
	struct sites_block block = {b->size, b->born_ns, b->site};

	(void)address;
	sites_keep(k->sites, k->of, &k->index, &block, 1, k->ns);
}

/* Tells the sites what the process never freed. */
static void keep_all(struct ledger *l, struct ledger_process *p, uint64_t ns)
{
	struct keeping k = {.sites = &l->sites, .of = &p->sums, .ns = ns};
	int r = history_index_open(&k.index, k.sites, &p->sums);

	if (r < 0) {
		l->sites.error = l->sites.error ? l->sites.error : r;
		return;
	}
	if (k.index.room || p->sums.crowd) {
		ledger_each(l, p, keep, &k);
		for (size_t i = 0; i < p->stray_count; i++)
			keep(&k, 0, &p->strays[i]);
		mappings_keep(l, p, &k.index, ns);
	}
	history_index_done(&k.index);
}

static void forget_strays(struct ledger_process *p)
{
	free(p->strays);
	p->strays = NULL;
	p->stray_count = p->stray_room = 0;
}

void ledger_process_end(struct ledger *l, struct ledger_process *p, uint64_t ns)
{
	ledger_settle(l, p, UINT64_MAX);
	arenas_end(&p->arenas);
	keep_all(l, p, ns);
	forget_strays(p);
	sites_process_end(&l->sites, &p->sums, ns);
	maps_done(&p->maps);
	lineage_end(&p->lineage, release, NULL);
}

void ledger_process_done(struct ledger_process *p)
{
	live_done(&p->live);
	live_done(&p->chunks);
	pools_done(&p->pools);
	maps_done(&p->maps);
	arenas_done(&p->arenas);
	lineage_done(&p->lineage);
	proofs_done(&p->proofs);
	free(p->late);
	forget_strays(p);
}

struct seeing {
	void (*see)(void *context, uint64_t address, const struct live_block *b);
	void *context;
};

static void see_chunk(void *context, uint64_t address, const struct live_block *b)
{
	const struct seeing *s = context;

	s->see(s->context, address | POOLS_CHUNK, b);
}

void ledger_each(struct ledger *l, struct ledger_process *p,
		 void (*see)(void *context, uint64_t address,
			     const struct live_block *b),
		 void *context)
{
	struct seeing chunks = {see, context};

	settle_ignores(l, p);
	live_each(&p->live, see, context);
	live_each(&p->chunks, see_chunk, &chunks);
}

struct showing {
	lineage_see *see;
	void *to;
};

static void show_block(void *context, uint64_t address, const struct live_block *b)
{
	const struct showing *s = context;
	struct lineage_block block = {b->size, b->born_ns, b->ignored};

	s->see(s->to, address, &block, b->site);
}

static void show_all(void *context, const struct lineage *of, lineage_see *see,
		     void *to)
{
	struct showing s = {see, to};

	ledger_each(context, blocks_owner_of(of), show_block, &s);
}

void ledger_each_inherited(struct ledger *l, const struct ledger_process *p,
			   lineage_see *see, void *to)
{
	lineage_each(&p->lineage, show_all, l, see, to);
}

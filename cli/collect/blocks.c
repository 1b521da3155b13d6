#include "cli/collect/blocks.h"

#include "cli/collect/live_near.h"

#include "cli/base/array.h"

#include <errno.h>
#include <stdlib.h>

/* ---- the table, and the latest moments beside it ------------------------- */

uint64_t blocks_freed(struct ledger *l, const struct ledger_process *p,
		      uint64_t address)
{
	const struct ledger_moment *m = blocks_death(l, address);

	return m->key == blocks_key(p, address) ? m->ns : 0;
}

bool blocks_has(struct ledger_process *p, uint64_t address)
{
	return live_has(blocks_table(p, address), address & ~POOLS_CHUNK);
}

bool blocks_look(struct ledger_process *p, uint64_t address, struct live_block *ret)
{
	return live_look(blocks_table(p, address), address & ~POOLS_CHUNK, ret);
}

bool blocks_put(struct ledger *l, struct ledger_process *p, uint64_t address,
		const struct live_block *b)
{
	int r = live_add(blocks_table(p, address), address & ~POOLS_CHUNK, b);

	if (r == -EEXIST)
		return false;
	if (r < 0) {
		l->sites.error = l->sites.error ? l->sites.error : r;
		p->lost++;
	}
	return true;
}

bool blocks_take(struct ledger_process *p, uint64_t address, struct live_block *ret)
{
	return live_take(blocks_table(p, address), address & ~POOLS_CHUNK, ret);
}

void blocks_book_free(struct ledger *l, struct ledger_process *p,
		      const struct live_block *b, bool inside, uint32_t by, uint64_t ns)
{
	struct sites_block block = {b->size, b->born_ns, b->site};

	if (inside)
		arenas_died(&p->arenas, blocks_epoch(p), b->size);
	sites_free(&l->sites, &p->sums, &block, 1, by, ns);
}

/* ---- one event of the malloc domain -------------------------------------- */

uint32_t blocks_site_of(struct ledger *l, struct ledger_process *p,
			const struct event *ev)
{
	return sites_find(&l->sites, &p->sums, ev->stack, blocks_domain(ev->address));
}

/* False: something lies there. A stack is given a site by events that count. */
static bool allocate(struct ledger *l, struct ledger_process *p, const struct event *ev)
{
	struct live_block b = {.size = ev->size};

	if (blocks_has(p, ev->address))
		return false;
	b.born_ns = blocks_moment(l, ev);
	b.site = blocks_site_of(l, p, ev);
	if (!b.site) {
		p->lost++;
		return true;
	}
	if (!(ev->address & POOLS_CHUNK)) /* whose owners are not kept */
		b.site = sites_owner(&l->sites, &p->sums, b.site, ev->thread);
	blocks_put(l, p, ev->address, &b);
	if (arenas_has(&p->arenas, ev->address))
		arenas_born(&p->arenas, blocks_epoch(p), b.size);
	sites_alloc(&l->sites, &p->sums, b.site, b.size, 1, b.born_ns);
	return true;
}

/* ---- inherited blocks ---------------------------------------------------- */

struct ledger_process *blocks_owner_of(const struct lineage *of)
{
	return (struct ledger_process *)((char *)of -
					 offsetof(struct ledger_process, lineage));
}

static bool peek(void *context, const struct lineage *of, uint64_t address,
		 struct lineage_block *ret)
{
	struct ledger_process *p = blocks_owner_of(of);
	struct ledger *l = context;
	struct live_block b;

	if (!blocks_take(p, address, &b))
		return false;
	blocks_put(l, p, address, &b);
	*ret = (struct lineage_block){b.size, b.born_ns, b.ignored};
	return true;
}

/* The process frees none of its own blocks: one that it inherited? */
static bool take_inherited(struct ledger *l, struct ledger_process *p, uint64_t address,
			   uint64_t ns, struct live_block *ret)
{
	struct lineage_block b;

	if (!p->lineage.parent || !lineage_take(&p->lineage, address, ns, peek, l, &b))
		return false;
	*ret = (struct live_block){.size = b.size, .born_ns = b.born_ns};
	return true;
}

void blocks_give_back(struct ledger_process *p, const struct ledger_realloc *r)
{
	struct lineage_block b = {r->block.size, r->block.born_ns, r->block.ignored};

	lineage_give_back(&p->lineage, r->address, &b);
}

/* A block has left the table for good, or until a realloc fails. */
void blocks_leave(struct ledger *l, struct ledger_process *p, uint64_t address,
		  const struct live_block *b, uint64_t ns)
{
	struct lineage_block block = {b->size, b->born_ns, b->ignored};

	*blocks_death(l, address) = (struct ledger_moment){blocks_key(p, address), ns};
	if (proofs_watches(&p->proofs, address))
		proofs_left(&p->proofs, address, ns);
	if (lineage_is_parent(&p->lineage) &&
	    lineage_gone(&p->lineage, address, &block, ns) < 0)
		l->sites.error = l->sites.error ? l->sites.error : -ENOMEM;
}

/* A begin has found its block, or that there is none. Its end may be known already. */
void blocks_begun(struct ledger *l, struct ledger_process *p, struct ledger_realloc *r)
{
	if (r->outcome == LEDGER_OPEN)
		return;
	if (r->outcome == LEDGER_FREED && r->held == LEDGER_HELD)
		blocks_book_free(l, p, &r->block, r->inside, r->by, r->ns);
	else if (r->outcome == LEDGER_FREED && r->held == LEDGER_UNKNOWN)
		p->unknown_frees++;
	else if (r->outcome == LEDGER_STANDS && r->held == LEDGER_HELD)
		blocks_put(l, p, r->address, &r->block);
	else if (r->outcome == LEDGER_STANDS && r->held == LEDGER_INHERITED)
		blocks_give_back(p, r);
	free(r);
}

static bool release(struct ledger *l, struct ledger_process *p, const struct event *ev)
{
	uint64_t ns = blocks_moment(l, ev);
	struct live_block b;

	if (!blocks_take(p, ev->address, &b))
		return take_inherited(l, p, ev->address, ns, &b);
	blocks_leave(l, p, ev->address, &b, ns);
	blocks_book_free(l, p, &b, arenas_has(&p->arenas, ev->address),
			 blocks_site_of(l, p, ev), ns);
	if (ev->temporary) {
		struct sites_block block = {b.size, b.born_ns, b.site};

		sites_temporary(&l->sites, &p->sums, &block);
	}
	return true;
}

void blocks_stray(struct ledger *l, struct ledger_process *p,
		  const struct live_block *b)
{
	if (array_reserve(&p->strays, &p->stray_room, p->stray_count + 1) < 0)
		l->sites.error = l->sites.error ? l->sites.error : -ENOMEM;
	else
		p->strays[p->stray_count++] = *b;
}

void blocks_value(struct ledger *l, struct ledger_process *p, uint64_t address,
		  uint64_t value)
{
	struct live_way way = live_way(&p->live, address);
	uint32_t owner = live_peek(&p->live, &way, address);

	if (owner)
		values_note(&l->sites.values, sites_number(&l->sites, owner), value);
}

/* Its place is free, and it counts as live. (Of a parent's, its own end counts.) */
static bool let_go(struct ledger *l, struct ledger_process *p, const struct event *ev)
{
	uint64_t ns = blocks_moment(l, ev);
	struct live_block b;

	if (!blocks_take(p, ev->address, &b))
		return take_inherited(l, p, ev->address, ns, &b);
	blocks_leave(l, p, ev->address, &b, ns);
	blocks_stray(l, p, &b);
	p->finalised.blocks++;
	p->finalised.bytes += b.size;
	return true;
}

static bool begin_realloc(struct ledger *l, struct ledger_process *p,
			  const struct event *ev, struct ledger_realloc *r)
{
	uint64_t ns = blocks_moment(l, ev);

	if (blocks_take(p, ev->address, &r->block)) {
		r->held = LEDGER_HELD;
		r->inside = arenas_has(&p->arenas, ev->address);
		blocks_leave(l, p, ev->address, &r->block, ns);
	} else if (take_inherited(l, p, ev->address, ns, &r->block)) {
		r->held = LEDGER_INHERITED;
	} else {
		return false;
	}
	blocks_begun(l, p, r);
	return true;
}

/* Applies the event if it is legal. */
bool blocks_apply(struct ledger *l, struct ledger_process *p, const struct event *ev,
		  struct ledger_realloc *r)
{
	switch (ev->type) {
	case WIRE_FREE:
		return release(l, p, ev);
	case WIRE_GONE:
		return let_go(l, p, ev);
	case WIRE_REALLOC_BEGIN:
		return begin_realloc(l, p, ev, r);
	case EVENT_RESTORE:
		if (r->held == LEDGER_HELD && !blocks_put(l, p, ev->address, &r->block))
			return false;
		if (r->held == LEDGER_INHERITED)
			blocks_give_back(p, r);
		free(r);
		return true;
	default:
		return allocate(l, p, ev);
	}
}

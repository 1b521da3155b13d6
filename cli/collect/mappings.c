#include "cli/collect/mappings.h"

#include "cli/collect/blocks.h"

#define PAGE 4096ull

static bool is_arena(const struct event *ev)
{
	return ev->type == WIRE_ARENA || ev->type == WIRE_ARENA_FREE;
}

/* Whole pages; arenas may come by malloc. */
static bool extent_of(const struct event *ev, uint64_t *ret_start, uint64_t *ret_end)
{
	uint64_t limit = 1ull << LIVE_ADDRESS_BITS;

	if (!ev->size || ev->size > limit - ev->address)
		return false;
	*ret_start = ev->address;
	*ret_end = ev->address + ev->size;
	if (is_arena(ev))
		return true;
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

static bool lies_in_arena(const struct ledger *l, const struct sites_block *b)
{
	return l->sites.items[b->site].domain == PROFILE_ARENA;
}

/* The site of the thread's last unmapping, in the domain of what it unmapped. */
static uint32_t unmapped_by(struct ledger *l, struct ledger_process *p,
			    const struct ledger_thread *t, const struct sites_block *b)
{
	return sites_find(&l->sites, &p->sums, t->unmapped_by,
			  l->sites.items[b->site].domain);
}

void mappings_unmap(struct ledger *l, struct ledger_process *p, struct ledger_thread *t,
		    const struct event *ev)
{
	uint64_t start, end;

	maps_forget(&p->maps, &t->unmapped);
	if (!extent_of(ev, &start, &end))
		return;
	t->unmapped_by = ev->stack;
	t->unmapped_ns = blocks_moment(l, ev);
	if (maps_cut(&p->maps, start, end, &t->unmapped) < 0) {
		p->lost++;
		return;
	}
	for (size_t i = 0; i < t->unmapped.count; i++) {
		const struct maps_cut *cut = &t->unmapped.items[i];
		struct sites_block b = block_of(p, cut);

		if (lies_in_arena(l, &b))
			arenas_unmap(&p->arenas, blocks_epoch(p), cut->start, cut->end);
		sites_free(&l->sites, &p->sums, &b, cut->last, unmapped_by(l, p, t, &b),
			   t->unmapped_ns);
	}
}

void mappings_unmap_failed(struct ledger *l, struct ledger_process *p,
			   struct ledger_thread *t, const struct event *ev)
{
	/* Backwards: the cut that was the mapping's last comes back first. */
	for (size_t i = t->unmapped.count; i-- > 0;) {
		struct maps_cut *cut = &t->unmapped.items[i];
		struct sites_block b = block_of(p, cut);
		uint32_t first;

		if (maps_restore(&p->maps, cut, &first) < 0)
			continue;
		if (lies_in_arena(l, &b))
			arenas_map(&p->arenas, blocks_epoch(p), cut->start, cut->end);
		sites_unfree(&l->sites, &p->sums, &b, first, unmapped_by(l, p, t, &b),
			     t->unmapped_ns, blocks_moment(l, ev));
	}
	maps_forget(&p->maps, &t->unmapped);
}

void mappings_map(struct ledger *l, struct ledger_process *p, struct ledger_thread *t,
		  const struct event *ev)
{
	uint64_t start, end, ns = blocks_moment(l, ev);
	uint32_t site = sites_find(&l->sites, &p->sums, ev->stack,
				   is_arena(ev) ? PROFILE_ARENA : PROFILE_MMAP);

	mappings_unmap(l, p, t, ev);
	maps_forget(&p->maps, &t->unmapped);
	if (!extent_of(ev, &start, &end))
		return;
	if (!site || maps_add(&p->maps, start, end, site, ns) < 0) {
		p->lost++;
		return;
	}
	if (is_arena(ev))
		arenas_map(&p->arenas, blocks_epoch(p), start, end);
	sites_alloc(&l->sites, &p->sums, site, end - start, 1, ns);
}

void mappings_keep(struct ledger *l, struct ledger_process *p,
		   const struct history_index *x, uint64_t ns)
{
	const struct maps *m = &p->maps;

	for (size_t i = 1; i < m->mapping_count; i++) {
		const struct maps_mapping *of = &m->mappings[i];
		struct sites_block b = {.born_ns = of->born_ns, .site = of->site};

		if (of->pieces)
			sites_keep(&l->sites, &p->sums, x, &b, 1, ns);
	}
	for (size_t i = 0; i < m->count; i++) {
		const struct maps_piece *piece = &m->pieces[i];
		const struct maps_mapping *of = &m->mappings[piece->mapping];
		struct sites_block b = {piece->end - piece->start, of->born_ns,
					of->site};

		sites_keep(&l->sites, &p->sums, x, &b, 0, ns);
	}
}

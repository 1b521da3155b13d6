#include "cli/collect/sites.h"

#include "cli/base/array.h"
#include "cli/collect/counting.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	FIRST_ROOM = 1024, /* sites; none costs memory before it is there */
	SHARE = 64,	   /* of what is left, once half of them are there */
	CROWD_SHARE = 4,   /* the same of a crowd */
	SHORT_SHARE = 4,   /* of all that there may be: fewer are not short */
	LEAST = 1 << 20,   /* what most of them may be, */
	MOST = 1 << 22,
	MEMORY_SHARE = 8,   /* or as many as fit into a part of the machine's memory */
	BYTES = 600,	    /* of a site, its row in the profile, its histograms */
	MET_MOST = 1 << 16, /* nodes that are wiped one by one */
};

#define DIRECT_BYTES (2 * WIRE_NODES * sizeof(uint32_t))

/* Zeroes, which are no memory yet; or NULL. */
static void *map(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static size_t most_of_memory(void)
{
	uint64_t bytes =
		(uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t most = bytes / MEMORY_SHARE / BYTES;

	if (most < LEAST)
		return LEAST;
	return most < MOST ? (size_t)most : MOST;
}

int sites_open(struct sites *s, void *base)
{
	int r;

	*s = (struct sites){.count = 1, .room = FIRST_ROOM, .most = most_of_memory()};
	s->sample = ((const struct wire_header *)base)->sample;
	peak_start(&s->tree_peak);
	history_start(&s->history);
	divisions_start(&s->divisions, 0);
	s->items = map(s->room * sizeof(*s->items));
	s->left = map(s->room * sizeof(*s->left));
	s->nowhere = map(DIRECT_BYTES);
	r = s->items && s->left && s->nowhere ? 0 : -ENOMEM;
	if (r == 0)
		r = stacks_open(&s->stacks, base);
	if (r == 0)
		r = timeline_open(&s->timeline);
	if (r < 0)
		sites_done(s);
	return r;
}

void sites_divide(struct sites *s, unsigned dimensions)
{
	divisions_start(&s->divisions, dimensions);
	s->divided = dimensions;
}

/* Zeroes where the process put anything. */
static void wipe_direct(const struct sites *s, const struct sites_process *p)
{
	for (size_t i = 0; i < p->met_count; i++)
		p->direct[p->met[i]] = 0;
	for (uint32_t i = p->first_site; i; i = s->items[i].next)
		if (s->items[i].stack < WIRE_NODES)
			p->direct[WIRE_NODES + s->items[i].stack] = 0;
}

/* The process meets no node any more. Most meet what another one has met, and to give
 * memory back takes longer than to wipe it: every processor is told. */
static void leave_direct(struct sites *s, struct sites_process *p)
{
	if (p->crowd) {
		p->direct = s->nowhere;
		return;
	}
	if (p->direct != s->nowhere && !p->met_lost && p->met_count <= MET_MOST &&
	    s->spare_count < SITES_SPARES) {
		wipe_direct(s, p);
		s->spares[s->spare_count++] = p->direct;
	} else if (p->direct != s->nowhere) {
		munmap(p->direct, DIRECT_BYTES);
	}
	p->direct = s->nowhere;
	free(p->met);
	p->met = NULL;
	p->met_count = p->met_room = 0;
	p->met_lost = false;
}

void sites_done(struct sites *s)
{
	for (size_t i = 0; i < s->process_count; i++)
		leave_direct(s, s->processes[i]);
	while (s->spare_count)
		munmap(s->spares[--s->spare_count], DIRECT_BYTES);
	for (size_t i = 0; s->items && i < s->count; i++) {
		free(s->items[i].sizes);
		free(s->items[i].lives);
	}
	if (s->items)
		munmap(s->items, s->room * sizeof(*s->items));
	if (s->left)
		munmap(s->left, s->room * sizeof(*s->left));
	if (s->nowhere)
		munmap(s->nowhere, DIRECT_BYTES);
	free(s->changed);
	free(s->processes);
	table_done(&s->index);
	table_done(&s->distinct);
	stacks_done(&s->stacks);
	timeline_done(&s->timeline);
	history_done(&s->history);
	values_done(&s->values);
	divisions_done(&s->divisions);
	*s = (struct sites){0};
}

int sites_process_start(struct sites *s, struct sites_process *p, uint32_t serial)
{
	if (array_reserve(&s->processes, &s->process_room, s->process_count + 1) < 0)
		return -ENOMEM;
	*p = (struct sites_process){.index = (uint32_t)s->process_count,
				    .serial = serial,
				    .direct = s->nowhere};
	for (int i = 0; i < PROFILE_DOMAINS; i++)
		peak_start(&p->peak[i]);
	s->processes[s->process_count++] = p;
	return 0;
}

/* ---- finding a site ------------------------------------------------------ */

/* Of a wire node, or of a stack. */
static struct table_key key_of(const struct sites_process *p, uint32_t number,
			       enum profile_domain domain)
{
	static_assert(PROFILE_DOMAINS <= 4, "two bits");
	return (struct table_key){p->index, (uint64_t)number << 2 | (uint64_t)domain};
}

/* Nothing is copied, and nothing is touched that is not there yet. */
static bool grow(void **mapping, size_t from, size_t to, size_t size)
{
	void *more = mremap(*mapping, from * size, to * size, MREMAP_MAYMOVE);

	if (more != MAP_FAILED)
		*mapping = more;
	return more != MAP_FAILED;
}

static int items_grow(struct sites *s)
{
	size_t room = s->room * 2;
	void *left = s->left, *items = s->items;

	if (s->count < s->room)
		return 0;
	/* (A mapping that has grown alone is given back as far as `room` tells.) */
	if (room > UINT32_MAX || !grow(&left, s->room, room, sizeof(*s->left)))
		return -ENOMEM;
	s->left = left;
	if (!grow(&items, s->room, room, sizeof(*s->items)))
		return -ENOMEM;
	s->items = items;
	s->room = room;
	return 0;
}

/* Another site. There is room. */
static uint32_t add(struct sites *s, struct sites_process *p, uint32_t stack,
		    enum profile_domain domain)
{
	struct site *site = &s->items[s->count];

	site->process = p->index;
	site->stack = stack;
	site->domain = (uint8_t)domain;
	site->crowd = p->is_crowd;
	site->next = p->first_site;
	p->first_site = (uint32_t)s->count;
	p->site_count++;
	return (uint32_t)s->count++;
}

/* Where the site of a stack in the malloc domain is; NULL: in the table. */
static uint32_t *known_at(const struct sites *s, const struct sites_process *p,
			  uint32_t stack, enum profile_domain domain)
{
	bool here = domain == PROFILE_MALLOC && stack < WIRE_NODES &&
		    p->direct != s->nowhere;

	return here ? &p->direct[WIRE_NODES + stack] : NULL;
}

/* The site of a stack, or 0. */
static uint32_t look_up(const struct sites *s, const struct sites_process *p,
			uint32_t stack, enum profile_domain domain)
{
	const uint32_t *at = known_at(s, p, stack, domain);
	const uint64_t *known;

	if (at)
		return *at;
	known = table_get(&s->distinct, key_of(p, stack, domain));
	return known ? (uint32_t)*known : 0;
}

/* Has the process as many as it may have? */
static bool is_full(const struct sites *s, const struct sites_process *p)
{
	size_t left = s->count < s->most ? s->most - s->count : 0;
	size_t share = p->is_crowd ? CROWD_SHARE : SHARE;

	return left <= s->most / 2 && p->site_count >= left / share;
}

static uint32_t *new_direct(struct sites *s)
{
	return s->spare_count ? s->spares[--s->spare_count] : map(DIRECT_BYTES);
}

/* What the process meets will have a place, if there is memory for it. */
static void map_direct(struct sites *s, struct sites_process *p)
{
	uint32_t *own;

	if (p->direct != s->nowhere || p->without)
		return;
	own = new_direct(s);
	p->without = !own;
	p->direct = own ? own : s->nowhere;
}

bool sites_are_short(const struct sites *s)
{
	return s->count > s->most / SHORT_SHARE;
}

int sites_crowd_start(struct sites *s, struct sites_process *p, uint32_t serial)
{
	int r = sites_process_start(s, p, serial);

	if (r == 0)
		p->is_crowd = true;
	return r;
}

/* Its arrays, with the sites that it has. (Which nodes they are of is found again.) */
static int wake(struct sites *s, struct sites_process *crowd)
{
	uint32_t *own;

	if (crowd->direct != s->nowhere)
		return 0;
	own = new_direct(s);
	if (!own)
		return -ENOMEM;
	crowd->direct = own;
	for (uint32_t i = crowd->first_site; i; i = s->items[i].next) {
		uint32_t *at = known_at(s, crowd, s->items[i].stack,
					(enum profile_domain)s->items[i].domain);

		if (at)
			*at = i;
	}
	return 0;
}

int sites_join(struct sites *s, struct sites_process *p, struct sites_process *crowd)
{
	assert(!p->first_site && !p->crowd && crowd->is_crowd);
	if (wake(s, crowd) < 0)
		return -ENOMEM;
	p->crowd = crowd;
	p->direct = crowd->direct;
	return 0;
}

void sites_crowd_rest(struct sites *s, struct sites_process *crowd)
{
	leave_direct(s, crowd);
}

static int make(struct sites *s, struct sites_process *p, uint32_t stack,
		enum profile_domain domain, uint32_t *ret)
{
	uint64_t *known;
	uint32_t *at;

	map_direct(s, p);
	if (items_grow(s) < 0)
		return -ENOMEM;
	at = known_at(s, p, stack, domain);
	if (at) {
		*at = *ret = add(s, p, stack, domain);
		return 0;
	}
	known = table_put(&s->distinct, key_of(p, stack, domain), NULL);
	if (!known)
		return -ENOMEM;
	*known = *ret = add(s, p, stack, domain);
	return 0;
}

/* The site of a stack, made if there is none; or of what is left of the stack where the
 * process may have no more. */
static int find(struct sites *s, struct sites_process *p, uint32_t stack,
		enum profile_domain domain, uint32_t *ret)
{
	bool cut = false;

	for (;; stack = s->stacks.nodes[stack].parent) {
		*ret = look_up(s, p, stack, domain);
		if (*ret || !stack || !is_full(s, p))
			break;
		cut = true;
	}
	s->cut += cut;
	return *ret ? 0 : make(s, p, stack, domain, ret);
}

/* First sight of a wire node in a process: it may be a copy of one known already. */
static uint32_t meet(struct sites *s, struct sites_process *p, uint32_t node,
		     enum profile_domain domain)
{
	uint32_t stack, site = 0;
	int r = stacks_copy(&s->stacks, node, &stack);

	if (r == 0)
		r = find(s, p, stack, domain, &site);
	if (r == 0)
		return site;
	s->error = s->error ? s->error : r;
	return 0;
}

/* The process meets the node for the first time. */
static uint32_t take_direct(struct sites *s, struct sites_process *p, uint32_t node)
{
	uint32_t site = meet(s, p, node, PROFILE_MALLOC);

	if (p->direct == s->nowhere)
		return site;
	p->direct[node] = site;
	if (array_room(&p->met, &p->met_room, p->met_count + 1) < 0)
		p->met_lost = true;
	else
		p->met[p->met_count++] = node;
	return site;
}

uint32_t sites_find_slowly(struct sites *s, struct sites_process *of, uint32_t node,
			   enum profile_domain domain)
{
	struct sites_process *p = sites_counts(of);
	struct table_key key = key_of(p, node, domain);
	uint64_t *known;

	if (domain == PROFILE_MALLOC)
		return take_direct(s, p, node);
	known = table_get(&s->index, key);
	if (known && *known)
		return (uint32_t)*known;
	known = table_put(&s->index, key, NULL);
	if (!known)
		s->error = s->error ? s->error : -ENOMEM;
	return known ? (uint32_t)(*known = meet(s, p, node, domain)) : 0;
}

/* ---- counting ------------------------------------------------------------ */

static void fail(struct sites *s)
{
	s->error = s->error ? s->error : -ENOMEM;
}

void sites_widen(struct sites *s, struct sites_histogram **h, uint8_t class)
{
	uint8_t low = *h && (*h)->low < class ? (*h)->low : class, high = class;
	struct sites_histogram *more;

	if (*h && (*h)->low + (*h)->span - 1 > high)
		high = (uint8_t)((*h)->low + (*h)->span - 1);
	more = calloc(1, sizeof(*more) + (size_t)(high - low + 1) * sizeof(uint64_t));
	if (!more) {
		fail(s);
		return;
	}
	more->low = low;
	more->span = (uint8_t)(high - low + 1);
	if (*h)
		memcpy(&more->count[(*h)->low - low], (*h)->count,
		       (*h)->span * sizeof(uint64_t));
	free(*h);
	*h = more;
}

static void untally(struct sites_histogram *h, uint64_t amount)
{
	uint8_t at = (uint8_t)(counting_class(amount) - (h ? h->low : 0));

	if (h && at < h->span && h->count[at])
		h->count[at]--;
}

void sites_list(struct sites *s, struct site *site)
{
	if (array_reserve(&s->changed, &s->changed_room, s->changed_count + 1) < 0) {
		fail(s);
		return;
	}
	site->listed = true;
	s->changed[s->changed_count++] = (uint32_t)(site - s->items);
}

/* Of one that is counted with others, what is told apart. */
static void own_alloc(struct sites_process *p, enum profile_domain domain,
		      struct profile_amount sum)
{
	p->live[domain].blocks += sum.blocks;
	p->live[domain].bytes += sum.bytes;
}

static void own_free(struct sites_process *p, enum profile_domain domain,
		     struct profile_amount sum)
{
	p->frees[domain] += sum.blocks;
	p->live[domain].blocks -= sum.blocks;
	p->live[domain].bytes -= sum.bytes;
}

void sites_alloc(struct sites *s, struct sites_process *p, uint32_t number,
		 uint64_t size, uint32_t blocks, uint64_t ns)
{
	struct site *site = &s->items[sites_number(s, number)];
	struct profile_amount sum = counting_amount(s, site->domain, size, blocks);

	if (s->divided)
		divisions_alloc(s, p, number, size, sum);
	if (p->crowd)
		own_alloc(p, site->domain, sum);
	counting_alloc(s, sites_counts(p), site, site->domain, size, blocks, ns);
}

void sites_free(struct sites *s, struct sites_process *p, const struct sites_block *b,
		uint32_t blocks, uint32_t by, uint64_t ns)
{
	struct site *site = &s->items[sites_number(s, b->site)];
	struct profile_amount sum = counting_amount(s, site->domain, b->size, blocks);

	if (s->divided)
		divisions_free(s, p, b, by, sum);
	if (p->crowd)
		own_free(p, site->domain, sum);
	counting_free(s, sites_counts(p), site, site->domain, b, blocks, &s->items[by],
		      ns);
}

void sites_unfree(struct sites *s, struct sites_process *of,
		  const struct sites_block *b, uint32_t blocks, uint32_t by,
		  uint64_t freed_ns, uint64_t ns)
{
	struct site *site = &s->items[b->site], *here = &s->items[by];
	struct sites_process *p = sites_counts(of);
	enum profile_domain domain = site->domain;

	if (of->crowd) {
		own_alloc(of, domain, (struct profile_amount){blocks, b->size});
		of->frees[domain] -= blocks;
	}
	counting_touch(s, site);
	counting_touch(s, here);
	history_unfree(s, site, freed_ns, blocks, b->size);
	history_unfree_here(s, here, freed_ns, blocks, b->size);
	p->frees[domain] -= blocks;
	p->freed_bytes[domain] -= b->size;
	p->live[domain].blocks += blocks;
	p->live[domain].bytes += b->size;
	if (domain == PROFILE_MALLOC) {
		s->tree_live.blocks += blocks;
		s->tree_live.bytes += b->size;
	}
	counting_follow(s, p, site, domain, 0, ns);
	site->frees -= blocks;
	site->freed_bytes -= b->size;
	if (blocks)
		untally(site->lives, freed_ns > b->born_ns ? freed_ns - b->born_ns : 0);
	here->freed_here -= blocks;
	here->freed_here_bytes -= b->size;
	counting_stamp(s, p, here, domain);
}

/* It goes with its process: out of the crowd's sum, while the site counts it on. */
static void leave(struct sites *s, struct sites_process *crowd, struct site *site,
		  struct profile_amount sum, uint64_t ns)
{
	struct sites_left *left = &s->left[site - s->items];
	struct profile_amount part = sites_part(s, site);
	struct profile_amount *live = &crowd->live[site->domain];

	sites_moment(s, ns);
	counting_touch(s, site);
	live->blocks -= sum.blocks;
	live->bytes -= sum.bytes;
	peak_change(&crowd->peak[site->domain], &site->peak, part, *live, ns);
	if (site->domain == PROFILE_MALLOC) {
		s->tree_live.blocks -= sum.blocks;
		s->tree_live.bytes -= sum.bytes;
		peak_change(&s->tree_peak, &site->tree_peak, part, s->tree_live, ns);
	}
	left->gone.blocks += sum.blocks;
	left->gone.bytes += sum.bytes;
}

void sites_keep(struct sites *s, struct sites_process *p, const struct history_index *x,
		const struct sites_block *b, uint32_t blocks, uint64_t ns)
{
	uint32_t number = sites_number(s, b->site);
	struct site *site = &s->items[number];
	struct profile_amount sum = counting_amount(s, site->domain, b->size, blocks);

	if (p->crowd) {
		leave(s, p->crowd, site, sum, ns);
		history_leave(s, number, b->born_ns, sum);
	} else {
		history_keep(s, x, number, b->born_ns, sum);
	}
}

/* Right after its free, which was in the current epoch. */
void sites_temporary(struct sites *s, struct sites_process *of,
		     const struct sites_block *b)
{
	struct sites_process *p = sites_counts(of);
	struct site *site = &s->items[sites_number(s, b->site)];

	if (s->sample)
		return; /* the thread's next event is not its next recorded one */
	if (s->divided)
		divisions_temporary(s, b);
	site->temporary.blocks++;
	site->temporary.bytes += b->size;
	p->temporary.blocks++;
	p->temporary.bytes += b->size;
}

void sites_process_end(struct sites *s, struct sites_process *p, uint64_t ns)
{
	p->without = true;
	leave_direct(s, p);
	if (s->divided)
		divisions_leave(s, p);
	/* (Of one that was counted with others there are no sites.) */
	for (uint32_t i = p->first_site; i; i = s->items[i].next) {
		struct site *site = &s->items[i];
		struct profile_amount part = sites_live(site);

		if (site->gone || site->domain != PROFILE_MALLOC)
			continue;
		if (!site->listed)
			sites_list(s, site);
		s->tree_live.blocks -= part.blocks;
		s->tree_live.bytes -= part.bytes;
		peak_change(&s->tree_peak, &site->tree_peak, part, s->tree_live, ns);
		site->gone = true;
	}
	timeline_note(&s->timeline, ns, s->tree_live, 0);
}

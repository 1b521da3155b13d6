#include "cli/collect/live.h"

#include "cli/base/threads.h"
#include "cli/collect/live_near.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
	FIRST_PAGES = 8,       /* of a shard */
	FIRST_ROOM = 64 << 10, /* bytes of groups of a size */
	SPARE = 256 << 10, /* of memory that a size may have for nothing, at least */
	LARGE = 8 << 20,   /* of a table: bytes that take a millisecond to give back */
};

const uint8_t live_sizes[LIVE_SIZES + 1] = {1,	2,  3,	4,  6,	8,  10, 12,  14, 16,
					    20, 24, 28, 32, 48, 64, 96, 128, 0};

struct live_odd {
	uint64_t address1; /* + 1; 0: free */
	struct live_block block;
};

/* ---- groups -------------------------------------------------------------- */

static size_t bytes_of(int size, size_t pages)
{
	return pages * live_sizes[size] * sizeof(struct live_group);
}

/* Room for one page's more. */
static int sized_reserve(struct live_sized *z, int size)
{
	size_t first = FIRST_ROOM / bytes_of(size, 1),
	       room = z->room ? 2 * z->room : first;
	uint64_t *owner;
	void *groups;

	if (z->count < z->room)
		return 0;
	if (room * live_sizes[size] > UINT32_MAX)
		return -ENOMEM;
	owner = realloc(z->owner, room * sizeof(*owner));
	if (!owner)
		return -ENOMEM;
	z->owner = owner;
	/* What nobody has touched costs nothing. */
	groups = z->room ? mremap(z->groups, bytes_of(size, z->room),
				  bytes_of(size, room), MREMAP_MAYMOVE)
			 : mmap(NULL, bytes_of(size, room), PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (groups == MAP_FAILED)
		return -ENOMEM;
	z->groups = groups;
	z->room = room;
	return 0;
}

static void sized_done(struct live_sized *z, int size)
{
	if (z->room)
		munmap(z->groups, bytes_of(size, z->room));
	free(z->owner);
	*z = (struct live_sized){0};
}

/* Gives memory back that is of no use: what was grown in all pages alike, each of them
 * left one after the other. */
static void sized_trim(struct live_sized *z, int size)
{
	size_t spare = bytes_of(size, z->touched - z->count);
	uintptr_t from = (uintptr_t)z->groups + bytes_of(size, z->count);
	uintptr_t end = (uintptr_t)z->groups + bytes_of(size, z->touched);

	if (spare < SPARE || spare < bytes_of(size, z->count) / 8)
		return;
	from = (from + 4095) & ~(uintptr_t)4095;
	madvise((void *)from, end - from, MADV_DONTNEED);
	z->touched = z->count;
}

/* ---- pages --------------------------------------------------------------- */

struct live_page *live_page(const struct live *l, uint64_t page)
{
	uint64_t mixed = live_mix(page);
	const struct live_shard *s = &l->shard[live_shard_of(mixed)];
	uint32_t at = live_page_at(s, page, mixed);

	return at == LIVE_NOWHERE ? NULL : &s->pages[at];
}

/* Empty groups of a size for a page: their place, or -ENOMEM. */
static int64_t take_groups(struct live *l, int size, uint64_t page1)
{
	struct live_sized *z = &l->sized[size];
	size_t at = z->count * live_sizes[size];
	int r = sized_reserve(z, size);

	if (r < 0)
		return r;
	memset(z->groups + at, 0xff, bytes_of(size, 1));
	z->owner[z->count++] = page1;
	if (z->touched < z->count)
		z->touched = z->count;
	return (int64_t)at;
}

/* The page's are no more; the last one's of that size come to lie there. */
static void give_groups(struct live *l, int size, uint32_t at)
{
	struct live_sized *z = &l->sized[size];
	size_t last = --z->count, hole = at / live_sizes[size];

	if (hole != last) {
		memcpy(z->groups + at, z->groups + last * live_sizes[size],
		       bytes_of(size, 1));
		z->owner[hole] = z->owner[last];
		live_page(l, z->owner[hole] - 1)->at = at;
	}
	sized_trim(z, size);
}

/* To the first of those that are empty. */
static void copy_entry(struct live_group *to, unsigned empty,
		       const struct live_group *from, unsigned k)
{
	unsigned at = (unsigned)__builtin_ctz(empty);

	to->when[at] = from->when[k];
	to->size[at] = from->size[k];
	to->site[at] = from->site[k];
}

static unsigned place_of(const struct live_group *g, unsigned k)
{
	return (unsigned)(g->when[k] >> LIVE_BORN_BITS);
}

/* Puts an entry into groups of a size: its own or the next, which *spills tells. */
static bool place_entry(struct live_group *groups, int size,
			const struct live_group *from, unsigned k, bool *spills)
{
	unsigned count = live_sizes[size], i = live_home(count, place_of(from, k));
	unsigned empty;

	live_match(&groups[i], 0, &empty);
	if (!empty) {
		*spills = true;
		i = live_behind(count, i);
		live_match(&groups[i], 0, &empty);
	}
	if (empty)
		copy_entry(&groups[i], empty, from, k);
	return empty;
}

/* All of a page's entries. */
static bool place_all(const struct live_group *from, unsigned count,
		      struct live_group *to, int size, bool *spills)
{
	for (unsigned i = 0; i < count; i++)
		for (unsigned k = 0; k < LIVE_GROUP; k++)
			if (from[i].when[k] != LIVE_EMPTY &&
			    !place_entry(to, size, &from[i], k, spills))
				return false;
	return true;
}

/* What a new page's blocks may come to need, as it does not matter which they are. */
static int first_size(const struct live *l)
{
	size_t usual = l->used / (l->pages + 1);
	int size = 0;

	while (size + 1 < LIVE_SIZES &&
	       (size_t)live_sizes[size + 1] * LIVE_GROUP <= usual)
		size++;
	return size;
}

/* The page has more groups; how many is seen when its entries are there. */
static int widen(struct live *l, struct live_page *p)
{
	int old = p->size, size = old == LIVE_SIZES ? first_size(l) : old + 1;

	for (;; size++) {
		bool spills = false;
		int64_t at;

		assert(size < LIVE_SIZES); /* 128 groups have room for all */
		at = take_groups(l, size, p->page1);
		if (at < 0)
			return (int)at;
		if (!place_all(live_groups(l, p), live_sizes[old],
			       l->sized[size].groups + at, size, &spills)) {
			give_groups(l, size, (uint32_t)at);
			continue;
		}
		if (old != LIVE_SIZES)
			give_groups(l, old, p->at);
		p->at = (uint32_t)at;
		p->size = (uint8_t)size;
		p->spills = spills;
		return 0;
	}
}

/* A place for a page that is not there; NULL: others have all that it may have. */
static struct live_page *free_page(const struct live_shard *s, uint64_t mixed)
{
	struct live_page *p = s->pages + ((uint32_t)mixed & (s->room - 1));

	for (int i = 0; i < LIVE_PROBE; i++)
		if (!p[i].page1)
			return &p[i];
	return NULL;
}

/* Pages that have blocks; the others are left behind. */
static bool move_pages(const struct live_shard *from, struct live_shard *to)
{
	for (size_t i = 0; i < from->end; i++) {
		const struct live_page *p = &from->pages[i];
		struct live_page *place;

		if (!p->used)
			continue;
		place = free_page(to, live_mix(p->page1 - 1));
		if (!place)
			return false;
		*place = *p;
		to->used++;
	}
	return true;
}

/* Pages that have blocks; the others give their groups back. */
static uint32_t strip_pages(struct live *l, struct live_shard *s)
{
	uint32_t count = 0;

	for (size_t i = 0; i < s->end; i++) {
		struct live_page *p = &s->pages[i];

		count += p->used > 0;
		if (!p->page1 || p->used || p->size == LIVE_SIZES)
			continue;
		give_groups(l, p->size, p->at);
		p->size = LIVE_SIZES;
	}
	return count;
}

/* Room for another page where there was none. 0, -ENOMEM, or -EXFULL: pages are such
 * that more would be no help. */
static int shard_grow(struct live *l, struct live_shard *s)
{
	uint32_t count = strip_pages(l, s), room = FIRST_PAGES;

	while (room < 2 * count || (room <= s->room && count > s->used / 4 * 3))
		room *= 2;
	for (;; room *= 2) {
		struct live_shard more = {.room = room, .end = room + LIVE_PROBE};

		if (room > 16 * (count + FIRST_PAGES))
			return -EXFULL;
		if (room >= LIVE_NOWHERE / 4)
			return -ENOMEM;
		more.pages = calloc(more.end, sizeof(*more.pages));
		if (!more.pages)
			return -ENOMEM;
		if (move_pages(s, &more)) {
			l->pages -= s->used - more.used;
			free(s->pages);
			*s = more;
			return 0;
		}
		free(more.pages);
	}
}

/* The page, made if need be. 0, -ENOMEM or -EXFULL. */
static int put_page(struct live *l, uint64_t page, struct live_page **ret)
{
	uint64_t mixed = live_mix(page);
	struct live_shard *s = &l->shard[live_shard_of(mixed)];
	struct live_page *p = live_page(l, page);

	if (!p && s->used < s->room / 4 * 3)
		p = free_page(s, mixed);
	while (!p) {
		int r = shard_grow(l, s);

		if (r < 0)
			return r;
		p = free_page(s, mixed);
	}
	if (!p->page1) {
		*p = (struct live_page){.page1 = page + 1, .size = LIVE_SIZES};
		s->used++;
		l->pages++;
		l->made++;
	}
	*ret = p;
	return 0;
}

/* Both groups of a place are full: one of the second's own entries goes on to its second,
 * if there is room. */
static bool push_on(const struct live *l, const struct live_page *p, unsigned place)
{
	unsigned count = live_sizes[p->size], empty;
	unsigned i = live_behind(count, live_home(count, place));
	unsigned next = live_behind(count, i);
	struct live_group *groups = live_groups(l, p);

	live_match(&groups[next], 0, &empty);
	for (unsigned k = 0; empty && count > 2 && k < LIVE_GROUP; k++)
		if (live_home(count, place_of(&groups[i], k)) == i) {
			copy_entry(&groups[next], empty, &groups[i], k);
			groups[i].when[k] = LIVE_EMPTY;
			return true;
		}
	return false;
}

void live_open(struct live *l, uint64_t address)
{
	struct live_page *p;

	if (!live_is_odd(address))
		put_page(l, address >> LIVE_PAGE_SHIFT, &p);
}

int live_make_room(struct live *l, uint64_t address, struct live_page **ret,
		   struct live_entry *ret_room)
{
	unsigned place = live_place(address);
	struct live_page *p;
	int r = put_page(l, address >> LIVE_PAGE_SHIFT, &p);

	if (r < 0)
		return r;
	*ret = p;
	for (;;) {
		live_find(l, p, place, ret_room);
		if (ret_room->of)
			return 0;
		if (!p->spills && live_sizes[p->size] > 1)
			p->spills = true;
		else if (!p->spills || !push_on(l, p, place))
			r = widen(l, p);
		if (r < 0)
			return r;
	}
}

static int page_add(struct live *l, uint64_t address, const struct live_block *b)
{
	unsigned place = live_place(address);
	struct live_page *p = live_page(l, address >> LIVE_PAGE_SHIFT);
	struct live_entry room;
	int r;

	if (p && live_find(l, p, place, &room).of)
		return -EEXIST;
	r = live_make_room(l, address, &p, &room);
	if (r == 0)
		live_fill(l, p, room, place, b);
	return r;
}

/* Where the block is that is not in the side table; none: there is none. */
static struct live_entry seek(const struct live *l, uint64_t address,
			      struct live_page **ret)
{
	struct live_entry room;

	*ret = live_is_odd(address) ? NULL : live_page(l, address >> LIVE_PAGE_SHIFT);
	return *ret ? live_find(l, *ret, live_place(address), &room)
		    : (struct live_entry){0};
}

/* ---- the side table ------------------------------------------------------ */

static size_t side_hash(const struct live_side *t, uint64_t address)
{
	uint64_t h = address * 0x9e3779b97f4a7c15ull;

	return (size_t)(h ^ (h >> 32)) & (t->room - 1);
}

static size_t side_seek(const struct live_side *t, uint64_t address)
{
	size_t at = side_hash(t, address);

	while (t->slots[at].address1 && t->slots[at].address1 != address + 1)
		at = (at + 1) & (t->room - 1);
	return at;
}

static int side_grow(struct live_side *t)
{
	struct live_side more = {.room = t->room ? t->room * 2 : 16, .used = t->used};

	more.slots = calloc(more.room, sizeof(*more.slots));
	if (!more.slots)
		return -ENOMEM;
	for (size_t i = 0; i < t->room; i++)
		if (t->slots[i].address1)
			more.slots[side_seek(&more, t->slots[i].address1 - 1)] =
				t->slots[i];
	free(t->slots);
	*t = more;
	return 0;
}

static int side_add(struct live_side *t, uint64_t address, const struct live_block *b)
{
	int r = t->used >= t->room / 2 ? side_grow(t) : 0;

	if (r < 0)
		return r;
	t->slots[side_seek(t, address)] = (struct live_odd){address + 1, *b};
	t->used++;
	return 0;
}

static bool side_has(const struct live_side *t, uint64_t address)
{
	return t->used && t->slots[side_seek(t, address)].address1;
}

static bool side_take(struct live_side *t, uint64_t address, struct live_block *ret)
{
	size_t mask = t->room - 1, hole, at;

	if (!side_has(t, address))
		return false;
	hole = side_seek(t, address);
	*ret = t->slots[hole].block;
	for (at = (hole + 1) & mask; t->slots[at].address1; at = (at + 1) & mask) {
		size_t from = side_hash(t, t->slots[at].address1 - 1);

		if (((at - from) & mask) < ((at - hole) & mask))
			continue; /* its home lies behind the hole: it stays */
		t->slots[hole] = t->slots[at];
		hole = at;
	}
	t->slots[hole].address1 = 0;
	t->used--;
	return true;
}

/* ---- the table ----------------------------------------------------------- */

void live_done(struct live *l)
{
	for (int i = 0; i < LIVE_SIZES; i++)
		sized_done(&l->sized[i], i);
	for (int i = 0; i < LIVE_SHARDS; i++)
		free(l->shard[i].pages);
	free(l->side.slots);
	*l = (struct live){0};
}

static void *give_back(void *arg)
{
	struct live *l = arg;

	live_done(l);
	free(l);
	return NULL;
}

static bool start_giving_back(struct live *l)
{
	pthread_attr_t attr;
	pthread_t thread;
	int err = pthread_attr_init(&attr);

	if (err)
		return false;
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	err = threads_start(&thread, &attr, give_back, l);
	pthread_attr_destroy(&attr);
	return !err;
}

void live_leave(struct live *l)
{
	struct live *own = live_footprint(l) < LARGE ? NULL : malloc(sizeof(*own));

	if (own) {
		*own = *l;
		*l = (struct live){0};
	}
	if (!own)
		live_done(l);
	else if (!start_giving_back(own))
		give_back(own);
}

bool live_side_has(const struct live *l, uint64_t address)
{
	return side_has(&l->side, address);
}

bool live_has(const struct live *l, uint64_t address)
{
	struct live_page *p;

	return seek(l, address, &p).of || side_has(&l->side, address);
}

int live_add(struct live *l, uint64_t address, const struct live_block *b)
{
	struct live_page *p;
	int r = -EXFULL;

	assert(b->site);
	if (side_has(&l->side, address))
		return -EEXIST;
	if (!live_is_odd(address) && b->size <= UINT32_MAX)
		r = page_add(l, address, b);
	else if (seek(l, address, &p).of)
		r = -EEXIST;
	return r == -EXFULL ? side_add(&l->side, address, b) : r;
}

bool live_take(struct live *l, uint64_t address, struct live_block *ret)
{
	struct live_page *p;
	struct live_entry e = seek(l, address, &p);

	if (!e.of)
		return side_take(&l->side, address, ret);
	live_empty(l, p, e, ret);
	return true;
}

bool live_ignore(struct live *l, uint64_t address)
{
	struct live_page *p;
	struct live_entry e = seek(l, address, &p);

	if (e.of)
		e.of->site[e.i] |= LIVE_IGNORED;
	else if (side_has(&l->side, address))
		l->side.slots[side_seek(&l->side, address)].block.ignored = true;
	else
		return false;
	return true;
}

static void page_each(const struct live *l, const struct live_page *p,
		      void (*see)(void *context, uint64_t address,
				  const struct live_block *b),
		      void *context)
{
	struct live_group *groups = live_groups(l, p);

	for (unsigned n = 0; n < live_sizes[p->size] * LIVE_GROUP; n++) {
		struct live_entry e = {&groups[n / LIVE_GROUP], n % LIVE_GROUP};
		uint64_t when = e.of->when[e.i];
		struct live_block b;

		if (when == LIVE_EMPTY)
			continue;
		live_unpack(e, &b);
		see(context,
		    (p->page1 - 1) << LIVE_PAGE_SHIFT | when >> LIVE_BORN_BITS << 3,
		    &b);
	}
}

void live_each(const struct live *l,
	       void (*see)(void *context, uint64_t address, const struct live_block *b),
	       void *context)
{
	for (int n = 0; n < LIVE_SHARDS; n++) {
		const struct live_shard *s = &l->shard[n];

		for (size_t i = 0; i < s->end; i++)
			if (s->pages[i].used)
				page_each(l, &s->pages[i], see, context);
	}
	for (size_t at = 0; at < l->side.room; at++)
		if (l->side.slots[at].address1)
			see(context, l->side.slots[at].address1 - 1,
			    &l->side.slots[at].block);
}

size_t live_count(const struct live *l)
{
	return l->used + l->side.used;
}

size_t live_footprint(const struct live *l)
{
	size_t bytes = sizeof(*l) + l->side.room * sizeof(*l->side.slots);

	for (int i = 0; i < LIVE_SIZES; i++)
		bytes += bytes_of(i, l->sized[i].touched) +
			 l->sized[i].touched * sizeof(*l->sized[i].owner);
	for (int i = 0; i < LIVE_SHARDS; i++)
		bytes += l->shard[i].end * sizeof(*l->shard[i].pages);
	return bytes;
}

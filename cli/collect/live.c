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
	LOOKS = 4, /* at pages that may have too much, before there is more memory */
	ENOUGH = 1 << 20, /* entries that pages may have room for before that */
	LARGE = 8 << 20,  /* of a table: bytes that take a millisecond to give back */
	PIECE = 1 << 20,  /* that is given back at a time */
	MANY = 4096,	  /* pages: whose groups are worth sharing */
	BEFORE = 8, /* pages before one: which may tell how many blocks it will have */
};

const uint8_t live_sizes[LIVE_SIZES + 1] = {0,	0,  1,	2,  3,	4,  6,	8,  10, 12,
					    14, 16, 20, 24, 28, 32, 48, 64, 96, 128};

struct live_odd {
	uint64_t address1; /* + 1; 0: free */
	struct live_block block;
};

/* ---- groups -------------------------------------------------------------- */

/* Entries of a page. */
static unsigned entries_of(int size)
{
	if (size < LIVE_SHARED)
		return 1u << size;
	return live_sizes[size] * LIVE_GROUP;
}

/* Of whole groups. */
static size_t bytes_of(int size, size_t pages)
{
	size_t entries = pages * entries_of(size);

	return (entries + LIVE_GROUP - 1) / LIVE_GROUP * sizeof(struct live_group);
}

/* Room for one page's more. */
static int sized_reserve(struct live_sized *z, int size)
{
	size_t first = FIRST_ROOM / sizeof(struct live_group) * LIVE_GROUP,
	       room = z->room ? 2 * z->room : first / entries_of(size);
	uint64_t *owner;
	void *groups;

	if (z->count < z->room)
		return 0;
	if (room * entries_of(size) / LIVE_GROUP > UINT32_MAX)
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

/* To the place of a size's page of that number, among its groups. */
static void lead_to(struct live_page *p, int size, size_t number)
{
	size_t entry = number * entries_of(size);

	p->size = (uint8_t)size;
	p->at = (uint32_t)(entry / LIVE_GROUP);
	p->first = entry % LIVE_GROUP;
}

/* And back. */
static size_t number_of(const struct live_page *p)
{
	size_t first = p->size < LIVE_SHARED ? p->first : 0;

	return ((size_t)p->at * LIVE_GROUP + first) / entries_of(p->size);
}

/* Of the entries that a page has room for. */
static struct live_entry nth(const struct live *l, const struct live_page *p,
			     unsigned n)
{
	unsigned i = p->size < LIVE_SHARED ? p->first + n : n;

	return (struct live_entry){live_groups(l, p) + i / LIVE_GROUP, i % LIVE_GROUP};
}

static void copy_entry(struct live_entry to, struct live_entry from)
{
	to.of->when[to.i] = from.of->when[from.i];
	to.of->size[to.i] = from.of->size[from.i];
	to.of->site[to.i] = from.of->site[from.i];
}

/* Empty groups of a size for a page that has none. 0, or -ENOMEM. */
static int take_groups(struct live *l, int size, struct live_page *p)
{
	struct live_sized *z = &l->sized[size];
	const struct live_group *was = z->groups;
	int r = sized_reserve(z, size);

	if (r < 0)
		return r;
	l->moved += z->groups != was;
	lead_to(p, size, z->count);
	for (unsigned n = 0; size < LIVE_SHARED && n < entries_of(size); n++)
		nth(l, p, n).of->when[nth(l, p, n).i] = LIVE_EMPTY;
	if (size >= LIVE_SHARED)
		memset(live_groups(l, p), 0xff, bytes_of(size, 1));
	z->owner[z->count++] = p->page1;
	if (z->touched < z->count)
		z->touched = z->count;
	l->room += entries_of(size);
	return 0;
}

/* The page's are no more; the last one's of that size come to lie there. */
static void give_groups(struct live *l, const struct live_page *p)
{
	struct live_sized *z = &l->sized[p->size];
	size_t last = --z->count, hole = number_of(p);
	struct live_page *from;

	l->moved++;
	if (hole != last) {
		from = live_page(l, z->owner[last] - 1);
		if (p->size < LIVE_SHARED)
			for (unsigned n = 0; n < entries_of(p->size); n++)
				copy_entry(nth(l, p, n), nth(l, from, n));
		else
			memcpy(live_groups(l, p), live_groups(l, from),
			       bytes_of(p->size, 1));
		z->owner[hole] = z->owner[last];
		from->at = p->at;
		if (p->size < LIVE_SHARED)
			from->first = p->first;
	}
	l->room -= entries_of(p->size);
	sized_trim(z, p->size);
}

/* Which of a group's entries are a page's that has it: a bit each. */
static unsigned own_entries(const struct live_page *p)
{
	if (p->size < LIVE_SHARED)
		return (p->size ? 3u : 1u) << p->first;
	return (1u << LIVE_GROUP) - 1;
}

/* To the first of those that are empty. */
static void put_entry(struct live_group *to, unsigned empty, struct live_entry from)
{
	copy_entry((struct live_entry){to, (unsigned)__builtin_ctz(empty)}, from);
}

static unsigned place_of(struct live_entry e)
{
	return (unsigned)(e.of->when[e.i] >> LIVE_BORN_BITS);
}

/* Puts an entry into a page: into its own group or the next, which it notes. */
static bool place_entry(const struct live *l, struct live_page *p,
			struct live_entry from)
{
	unsigned count = live_sizes[p->size], i = live_home(count, place_of(from));
	struct live_group *groups = live_groups(l, p);
	unsigned empty;

	live_match(&groups[i], 0, &empty);
	if (count < 2)
		empty &= own_entries(p);
	if (!empty && count > 1) {
		p->spills |= live_eighth(place_of(from));
		i = live_behind(count, i);
		live_match(&groups[i], 0, &empty);
	}
	if (empty)
		put_entry(&groups[i], empty, from);
	return empty;
}

/* All of a page's entries. */
static bool place_all(const struct live *l, const struct live_page *from,
		      struct live_page *to)
{
	struct live_entry e = {live_groups(l, from), 0};
	unsigned own = own_entries(from), empty;

	for (unsigned n = (entries_of(from->size) + 3) / LIVE_GROUP; n; n--, e.of++) {
		live_match(e.of, 0, &empty);
		for (unsigned set = own & ~empty; set; set &= set - 1) {
			e.i = (unsigned)__builtin_ctz(set);
			if (!place_entry(l, to, e))
				return false;
		}
	}
	return true;
}

/* The page's entries come to lie in other groups, of at least this size but not of
 * `end`. 0, -ENOMEM, or -EXFULL: none of them has room. */
static int resize(struct live *l, struct live_page *p, int size, int end)
{
	for (; size < end; size++) {
		struct live_page other = *p;
		int r = take_groups(l, size, &other);

		if (r < 0)
			return r;
		if (!place_all(l, p, &other)) {
			give_groups(l, &other);
			continue;
		}
		if (p->size != LIVE_SIZES)
			give_groups(l, p);
		*p = other;
		return 0;
	}
	return -EXFULL;
}

/* The greatest size that so many entries fill. */
static int size_below(size_t entries)
{
	int size = 0;

	while (size + 1 < LIVE_SIZES && entries_of(size + 1) <= entries)
		size++;
	return size;
}

/* The least size, from that one on, that so many entries fit into. */
static int size_for(size_t entries, int size)
{
	while (size + 1 < LIVE_SIZES && entries_of(size) < entries)
		size++;
	return size;
}

/* How many entries the fuller one has of the last two pages before this one that have any:
 * those between may be as new as this, and of the blocks of the last one some may be to
 * come. 0: not known. */
static unsigned used_before(const struct live *l, const struct live_page *p)
{
	unsigned most = 0, seen = 0;

	for (uint64_t i = 1; i <= BEFORE && i < p->page1 && seen < 2; i++) {
		const struct live_page *before = live_page(l, p->page1 - 1 - i);

		if (!before)
			break;
		most = before->used > most ? before->used : most;
		seen += before->used > 0;
	}
	return most;
}

/* The size that a page begins with: with room for as many blocks as the one before it
 * has, or for five eighths of what is usual, which it is not known to be. One that has a
 * block of a page and more is likely to have no other. */
static int first_size(const struct live *l, const struct live_page *p, uint64_t bytes,
		      size_t usual)
{
	int size = size_below((5 * usual + 4) / 8);

	if (bytes > LIVE_PAGE_MASK)
		size = 0;
	else
		size = size_for(used_before(l, p), size);
	return l->pages < MANY && size < LIVE_SHARED ? LIVE_SHARED : size;
}

/* The size that a page without room gets: at least what is usual, once it has a group. */
static int next_size(const struct live *l, const struct live_page *p, uint64_t bytes)
{
	size_t usual = l->used / (l->pages + 1);
	int size = p->size < LIVE_SHARED ? 0 : size_below(usual);

	if (p->size == LIVE_SIZES)
		return first_size(l, p, bytes, usual);
	return size > p->size ? size : p->size + 1;
}

/* Less room for a page that has far more than it needs. Whether its groups are another's
 * by now. */
static bool shrink(struct live *l, struct live_page *p)
{
	int size = size_for(p->used + p->used / 3u, 0);

	if (!p->used) {
		give_groups(l, p);
		p->size = LIVE_SIZES;
		return true;
	}
	return size < p->size && resize(l, p, size, p->size) == 0;
}

/* Before a size's pages get more memory: may others do with less? */
static void look_for_room(struct live *l)
{
	struct live_hand *hand = &l->hand;

	if (l->room < ENOUGH)
		return;
	for (int i = 0; i < LOOKS && l->used < l->room / 2; i++) {
		const struct live_sized *z = &l->sized[hand->size];

		if (hand->at >= z->count)
			*hand = (struct live_hand){(hand->size + 1) % LIVE_SIZES, 0};
		else if (!shrink(l, live_page(l, z->owner[hand->at] - 1)))
			hand->at++;
	}
}

/* The page has more groups; how many is seen when its entries are there. */
static int widen(struct live *l, struct live_page *p, uint64_t bytes)
{
	int size = next_size(l, p, bytes), r;

	if (l->sized[size].count == l->sized[size].touched)
		look_for_room(l);
	r = resize(l, p, size, LIVE_SIZES);
	assert(r != -EXFULL); /* 128 groups have room for all */
	return r;
}

/* A place for a page that is not there; NULL: others have all that it may have. */
static struct live_page *free_page(const struct live_shard *s, uint64_t mixed)
{
	struct live_page *p = s->pages + live_first(mixed, s->room);

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
		give_groups(l, p);
		p->size = LIVE_SIZES;
	}
	return count;
}

/* Room for another page where there was none. 0, -ENOMEM, or -EXFULL: pages are such
 * that more would be no help. */
static int shard_grow(struct live *l, struct live_shard *s)
{
	uint32_t count = strip_pages(l, s), room = FIRST_PAGES;

	while (room < count + count / 3 * 2 ||
	       (room <= s->room && count > s->used / 4 * 3))
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
			l->moved += LIVE_GROWN;
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
static bool push_on(const struct live *l, struct live_page *p, unsigned place)
{
	unsigned count = live_sizes[p->size], empty;
	unsigned i = live_behind(count, live_home(count, place));
	unsigned next = live_behind(count, i);
	struct live_group *groups = live_groups(l, p);

	live_match(&groups[next], 0, &empty);
	for (unsigned k = 0; empty && count > 2 && k < LIVE_GROUP; k++) {
		struct live_entry e = {&groups[i], k};

		if (live_home(count, place_of(e)) == i) {
			put_entry(&groups[next], empty, e);
			p->spills |= live_eighth(place_of(e));
			e.of->when[k] = LIVE_EMPTY;
			return true;
		}
	}
	return false;
}

void live_open(struct live *l, uint64_t address, uint64_t size)
{
	struct live_page *p;

	if (!live_is_odd(address) && put_page(l, address >> LIVE_PAGE_SHIFT, &p) == 0 &&
	    p->size == LIVE_SIZES)
		widen(l, p, size);
}

int live_make_room(struct live *l, uint64_t address, uint64_t size,
		   struct live_page **ret, struct live_spot *ret_room)
{
	unsigned place = live_place(address);
	struct live_page *p;
	int r = put_page(l, address >> LIVE_PAGE_SHIFT, &p);

	if (r < 0)
		return r;
	*ret = p;
	for (;;) {
		*ret_room = live_find(l, p, place);
		if (ret_room->empty)
			return 0;
		if (live_sizes[p->size] > 1 && !(p->spills & live_eighth(place)))
			p->spills |= live_eighth(place);
		else if (live_sizes[p->size] < 2 || !push_on(l, p, place))
			r = widen(l, p, size);
		if (r < 0)
			return r;
	}
}

static int page_add(struct live *l, uint64_t address, const struct live_block *block)
{
	struct live_block b = *block;
	unsigned place = live_place(address);
	struct live_page *p = live_page(l, address >> LIVE_PAGE_SHIFT);
	struct live_spot spot = p ? live_find(l, p, place) : (struct live_spot){0};
	int r = 0;

	if (spot.set)
		return -EEXIST;
	if (!spot.empty)
		r = live_make_room(l, address, b.size, &p, &spot);
	b.born_ns = b.born_ns < LIVE_BORN_MOST ? b.born_ns : LIVE_BORN_MOST;
	if (r == 0)
		live_fill(l, p, live_first_of(spot.of, spot.empty), place, &b);
	return r;
}

/* Where the block is that is not in the side table; none: there is none. */
static struct live_entry seek(const struct live *l, uint64_t address,
			      struct live_page **ret)
{
	struct live_spot spot = {0};

	*ret = live_is_odd(address) ? NULL : live_page(l, address >> LIVE_PAGE_SHIFT);
	if (*ret)
		spot = live_find(l, *ret, live_place(address));
	return spot.set ? live_first_of(spot.of, spot.set) : (struct live_entry){0};
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

/* Empties the struct: no way leads there any more. */
static void forget(struct live *l)
{
	*l = (struct live){.made = l->made + 1, .moved = l->moved + LIVE_GROWN + 1};
}

void live_done(struct live *l)
{
	for (int i = 0; i < LIVE_SIZES; i++)
		sized_done(&l->sized[i], i);
	for (int i = 0; i < LIVE_SHARDS; i++)
		free(l->shard[i].pages);
	free(l->side.slots);
	forget(l);
}

/* Piece by piece: who maps memory meanwhile waits for one of them at most. */
static void sized_empty(const struct live_sized *z, int size)
{
	size_t bytes = bytes_of(size, z->touched);

	for (size_t at = 0; at < bytes; at += PIECE)
		madvise((char *)z->groups + at, bytes - at < PIECE ? bytes - at : PIECE,
			MADV_DONTNEED);
}

static void *give_back(void *arg)
{
	struct live *l = arg;

	for (int i = 0; i < LIVE_SIZES; i++)
		sized_empty(&l->sized[i], i);
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
		forget(l);
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

bool live_look(const struct live *l, uint64_t address, struct live_block *ret)
{
	struct live_page *p;
	struct live_entry e = seek(l, address, &p);

	if (e.of)
		live_unpack(e, ret);
	else if (side_has(&l->side, address))
		*ret = l->side.slots[side_seek(&l->side, address)].block;
	else
		return false;
	return true;
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

struct live_spot live_find_few(const struct live *l, const struct live_page *p,
			       unsigned place)
{
	struct live_spot spot = {0};

	if (p->size >= LIVE_SHARED)
		return spot;
	spot.of = live_groups(l, p);
	spot.set = live_match(spot.of, place, &spot.empty) & own_entries(p);
	spot.empty &= own_entries(p);
	return spot;
}

static void page_each(const struct live *l, const struct live_page *p,
		      void (*see)(void *context, uint64_t address,
				  const struct live_block *b),
		      void *context)
{
	unsigned left = p->used;

	for (unsigned n = 0; left && n < entries_of(p->size); n++) {
		struct live_entry e = nth(l, p, n);
		uint64_t when = e.of->when[e.i];
		struct live_block b;

		if (when == LIVE_EMPTY)
			continue;
		left--;
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

#include "tests/unit/unit.h"

#include "cli/collect/live_near.h"
#include "tests/unit/chance.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { ADDRESSES = 4000 };

static uint64_t random_state;

static uint64_t chance(uint64_t below)
{
	return chance_below(&random_state, below);
}

static uint64_t address_of(uint64_t i)
{
	return i % 11 == 5 ? 0x7fff00000001ull + i * 3 : 0x10 + i * i * 16;
}

struct expected {
	struct live_block block[ADDRESSES];
	size_t seen;
};

static void see(void *context, uint64_t address, const struct live_block *b)
{
	struct expected *x = context;

	for (uint64_t i = 0; i < ADDRESSES; i++)
		if (x->block[i].site && address_of(i) == address) {
			assert_int_equal(b->size, x->block[i].size);
			assert_int_equal(b->site, x->block[i].site);
			x->seen++;
			return;
		}
	fail_msg("a block that nobody added");
}

static bool add(struct live *l, uint64_t i, const struct live_way *way,
		const struct live_block *b)
{
	return (chance(2) && live_add_near(l, way, address_of(i), b)) ||
	       live_add(l, address_of(i), b) == 0;
}

static void random_step(struct live *l, struct expected *x, uint64_t now)
{
	uint64_t i = chance(ADDRESSES);
	struct live_block *b = &x->block[i], got = {0};
	struct live_way way = live_way(l, address_of(i));

	assert_int_equal(live_has(l, address_of(i)), b->site != 0);
	if (!b->site) {
		assert_false(live_take(l, address_of(i), &got));
		assert_false(live_take_near(l, &way, address_of(i), UINT64_MAX, &got));
		assert_int_equal(live_peek(l, &way, address_of(i)), 0);
		*b = (struct live_block){chance(20) ? chance(5000)
						    : UINT32_MAX + chance(9),
					 now, 1 + (uint32_t)chance(1000), false};
		assert_true(add(l, i, &way, b));
		return;
	}
	assert_false(live_lacks_near(l, &way, address_of(i)));
	assert_false(live_add_near(l, &way, address_of(i), b));
	assert_true((chance(2) &&
		     live_take_near(l, &way, address_of(i), UINT64_MAX, &got)) ||
		    live_take(l, address_of(i), &got));
	assert_int_equal(got.size, b->size);
	assert_int_equal(got.site, b->site);
	assert_true(got.born_ns == b->born_ns);
	*b = (struct live_block){0};
}

static void the_table_holds_what_was_put_in(void **state)
{
	struct expected *x = calloc(1, sizeof(*x));
	struct live l = {0};
	size_t live = 0;

	(void)state;
	random_state = 42;
	for (uint64_t i = 0, now = 0; i < 400000; i++, now += 1 + now / 20000)
		random_step(&l, x, now);
	for (int i = 0; i < ADDRESSES; i++)
		live += x->block[i].site != 0;
	assert_int_equal(live_count(&l), live);
	live_each(&l, see, x);
	assert_int_equal(x->seen, live);
	live_done(&l);
	free(x);
}

static void a_block_costs_at_most_24_bytes_at_any_size(void **state)
{
	struct live l = {0};
	uint64_t address = 0x7f0000000000ull;

	(void)state;
	random_state = 7;
	for (size_t n = 1; n <= 1500000; n++) {
		struct live_block b = {100, n, 1, false};

		address += 16 + 16 * chance(8);
		assert_int_equal(live_add(&l, address, &b), 0);
		if (n >= 100000 && n % 1000 == 0)
			assert_true(live_footprint(&l) <= 24 * n);
	}
	live_done(&l);
}

static void blocks_stay_ignored_while_the_table_grows(void **state)
{
	struct live l = {0};
	struct live_block got;

	(void)state;
	for (uint64_t i = 1; i <= 30000; i++) {
		/* Every seventh is too large for a bucket. */
		struct live_block b = {i % 7 ? i : UINT32_MAX + i, i, 9, false};

		assert_int_equal(live_add(&l, i * 16, &b), 0);
		if (i % 3 == 0)
			assert_true(live_ignore(&l, i * 16));
		assert_false(live_ignore(&l, i * 16 + 16));
	}
	for (uint64_t i = 1; i <= 30000; i++) {
		assert_true(live_take(&l, i * 16, &got));
		assert_int_equal(got.ignored, i % 3 == 0);
		assert_int_equal(got.site, 9);
		assert_false(live_ignore(&l, i * 16));
		got.ignored = false;
		assert_int_equal(live_add(&l, i * 16, &got), 0);
		assert_true(live_take(&l, i * 16, &got));
		assert_false(got.ignored);
	}
	live_done(&l);
}

static void a_table_that_was_left_is_empty_small_or_large(void **state)
{
	const struct live_block b = {.size = 8, .site = 1};

	(void)state;
	for (uint64_t n = 1; n <= 1000000; n *= 100) {
		struct live l = {0};
		bool large = n == 1000000;

		for (uint64_t i = 1; i <= n; i++)
			assert_int_equal(live_add(&l, i * 16, &b), 0);
		assert_int_equal(live_footprint(&l) > 8 << 20, large);
		live_leave(&l);
		assert_int_equal(live_count(&l), 0);
		assert_false(live_has(&l, 16));
		/* And it can be used again, whatever happens to what it had. */
		assert_int_equal(live_add(&l, 16, &b), 0);
		assert_int_equal(live_count(&l), 1);
		live_leave(&l);
	}
}

/* Addresses of pages that have one first place in shards of up to 4096, as a target may
 * choose them. */
static void colliding(uint64_t *ret, size_t n)
{
	for (uint64_t page = 1; n; page++) {
		uint64_t mixed = live_mix(page);

		if (live_shard_of(mixed) || live_first(mixed, 4096))
			continue;
		*ret++ = page << LIVE_PAGE_SHIFT | chance(256) << 4;
		n--;
	}
}

static void pages_that_want_one_place_cost_no_more(void **state)
{
	enum { N = 200 };
	uint64_t at[N];
	struct live l = {0};
	struct live_block b = {.size = 1, .site = 1};

	(void)state;
	random_state = 3;
	colliding(at, N);
	for (uint64_t i = 0; i < N; i++) {
		b.site = (uint32_t)i + 1;
		assert_int_equal(live_add(&l, at[i], &b), 0);
		assert_int_equal(live_add(&l, at[i], &b), -EEXIST);
	}
	assert_int_equal(live_count(&l), N);
	assert_true(l.side.used > 0);
	assert_true(live_footprint(&l) < 100000);
	for (uint64_t i = 0; i < N; i += 2) {
		assert_true(live_take(&l, at[i], &b));
		assert_int_equal(b.site, i + 1);
		assert_false(live_has(&l, at[i]));
		assert_true(live_has(&l, at[i + 1]));
		assert_int_equal(live_add(&l, at[i + 1], &b), -EEXIST);
	}
	assert_int_equal(live_count(&l), N / 2);
	live_done(&l);
}

/* Few pages with anything from nothing to 512 blocks, in clusters or strewn. */
static void pages_fill_and_empty(void **state)
{
	enum { PAGES = 9, PLACES = PAGES * 512 };
	uint32_t *site = calloc(PLACES, sizeof(*site));
	const uint64_t base = 0x7f1234567000ull;
	struct live l = {0};
	size_t count = 0;

	(void)state;
	random_state = 11;
	for (int step = 0; step < 600000; step++) {
		uint32_t fill = (uint32_t)step / 20000 % 2; /* or empty */
		uint64_t page = chance(PAGES),
			 wide = 1ull << (page + step / 40000) % 10;
		uint64_t i = page * 512 + chance(wide < 512 ? wide : 512);
		struct live_block b = {7, (uint64_t)step, 1 + (uint32_t)step, false};
		struct live_way way = live_way(&l, base + i * 8);
		bool put = chance(10) < 2 + 6 * fill;

		assert_int_equal(live_peek(&l, &way, base + i * 8), site[i]);
		if (put && !site[i]) {
			if (!live_add_near(&l, &way, base + i * 8, &b))
				assert_int_equal(live_add(&l, base + i * 8, &b), 0);
			site[i] = b.site;
			count++;
		} else if (!put && site[i]) {
			assert_true(
				live_take_near(&l, &way, base + i * 8, UINT64_MAX, &b));
			assert_int_equal(b.site, site[i]);
			assert_int_equal(b.born_ns, site[i] - 1);
			site[i] = 0;
			count--;
		}
		assert_int_equal(live_count(&l), count);
	}
	for (uint64_t i = 0; i < PLACES; i++)
		if (!site[i]) {
			struct live_block b = {7, i, 1 + (uint32_t)i, false};

			assert_int_equal(live_add(&l, base + i * 8, &b), 0);
		}
	assert_int_equal(live_count(&l), PLACES);
	/* Sixteen bytes each, and the last ones of other sizes. */
	assert_true(live_footprint(&l) < sizeof(l) + 2 * PLACES * 16 + 20000);
	live_done(&l);
	free(site);
}

/* A program maps memory here, then there, and leaves nothing behind. */
static void pages_that_were_left_are_forgotten(void **state)
{
	struct live l = {0};
	struct live_block b = {.size = 1, .site = 1};
	uint64_t at[64] = {0};

	(void)state;
	random_state = 5;
	for (uint64_t i = 0; i < 2000000; i++) {
		uint64_t *of = &at[chance(64)];

		if (*of)
			assert_true(live_take(&l, *of, &b));
		*of = (1 + i) * 4096 + chance(256) * 16;
		assert_int_equal(live_add(&l, *of, &b), 0);
	}
	assert_true(live_footprint(&l) < 200000);
	live_done(&l);
}

/* In an order by chance, so that all pages grow alike: what they leave is given back. */
static void what_pages_leave_is_given_back(void **state)
{
	enum { N = 600000 };
	uint32_t *order = calloc(N, sizeof(*order));
	struct live l = {0};

	(void)state;
	random_state = 9;
	for (uint32_t i = 0; i < N; i++) {
		uint32_t other = (uint32_t)chance(i + 1);

		order[i] = order[other];
		order[other] = i;
	}
	for (size_t n = 1; n <= N; n++) {
		struct live_block b = {100, n, 1, false};
		uint64_t i = order[n - 1];

		assert_int_equal(live_add(&l, 0x10000 + i * 80 - i % 3 * 16, &b), 0);
		if (n >= 100000 && n % 10000 == 0)
			assert_true(live_footprint(&l) <= 44 * n);
	}
	assert_true(live_footprint(&l) <= 24 * N);
	live_done(&l);
	free(order);
}

/* A model of pages with a few places each: the site of what is there, or 0. */
struct places {
	uint32_t *site;
	uint64_t pages, each; /* places of a page, 64 bytes apart */
	size_t live, seen;
};

static const uint64_t places_base = 0x7f1200000000ull;

static uint64_t places_address(const struct places *m, uint64_t i)
{
	return places_base + i / m->each * 4096 + i % m->each * 64;
}

static void places_see(void *context, uint64_t address, const struct live_block *b)
{
	struct places *m = context;
	uint64_t i = (address - places_base) / 4096 * m->each + address % 4096 / 64;

	assert_int_equal(m->site[i], b->site);
	assert_int_equal(b->born_ns, b->site - 1);
	m->seen++;
}

static void places_check(struct places *m, const struct live *l)
{
	m->seen = 0;
	live_each(l, places_see, m);
	assert_int_equal(m->seen, m->live);
	assert_int_equal(live_count(l), m->live);
}

/* A block comes or goes, so that it is there from then on, or not. */
static void places_step(struct places *m, struct live *l, uint64_t i, bool there,
			uint64_t size)
{
	static uint32_t site = 1;
	uint64_t address = places_address(m, i);
	struct live_way way = live_way(l, address);
	struct live_block b = {.size = size, .born_ns = site, .site = site + 1};

	assert_int_equal(live_peek(l, &way, address), m->site[i]);
	if (there == (m->site[i] != 0))
		return;
	if (there) {
		assert_true(live_add_near(l, &way, address, &b) ||
			    !live_add(l, address, &b));
		m->site[i] = b.site;
		m->live++;
		site++;
	} else {
		assert_true(live_look(l, address, &b));
		assert_int_equal(b.site, m->site[i]);
		assert_true(!b.born_ns ||
			    !live_take_near(l, &way, address, b.born_ns - 1, &b));
		assert_true(live_take_near(l, &way, address, b.born_ns, &b));
		assert_false(live_look(l, address, &b));
		assert_int_equal(b.site, m->site[i]);
		m->site[i] = 0;
		m->live--;
	}
}

static void places_start(struct places *m, uint64_t pages, uint64_t each)
{
	*m = (struct places){calloc(pages * each, 4), pages, each, 0, 0};
}

static void pages_with_a_block_or_two_share_groups(void **state)
{
	struct places m;
	struct live l = {0};
	size_t shared = 0;

	(void)state;
	random_state = 13;
	places_start(&m, 20000, 6);
	/* A wave of more and fewer blocks a page, most of them at its begin. */
	for (uint64_t step = 0; step < 750000; step++) {
		uint64_t most = 1 + step / 75000 % 5;
		uint64_t i = chance(m.pages) * m.each + chance(1 + chance(most + 1));

		places_step(&m, &l, i, chance(4) < 1 + step / 37500 % 3,
			    chance(3) ? 100 : 5000);
		if (step % 75000 == 0)
			places_check(&m, &l);
		shared += l.sized[0].count > 100 && l.sized[1].count > 100;
	}
	assert_true(shared > 50000);
	places_check(&m, &l);
	live_done(&l);
	free(m.site);
}

/* Bytes of a block, with so many on a page. */
static size_t bytes_each(uint64_t each, uint64_t pages_apart, uint64_t size)
{
	enum { N = 150000 };
	struct live l = {0};
	struct live_block b = {size, 1, 1, false};
	size_t bytes;

	for (uint64_t i = 0; i < N; i++)
		assert_int_equal(live_add(&l,
					  0x100010 + i / each * pages_apart * 4096 +
						  i % each * 1024,
					  &b),
				 0);
	assert_int_equal(l.side.used, 0);
	bytes = live_footprint(&l) / N;
	live_done(&l);
	return bytes;
}

static void blocks_alone_on_their_pages_share_lines(void **state)
{
	/* Strides at which the one or other hash would let pages meet. */
	static const uint64_t strides[] = {1,	2,    3,    16,	  144,	 256,  512,
					   610, 1024, 2584, 4096, 17711, 46368};

	(void)state;
	for (size_t i = 0; i < sizeof(strides) / sizeof(*strides); i++)
		assert_true(bytes_each(1, strides[i], 5000) <= 88);
	assert_true(bytes_each(1, 1, 100) <= 68);
	assert_true(bytes_each(2, 1, 100) <= 36);
	assert_true(bytes_each(3, 1, 100) <= 40);
}

/* They were full once; before others get memory, these have less. */
static void pages_that_lost_blocks_have_less_room(void **state)
{
	enum { FULL = 40000 * 64, MORE = 20000 * 64 };
	struct places m;
	struct live l = {0};

	(void)state;
	random_state = 17;
	places_start(&m, (FULL + MORE) / 64, 64);
	for (uint64_t i = 0; i < FULL; i++)
		places_step(&m, &l, i, true, 100);
	assert_true(l.room < FULL + FULL / 8);
	for (uint64_t i = 0; i < FULL; i++)
		if (chance(16))
			places_step(&m, &l, i, false, 0);
	for (uint64_t i = FULL; i < FULL + MORE; i++)
		places_step(&m, &l, i, true, 100);
	places_check(&m, &l);
	assert_true(l.room < 2 * m.live);
	assert_true(live_footprint(&l) < 36 * m.live);
	for (uint64_t i = 0; i < FULL + MORE; i++)
		places_step(&m, &l, i, chance(2), 100);
	places_check(&m, &l);
	live_done(&l);
	free(m.site);
}

/* What is looked at then may be as full as a page can be. */
static void pages_that_are_full_keep_their_blocks(void **state)
{
	enum { PAGES = 4096, MORE = 64, BLOCKS = 512 };
	const uint64_t base = 0x7f1234567000ull;
	struct live_block b = {.size = 7, .site = 1};
	struct live l = {0};

	(void)state;
	for (uint64_t i = 0; i < PAGES * BLOCKS; i++)
		assert_int_equal(live_add(&l, base + i * 8, &b), 0);
	for (uint64_t i = 0; i < PAGES * BLOCKS; i++)
		if (i / BLOCKS % 4)
			assert_true(live_take(&l, base + i * 8, &b));
	for (uint64_t i = PAGES * BLOCKS; i < (PAGES + MORE) * BLOCKS; i++)
		assert_int_equal(live_add(&l, base + i * 8, &b), 0);
	assert_int_equal(live_count(&l), (PAGES / 4 + MORE) * BLOCKS);
	for (uint64_t i = 0; i < PAGES * BLOCKS; i++)
		assert_int_equal(live_has(&l, base + i * 8), i / BLOCKS % 4 == 0);
	live_done(&l);
}

/* Blocks of as many pages again come while half of those that are there go, by chance. */
static void what_is_strewn_over_more_pages_costs_half_as_much_again(void **state)
{
	enum { N = 1200000 };
	uint32_t *at = calloc(2ul * N, sizeof(*at));
	struct places m;
	struct live l = {0};

	(void)state;
	random_state = 19;
	places_start(&m, 2 * N / 64, 64);
	for (uint32_t i = 0; i < 2 * N; i++)
		at[i] = i;
	for (uint32_t i = 0; i < N; i++)
		places_step(&m, &l, i, true, 100);
	for (uint32_t i = 0; i < N / 2; i++) {
		uint32_t *out = &at[chance(N)], *in = &at[N + chance(N)], was = *out;

		places_step(&m, &l, was, false, 0);
		places_step(&m, &l, *in, true, 100);
		*out = *in;
		*in = was;
		if (i % 10000 == 0)
			assert_true(live_footprint(&l) <= 53ul * N / 2);
	}
	places_check(&m, &l);
	live_done(&l);
	free(m.site);
	free(at);
}

static void a_way_leads_to_the_block(void **state)
{
	struct live l = {0};
	struct live_ahead ahead = {0};
	uint64_t n = 5000, at_once = 0, lacking = 0;
	struct live_way way;

	(void)state;
	for (uint64_t i = 0; i < n; i++) {
		struct live_block b = {.size = i, .site = (uint32_t)i + 1};
		uint64_t address = 4096 + i * 16;

		way = live_way(&l, address);
		lacking += live_lacks_near(&l, &way, address);
		if (live_add_near(&l, &way, address, &b))
			at_once++;
		else
			assert_int_equal(live_add(&l, address, &b), 0);
	}
	assert_true(at_once > n / 2 && lacking >= at_once);
	for (uint64_t i = 0; i < n; i++) {
		uint64_t address = 4096 + i * 16;
		struct live_block got;

		way = live_way_ahead(&l, address, &ahead);
		assert_int_equal(live_peek(&l, &way, address), i + 1);
		assert_true(live_take_near(&l, &way, address, UINT64_MAX, &got));
		assert_int_equal(got.size, i);
		assert_false(live_take_near(&l, &way, address, UINT64_MAX, &got));
	}
	assert_int_equal(live_count(&l), 0);
	live_done(&l);
}

static void beside_a_block_lies_none_at_an_odd_address(void **state)
{
	struct live l = {0};
	struct live_block b = {.size = 1, .site = 1}, got;
	struct live_ahead ahead = {0};
	struct live_way way;

	(void)state;
	assert_int_equal(live_add(&l, 4096, &b), 0);
	way = live_way_ahead(&l, 4096, &ahead);
	assert_non_null(way.page);
	way = live_way_ahead(&l, 4097, &ahead);
	assert_false(live_take_near(&l, &way, 4097, UINT64_MAX, &got));
	way = live_way_ahead(&l, 4096, &ahead);
	assert_true(live_take_near(&l, &way, 4096, UINT64_MAX, &got));
	live_done(&l);
}

/* Between the look and the change, which must find out. */
static void a_way_from_before_it_grew_is_no_danger(void **state)
{
	struct live l = {0};
	struct live_block b = {.size = 1, .site = 1}, got;
	uint64_t there = 64, later = 128;
	struct live_way way[2];

	(void)state;
	assert_int_equal(live_add(&l, there, &b), 0);
	way[0] = live_way(&l, there);
	way[1] = live_way(&l, later);
	for (uint64_t i = 0; i < 100000; i++)
		assert_int_equal(live_add(&l, 4096 + i * 16, &b), 0);
	assert_true(live_take_near(&l, &way[0], there, UINT64_MAX, &got));
	assert_false(live_take_near(&l, &way[0], there, UINT64_MAX, &got));
	assert_false(live_has(&l, there));
	assert_true(live_add_near(&l, &way[1], later, &b));
	assert_false(live_add_near(&l, &way[1], later, &b));
	assert_false(live_lacks_near(&l, &way[1], later));
	assert_true(live_has(&l, later));
	way[1] = live_way(&l, later);
	live_done(&l);
	assert_false(live_take_near(&l, &way[1], later, UINT64_MAX, &got));
	assert_true(live_lacks_near(&l, &way[1], later));
	live_done(&l);
}

enum { OLD_WAYS = 512, OLD_BLOCKS = 1 << 16, OLD_STEPS = 2000000 };

/* Ways are kept for any time, while pages are filled and left, in waves. */
static void old_ways_lead_to_what_is_there(void **state)
{
	static uint32_t site[OLD_BLOCKS];
	struct live l = {0};
	struct {
		struct live_way way;
		uint64_t i;
	} old[OLD_WAYS];

	(void)state;
	random_state = 23;
	memset(site, 0, sizeof(site));
	for (int k = 0; k < OLD_WAYS; k++)
		old[k].way = live_way(&l, 4096 + 16 * (old[k].i = chance(OLD_BLOCKS)));
	for (uint32_t step = 1; step < OLD_STEPS; step++) {
		size_t k = chance(OLD_WAYS);
		uint64_t i = old[k].i, address = 4096 + 16 * i;
		struct live_block b = {.size = step, .site = step}, got;
		bool fills = chance(8) < (step >> 17 & 1 ? 7 : 2);

		if (step == OLD_STEPS / 2) {
			live_done(&l);
			memset(site, 0, sizeof(site));
		}
		assert_int_equal(live_peek(&l, &old[k].way, address), site[i]);
		assert_int_equal(live_lacks_near(&l, &old[k].way, address), !site[i]);
		if (site[i] && !fills) {
			assert_true(live_take_near(&l, &old[k].way, address, UINT64_MAX,
						   &got));
			assert_int_equal(got.site, site[i]);
			site[i] = 0;
		} else if (!site[i] && fills) {
			assert_true(live_add_near(&l, &old[k].way, address, &b));
			site[i] = step;
		}
		old[k].i = (chance(4) ? i + 1 : chance(OLD_BLOCKS)) % OLD_BLOCKS;
		old[k].way = live_way(&l, 4096 + 16 * old[k].i);
	}
	live_done(&l);
}

enum { WINDOW = 128 };

/* Blocks that follow each other, of which the pages are opened a window ahead. */
static void add_ahead(struct live *l, uint64_t from, uint64_t n, uint64_t step)
{
	for (uint64_t i = 0; i < n; i++) {
		uint64_t address = from + i * step;
		const struct live_block b = {.size = step, .site = 1};
		struct live_way way;

		for (uint64_t k = i; i % WINDOW == 0 && k < i + WINDOW && k < n; k++)
			live_open(l, from + k * step, step);
		way = live_way(l, address);
		assert_true(live_add_near(l, &way, address, &b));
	}
}

static void pages_that_are_opened_ahead_have_room(void **state)
{
	struct live l = {0};
	uint64_t n = 200000, moved;

	(void)state;
	add_ahead(&l, 1 << 20, n, 112);
	moved = (uint32_t)l.moved;
	assert_in_range(moved, 0, l.pages / 20);
	live_done(&l);
}

static size_t sized_bytes(const struct live *l, int size)
{
	return l->sized[size].room * live_sizes[size] * sizeof(struct live_group);
}

/* A page of memory behind each size's groups: they can't grow where they are. */
static void hem_in(const struct live *l, void *wall[LIVE_SIZES])
{
	for (int i = LIVE_SHARED; i < LIVE_SIZES; i++) {
		char *end = (char *)l->sized[i].groups + sized_bytes(l, i);

		if (l->sized[i].room && wall[i] != end)
			wall[i] = mmap(end, 4096, PROT_NONE,
				       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
				       0);
	}
}

static void ways_find_groups_that_the_system_moved(void **state)
{
	struct live l = {0};
	void *wall[LIVE_SIZES] = {0};
	const struct live_block b = {.size = 1, .site = 7};
	uint64_t at = 1 << 20, n = 0;
	struct live_way way;

	(void)state;
	add_ahead(&l, at, 256, 16);
	for (uint64_t page = 1; page < 20000; page++) {
		const struct live_group *was;

		hem_in(&l, wall);
		way = live_way(&l, at);
		was = way.home;
		add_ahead(&l, at + page * 4096, 256, 16);
		assert_int_equal(live_peek(&l, &way, at), 1);
		n += live_way(&l, at).home != was;
	}
	assert_true(n > 0);
	assert_true(live_take(&l, at, &(struct live_block){0}));
	assert_true(live_add_near(&l, &way, at, &b));
	assert_int_equal(live_peek(&l, &way, at), 7);
	live_done(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_table_holds_what_was_put_in),
		cmocka_unit_test(pages_that_want_one_place_cost_no_more),
		cmocka_unit_test(pages_fill_and_empty),
		cmocka_unit_test(pages_that_were_left_are_forgotten),
		cmocka_unit_test(what_pages_leave_is_given_back),
		cmocka_unit_test(pages_with_a_block_or_two_share_groups),
		cmocka_unit_test(blocks_alone_on_their_pages_share_lines),
		cmocka_unit_test(pages_that_lost_blocks_have_less_room),
		cmocka_unit_test(pages_that_are_full_keep_their_blocks),
		cmocka_unit_test(
			what_is_strewn_over_more_pages_costs_half_as_much_again),
		cmocka_unit_test(a_way_leads_to_the_block),
		cmocka_unit_test(beside_a_block_lies_none_at_an_odd_address),
		cmocka_unit_test(a_way_from_before_it_grew_is_no_danger),
		cmocka_unit_test(old_ways_lead_to_what_is_there),
		cmocka_unit_test(pages_that_are_opened_ahead_have_room),
		cmocka_unit_test(ways_find_groups_that_the_system_moved),
		cmocka_unit_test(blocks_stay_ignored_while_the_table_grows),
		cmocka_unit_test(a_table_that_was_left_is_empty_small_or_large),
		cmocka_unit_test(a_block_costs_at_most_24_bytes_at_any_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

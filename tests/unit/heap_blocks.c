#include "tests/unit/heap_make.h"

#include <errno.h>

static uint32_t before(const struct heap_blocks *b, uint64_t at)
{
	uint32_t best = HEAP_NONE;

	for (uint32_t i = 0; i < b->count; i++)
		if (b->items[i].address <= at)
			best = i;
	return best;
}

/* The rules, word for word, without an index. */
static bool hit(const struct heap_blocks *b, uint64_t word, struct heap_hit *ret)
{
	uint64_t low = word & 0xffffffffffff;
	uint32_t i = before(b, low);
	uint64_t into = i == HEAP_NONE ? 0 : low - b->items[i].address;

	if (i == HEAP_NONE)
		return false;
	*ret = (struct heap_hit){i, HEAP_START, into};
	if (word != low) {
		ret->how = HEAP_TAG_HIGH;
		return !into;
	}
	if (into && into < 8 && word / 8 * 8 == b->items[i].address)
		ret->how = HEAP_TAG_LOW;
	else if (into && into < b->items[i].size)
		ret->how = HEAP_INTERIOR;
	else if (into && into == b->items[i].size)
		ret->how = HEAP_PAST_END;
	else if (into)
		return false;
	return true;
}

static void check(const struct heap_blocks *b, uint64_t word)
{
	struct heap_hit want, got;
	bool is = hit(b, word, &want);

	assert_int_equal(heap_blocks_hit(b, word, &got), is);
	if (!is)
		return;
	assert_int_equal(got.block, want.block);
	assert_int_equal(got.how, want.how);
	if (want.how != HEAP_TAG_HIGH)
		assert_int_equal(got.into, want.into);
}

/* Blocks that lie as in a heap: near each other, with gaps of all sizes. */
static void layout(struct heap_blocks *b, uint32_t n)
{
	uint64_t at = 16 * (uint64_t)(1 + make_below(1 << 20));

	for (uint32_t i = 0; i < n; i++) {
		struct heap_block x = {.address = at, .site = i};

		x.size = make_below(8) ? make_below(200) : make_below(1 << 22);
		at += (x.size + 8 + 15) / 16 * 16;
		if (!make_below(6))
			at += 16 * (uint64_t)make_below(1u << (4 + make_below(24)));
		assert_int_equal(heap_blocks_add(b, &x), 0);
	}
	for (uint32_t i = n; i > 1; i--) { /* in any order */
		uint32_t k = make_below(i);
		struct heap_block x = b->items[k];

		b->items[k] = b->items[i - 1];
		b->items[i - 1] = x;
	}
}

static void words_hit_as_the_rules_say(void **state)
{
	(void)state;
	for (int round = 0; round < 300; round++) {
		struct heap_blocks b = {0};

		layout(&b, 1 + make_below(round % 10 ? 60 : 900));
		b.sparse = make_below(2);
		assert_int_equal(heap_blocks_seal(&b), 0);
		for (uint32_t i = 1; i < b.count; i++)
			assert_true(b.items[i - 1].address < b.items[i].address);
		for (int n = 0; n < 2000; n++) {
			const struct heap_block *x =
				&b.items[make_below((uint32_t)b.count)];
			uint64_t word = x->address + make_below(40) - 20;

			if (n % 3 == 1)
				word = x->address + x->size + make_below(20) - 10;
			else if (n % 3 == 2 && x->size)
				word = x->address + make_random() % x->size;
			if (!make_below(8))
				word |= (uint64_t)(1 + make_below(65535)) << 48;
			check(&b, word);
		}
		check(&b, 0);
		check(&b, UINT64_MAX);
		check(&b, UINT64_MAX >> 16);
		heap_blocks_done(&b);
	}
}

static void many_blocks_sort(void **state)
{
	struct heap_blocks b = {0};

	(void)state;
	for (uint32_t i = 0; i < 200000; i++) {
		struct heap_block x = {.address = make_random() >> make_below(50)};

		assert_int_equal(heap_blocks_add(&b, &x), 0);
	}
	assert_int_equal(heap_blocks_seal(&b), 0);
	for (uint32_t i = 1; i < b.count; i++)
		assert_true(b.items[i - 1].address < b.items[i].address);
	for (uint32_t i = 0; i < b.count; i++)
		assert_int_equal(heap_blocks_at(&b, b.items[i].address), i);
	heap_blocks_done(&b);
}

static void equal_addresses_become_one(void **state)
{
	struct heap_blocks b = {0};

	(void)state;
	for (uint32_t i = 0; i < 100; i++)
		heap_blocks_add(&b, &(struct heap_block){.address = 64 * (i % 7) + 64});
	assert_int_equal(heap_blocks_seal(&b), 0);
	assert_int_equal(b.count, 7);
	heap_blocks_done(&b);
}

static void no_blocks_are_hit_by_nothing(void **state)
{
	struct heap_blocks b = {0};
	struct heap_hit hit;

	(void)state;
	assert_int_equal(heap_blocks_seal(&b), 0);
	assert_false(heap_blocks_hit(&b, 0, &hit));
	assert_false(heap_blocks_hit(&b, 64, &hit));
	assert_int_equal(heap_blocks_around(&b, 64), HEAP_NONE);
	heap_blocks_done(&b);
}

/* Sizes and addresses as nobody's heap has them: nothing wraps, memory is bounded. */
static void impossible_blocks_are_borne(void **state)
{
	static const uint64_t at[] = {
		0, 8, 1ull << 47, 1ull << 63, UINT64_MAX - 4, UINT64_MAX};
	struct heap_blocks b = {0};
	struct heap_hit hit;

	(void)state;
	for (size_t i = 0; i < sizeof(at) / sizeof(*at); i++)
		heap_blocks_add(&b, &(struct heap_block){at[i], UINT64_MAX, 0, 0, 0});
	assert_int_equal(heap_blocks_seal(&b), 0);
	assert_true(b.bucket_count <= 4 * b.count + 16);
	for (size_t i = 0; i < b.count; i++) {
		assert_int_equal(heap_blocks_at(&b, at[i]), i);
		assert_true(b.items[i].address + b.items[i].size >= b.items[i].address);
	}
	assert_true(heap_blocks_hit(&b, 8, &hit));
	assert_int_equal(hit.block, 1);
	heap_blocks_done(&b);
}

static void a_gap_costs_no_memory(void **state)
{
	struct heap_blocks b = {0};

	(void)state;
	for (uint64_t i = 0; i < 1000; i++)
		heap_blocks_add(&b, &(struct heap_block){.address = i << 36,
							 .size = i % 2 ? 16 : 1 << 30});
	assert_int_equal(heap_blocks_seal(&b), 0);
	assert_int_equal(b.extent_count, 1000);
	assert_true(b.bucket_count <= 8 * b.count);
	heap_blocks_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_hit_as_the_rules_say),
		cmocka_unit_test(many_blocks_sort),
		cmocka_unit_test(equal_addresses_become_one),
		cmocka_unit_test(no_blocks_are_hit_by_nothing),
		cmocka_unit_test(impossible_blocks_are_borne),
		cmocka_unit_test(a_gap_costs_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

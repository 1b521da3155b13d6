#include "tests/unit/unit.h"

#include "preload/rows.h"

#include <pthread.h>
#include <stdlib.h>

static struct cfi_row plain_row(int32_t cfa, int32_t fp)
{
	struct cfi_row c = {.ra = ARCH_RA};

	c.rules.cfa_kind = CFI_REGISTER;
	c.rules.cfa_register = ARCH_SP;
	c.rules.cfa_offset = cfa;
	c.rules.kind[ARCH_RA] = CFI_OFFSET;
	c.rules.value[ARCH_RA] = -8;
	c.rules.kind[ARCH_FP] = fp ? CFI_OFFSET : CFI_UNSPECIFIED;
	c.rules.value[ARCH_FP] = fp;
	return c;
}

static void a_packed_row_says_what_the_rules_say(void **state)
{
	(void)state;
	for (int32_t cfa = -4096; cfa < 70000; cfa += 8) {
		struct cfi_row c = plain_row(cfa, -16 - abs(cfa));
		uint64_t row;

		c.rules.cfa_register = cfa & 8 ? ARCH_SP : ARCH_FP;
		row = row_pack(&c, 4095);
		assert_int_equal(row_kind(row), cfa & 8 ? ROW_SP_ANY : ROW_FP);
		assert_int_equal(row_module(row), 4095);
		assert_int_equal(row_cfa_offset(row), cfa);
		assert_int_equal(row_fp_slot(row), -16 - abs(cfa));
	}
}

/* Whoever steps by a ROW_SP relies on it. */
static void the_simplest_rows_stay_between_rsp_and_the_cfa(void **state)
{
	(void)state;
	for (int32_t cfa = -64; cfa < 64; cfa += 8) {
		for (int32_t fp = -128; fp < 64; fp += 8) {
			struct cfi_row c = plain_row(cfa, fp);
			bool inside = cfa > 0 && fp <= 0 && cfa + fp >= 0;
			uint64_t row = row_pack(&c, 1);

			assert_int_equal(row_kind(row), inside ? ROW_SP : ROW_SP_ANY);
			c.rules.cfa_register = ARCH_FP;
			row = row_pack(&c, 1);
			assert_int_equal(row_kind(row), fp <= 0 ? ROW_FP : ROW_FULL);
		}
	}
}

/* gcc's: CFA = the word at rbp - 24, rbp is saved at rbp + `fp`. */
static void an_over_aligned_frame_has_a_row(void **state)
{
	static const unsigned char expressions[] = {3, 0x76, 0x68, 0x06, 2, 0x76, 0x78};
	struct cfi_row c = plain_row(0, 0);
	uint64_t row;

	(void)state;
	c.base = expressions;
	c.end = expressions + sizeof(expressions);
	c.rules.cfa_kind = CFI_VAL_EXPRESSION;
	c.rules.cfa_expression = 0;
	assert_int_equal(row_kind(row_pack(&c, 1)), ROW_FULL);
	c.rules.kind[ARCH_FP] = CFI_EXPRESSION;
	c.rules.value[ARCH_FP] = 4;
	row = row_pack(&c, 1);
	assert_int_equal(row_kind(row), ROW_FP_WORD);
	assert_int_equal(row_cfa_offset(row), -24);
	assert_int_equal(row_fp_slot(row), -8);
	/* Cut short, or something else: all registers are needed. */
	c.end--;
	assert_int_equal(row_kind(row_pack(&c, 1)), ROW_FULL);
	c.rules.value[ARCH_FP] = 0;
	assert_int_equal(row_kind(row_pack(&c, 1)), ROW_FULL);
}

static void what_does_not_fit_is_no_row(void **state)
{
	struct cfi_row c = {.ra = ARCH_RA};

	(void)state;
	c.rules.cfa_kind = CFI_REGISTER;
	c.rules.cfa_register = ARCH_SP;
	c.rules.kind[ARCH_RA] = CFI_OFFSET;
	c.rules.value[ARCH_RA] = -8;
	c.rules.cfa_offset = 8 << 20;
	assert_int_equal(row_kind(row_pack(&c, 1)), ROW_FULL);
	c.rules.cfa_offset = 12;
	assert_int_equal(row_kind(row_pack(&c, 1)), ROW_FULL);
	c.rules.cfa_offset = 16;
	assert_int_equal(row_kind(row_pack(&c, 1)), ROW_SP);
	c.rules.kind[ARCH_FP] = CFI_OFFSET; /* at the CFA itself: 0 means unchanged */
	assert_int_equal(row_kind(row_pack(&c, 1)), ROW_FULL);
	c.rules.value[ARCH_FP] = -(1 << 20);
	assert_int_equal(row_kind(row_pack(&c, 1)), ROW_FULL);
	c.rules.value[ARCH_FP] = -16;
	c.rules.value[ARCH_RA] = -16;
	assert_int_equal(row_kind(row_pack(&c, 1)), ROW_FULL);
	c.rules.value[ARCH_RA] = -8;
	c.signal = true;
	assert_int_equal(row_kind(row_pack(&c, 1)), ROW_FULL);
}

static uint64_t made_row(uint64_t n)
{
	return (uint64_t)ROW_SP << ROW_KIND_SHIFT | (n & 0xffff);
}

static void every_row_is_found_again(void **state)
{
	struct rows r = {0};

	(void)state;
	assert_int_equal(rows_init(&r), 0);
	for (uint64_t i = 1; i < 200000; i++)
		rows_put(&r, rows_key(1, i * 5, false), made_row(i));
	for (uint64_t i = 1; i < 200000; i++) {
		uint64_t row = rows_get(&r, rows_key(1, i * 5, false));

		assert_int_equal(row & ~(0xfffull << ROW_TAG_SHIFT), made_row(i));
		assert_int_equal(rows_get(&r, rows_key(2, i * 5, false)), 0);
		assert_int_equal(rows_get(&r, rows_key(1, i * 5, true)), 0);
	}
	rows_done(&r);
}

static void a_full_cache_forgets_only_what_is_new(void **state)
{
	struct rows r = {0};
	size_t found = 0, n = 3 << 20;

	(void)state;
	assert_int_equal(rows_init(&r), 0);
	for (uint64_t i = 1; i < n; i++)
		rows_put(&r, rows_key(1, i * 3, false), made_row(i));
	for (uint64_t i = 1; i < n; i++) {
		uint64_t row = rows_get(&r, rows_key(1, i * 3, false));

		found += row != 0;
		if (row)
			assert_int_equal(row & 0xffff, i & 0xffff);
	}
	assert_true(found > 2000000 && found < n - 1);
	rows_done(&r);
}

/* ---- two threads ----------------------------------------------------------- */

enum { SHARED = 50000 };

static struct rows shared;
static uint32_t published[SHARED]; /* plain: ordered by the rows alone */

static void *putter(void *arg)
{
	for (uint32_t i = 1; i < SHARED; i++) {
		published[i] = i;
		rows_put(&shared, rows_key(1, i * 11, false), made_row(i));
	}
	return arg;
}

static void a_row_brings_what_was_written_before_it(void **state)
{
	pthread_t t;
	uint32_t seen = 0;

	(void)state;
	assert_int_equal(rows_init(&shared), 0);
	pthread_create(&t, NULL, putter, NULL);
	for (uint32_t i = 1; i < SHARED; i++) {
		while (!rows_get(&shared, rows_key(1, i * 11, false)))
			;
		seen += published[i] == i;
	}
	pthread_join(t, NULL);
	rows_done(&shared);
	assert_int_equal(seen, SHARED - 1);
}

static _Atomic bool stop;

static void *wiper(void *arg)
{
	while (!stop)
		rows_wipe(&shared);
	return arg;
}

static void *same_putter(void *arg)
{
	for (int pass = 0; pass < 20; pass++)
		for (uint32_t i = 1; i < 3000; i++)
			rows_put(&shared, rows_key(1, i * 11, false), made_row(i));
	return arg;
}

static void wiping_never_gives_a_row_to_another_key(void **state)
{
	pthread_t wipes, puts[2];
	size_t wrong = 0;

	(void)state;
	assert_int_equal(rows_init(&shared), 0);
	pthread_create(&wipes, NULL, wiper, NULL);
	for (int i = 0; i < 2; i++)
		pthread_create(&puts[i], NULL, same_putter, NULL);
	for (int pass = 0; pass < 20; pass++) {
		for (uint32_t i = 1; i < 3000; i++) {
			uint64_t row = rows_get(&shared, rows_key(1, i * 11, false));

			wrong += row && (row & 0xffff) != (i & 0xffff);
		}
	}
	for (int i = 0; i < 2; i++)
		pthread_join(puts[i], NULL);
	stop = true;
	pthread_join(wipes, NULL);
	rows_done(&shared);
	assert_int_equal(wrong, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_packed_row_says_what_the_rules_say),
		cmocka_unit_test(the_simplest_rows_stay_between_rsp_and_the_cfa),
		cmocka_unit_test(an_over_aligned_frame_has_a_row),
		cmocka_unit_test(what_does_not_fit_is_no_row),
		cmocka_unit_test(every_row_is_found_again),
		cmocka_unit_test(a_full_cache_forgets_only_what_is_new),
		cmocka_unit_test(a_row_brings_what_was_written_before_it),
		cmocka_unit_test(wiping_never_gives_a_row_to_another_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

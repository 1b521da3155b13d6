/* Line tables of Python: each encoding as an interpreter of its own wrote it, and any
 * bytes. (The whole standard library's tables: tests/e2e/test_python_lines.py.) */
#include "tests/unit/unit.h"

#include "cli/symbol/python_lines.h"

#include <string.h>

/*
 *	1  def f(a):			6	while x:
 *	2      x = (a +			7	    x -= 1
 *	3           1)
 *	4      if x:
 *	5          return [...]		10	return None
 */
static const unsigned char table_38[] = {0, 1, 2,  1, 2, 255, 4,  2,
					 4, 1, 14, 1, 4, 1,   10, 3};
static const uint32_t lines_38[] = {2, 3, 2, 2, 4, 4, 5, 5, 5, 5,  5,
				    5, 5, 6, 6, 7, 7, 7, 7, 7, 10, 10};
static const unsigned char table_310[] = {2, 1, 2, 1, 4, 255, 4,   2, 14,
					  1, 4, 1, 8, 1, 4,   255, 4, 4};
static const uint32_t lines_310[] = {2, 3, 2, 2, 4, 4, 5, 5, 5, 5,  5, 5,
				     5, 6, 6, 7, 7, 7, 7, 6, 6, 10, 10};
static const unsigned char table_311[] = {
	128, 0,	  216, 9,   10,	 216, 9,   10,	241, 3,	  1,  10,  11,	128, 65,
	224, 7,	  8,   240, 0,	 1,   5,   30,	216, 15,  29, 136, 126, 152, 49,
	136, 126, 137, 126, 140, 126, 208, 8,	29,  216, 10, 11,  240, 0,   1,
	5,   15,  216, 8,   9,	 136, 81,  137, 6,   136, 1,  240, 3,	0,   11,
	12,  240, 0,   1,   5,	 15,  240, 8,	0,   12,  16, 136, 52};
static const uint32_t lines_311[] = {1, 2, 3, 2, 2, 2, 4, 4, 5, 5, 5, 5, 5, 5,	5, 5,
				     5, 5, 5, 5, 6, 6, 7, 7, 7, 7, 7, 6, 6, 10, 10};

static void assert_lines(uint32_t version, const unsigned char *table, size_t len,
			 const uint32_t *lines, size_t count)
{
	struct python_lines l;

	python_lines_begin(&l, version, 1, table, len);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(python_lines_at(l, 2 * i), lines[i]);
	assert_int_equal(python_lines_last(l), 10);
}

#define ASSERT_LINES(version, which)                                                   \
	assert_lines(version, table_##which, sizeof(table_##which), lines_##which,     \
		     sizeof(lines_##which) / sizeof(lines_##which[0]))

static void each_encoding_gives_its_interpreters_lines(void **state)
{
	(void)state;
	ASSERT_LINES(0x308, 38);
	ASSERT_LINES(0x309, 38);
	ASSERT_LINES(0x30a, 310);
	ASSERT_LINES(0x30b, 311);
	ASSERT_LINES(0x30d, 311);
}

static void an_instruction_may_have_no_line(void **state)
{
	/* 2 bytes without, 2 of line 6, and nothing behind. */
	static const unsigned char new[] = {0xf8, 0xe8, 2}, old[] = {2, 0x80, 2, 1};
	struct python_lines l;

	(void)state;
	python_lines_begin(&l, 0x30b, 5, new, sizeof(new));
	assert_int_equal(python_lines_at(l, 0), 0);
	assert_int_equal(python_lines_at(l, 2), 6);
	assert_int_equal(python_lines_at(l, 4), 0);
	python_lines_begin(&l, 0x30a, 5, old, sizeof(old));
	assert_int_equal(python_lines_at(l, 0), 0);
	assert_int_equal(python_lines_at(l, 2), 6);
	assert_int_equal(python_lines_at(l, 4), 0);
}

static void no_table_is_no_line_or_the_first(void **state)
{
	struct python_lines l;

	(void)state;
	python_lines_begin(&l, 0x30b, 7, NULL, 0);
	assert_int_equal(python_lines_at(l, 0), 0);
	assert_int_equal(python_lines_last(l), 0);
	python_lines_begin(&l, 0x308, 7, (const unsigned char *)"", 0);
	assert_int_equal(python_lines_at(l, 0), 7);
}

/* Runs follow each other, none of them is empty, and they end. */
static void any_bytes_are_runs_in_order(void **state)
{
	static const uint32_t versions[] = {0x308, 0x30a, 0x30b};

	(void)state;
	srand(1);
	for (int round = unit_rounds(20000); round > 0; round--) {
		size_t len = (size_t)rand() % 64, runs = 0;
		unsigned char *table = malloc(len + 1);
		uint64_t stop = 0;
		struct python_lines l;

		for (size_t i = 0; i < len; i++)
			table[i] = (unsigned char)rand();
		python_lines_begin(&l, versions[round % 3], (uint32_t)rand(), table,
				   len);
		for (; python_lines_next(&l); runs++) {
			assert_int_equal(l.start, stop);
			assert_true(l.stop > l.start);
			stop = l.stop;
		}
		assert_true(runs <= len + 1);
		free(table);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_encoding_gives_its_interpreters_lines),
		cmocka_unit_test(an_instruction_may_have_no_line),
		cmocka_unit_test(no_table_is_no_line_or_the_first),
		cmocka_unit_test(any_bytes_are_runs_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "tests/unit/unit.h"

#include "cli/collect/marks.h"
#include "tests/unit/collect_wire.h"

#include <stdlib.h>

static struct recording wire;

static void name(uint32_t number, const char *text)
{
	struct wire_name *n = wire_name(wire.base, number);

	strcpy(n->text, text);
	n->state = WIRE_NAME_READY;
}

/* However many there are: all are counted, few are kept, none is far from the next. */
static void marks_are_thinned_evenly(void **state)
{
	static const uint64_t counts[] = {1,   2,   63,	 64,   65,
					  127, 128, 129, 1000, 123457};

	(void)state;
	for (size_t c = 0; c < sizeof(counts) / sizeof(*counts); c++) {
		struct profile *p = profile_new();
		struct marks m = {0};
		uint64_t sum = 0;

		for (uint64_t i = 0; i < counts[c]; i++)
			assert_int_equal(marks_add(&m, 3, 1, 1000 + i), 0);
		assert_int_equal(marks_fill(&m, &wire, p), 0);
		assert_uint_in_range(p->mark_count, counts[c] < 32 ? counts[c] : 32,
				     MARKS_MOMENTS);
		for (size_t i = 0; i < p->mark_count; i++) {
			/* One of each time unit: a row's time is what came before. */
			assert_int_equal(p->marks[i].at_ns, 1000 + sum);
			sum += p->marks[i].marks;
			assert_uint_in_range(p->marks[i].marks, 1,
					     1 + counts[c] / (MARKS_MOMENTS / 2));
		}
		assert_int_equal(sum, counts[c]);
		marks_done(&m);
		profile_close(p);
	}
}

static void names_and_processes_are_told_apart(void **state)
{
	struct profile *p = profile_new();
	struct marks m = {0};

	(void)state;
	for (uint64_t i = 0; i < 300; i++)
		marks_add(&m, 1 + i % 2, (uint32_t)(i % 3), i);
	for (int again = 0; again < 2; again++) {
		uint64_t sums[3][3] = {0};

		assert_int_equal(marks_fill(&m, &wire, p), 0);
		for (size_t i = 0; i < p->mark_count; i++) {
			const char *text = strings_get(&p->strings, p->marks[i].name);

			sums[p->marks[i].process_serial][*text ? *text - 'a' : 2] +=
				p->marks[i].marks;
		}
		for (int k = 0; k < 3; k++)
			assert_true(sums[1][k] == 50 && sums[2][k] == 50);
	}
	marks_done(&m);
	profile_close(p);
}

static void a_target_cannot_fill_the_memory(void **state)
{
	struct marks m = {0};

	(void)state;
	for (uint32_t i = 0; i < 2 * MARKS_NAMES; i++)
		assert_int_equal(marks_add(&m, i, i % WIRE_NAMES, i), 0);
	assert_int_equal(m.count, MARKS_NAMES);
	marks_done(&m);
}

static void names_end_somewhere(void **state)
{
	char text[200];

	(void)state;
	memset(wire_name(wire.base, 5)->text, 'x', WIRE_NAME_BYTES);
	wire_name(wire.base, 5)->state = WIRE_NAME_READY;
	recording_name(&wire, 5, text, sizeof(text));
	assert_int_equal(strlen(text), WIRE_NAME_BYTES - 1);
	recording_name(&wire, 6, text, sizeof(text));
	assert_string_equal(text, "");
	recording_name(&wire, UINT32_MAX, text, sizeof(text));
	assert_string_equal(text, "");
	recording_name(&wire, 1, text, sizeof(text));
	assert_string_equal(text, "a");
}

static int set_up(void **state)
{
	(void)state;
	wire.base = wire_make(0);
	if (!wire.base)
		return -1;
	name(1, "a");
	name(2, "b");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	wire_unmake(wire.base);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(marks_are_thinned_evenly),
		cmocka_unit_test(names_and_processes_are_told_apart),
		cmocka_unit_test(a_target_cannot_fill_the_memory),
		cmocka_unit_test(names_end_somewhere),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}

#include "tests/unit/unit.h"

#include "cli/symbol/segments.h"

#include <stdlib.h>

/* The definition, address by address: the span around it that sorts last. */
static int64_t owner_by_definition(const struct span *spans, size_t count, uint64_t at)
{
	const struct span *best = NULL;

	for (size_t i = 0; i < count; i++) {
		const struct span *s = &spans[i];

		if (s->start > at || s->end <= at)
			continue;
		if (!best || s->start > best->start ||
		    (s->start == best->start &&
		     (s->depth > best->depth ||
		      (s->depth == best->depth && s->end < best->end) ||
		      (s->depth == best->depth && s->end == best->end &&
		       s->owner > best->owner))))
			best = s;
	}
	return best ? (int64_t)best->owner : -1;
}

static void the_latest_span_around_an_address_owns_it(void **state)
{
	(void)state;
	srand(1);
	for (int round = 0; round < 3000; round++) {
		struct span spans[12];
		size_t count = (size_t)rand() % 13;
		struct segments s = {0};

		for (size_t i = 0; i < count; i++)
			spans[i] = (struct span){(uint64_t)rand() % 40,
						 (uint64_t)rand() % 44, (uint32_t)i,
						 (uint32_t)rand() % 3};
		assert_int_equal(segments_build(&s, spans, count), 0);
		for (uint64_t at = 0; at < 48; at++) {
			const struct segment *found = segments_find(&s, at);
			int64_t owner = found ? (int64_t)found->owner : -1;

			assert_int_equal(owner, owner_by_definition(spans, count, at));
		}
		for (size_t i = 1; i < s.count; i++)
			assert_true(s.items[i - 1].end <= s.items[i].start);
		segments_done(&s);
	}
}

static void the_ends_of_the_address_space_are_addresses_too(void **state)
{
	struct span spans[] = {{0, UINT64_MAX, 1, 0},
			       {UINT64_MAX - 2, UINT64_MAX, 2, 0}};
	struct segments s = {0};

	(void)state;
	assert_int_equal(segments_build(&s, spans, 2), 0);
	assert_int_equal(segments_find(&s, 0)->owner, 1);
	assert_int_equal(segments_find(&s, UINT64_MAX - 1)->owner, 2);
	assert_null(segments_find(&s, UINT64_MAX));
	segments_done(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_latest_span_around_an_address_owns_it),
		cmocka_unit_test(the_ends_of_the_address_space_are_addresses_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

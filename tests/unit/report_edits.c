/*
 * report_edits.c - which line became which, against all that could have been.
 */
#include "tests/unit/unit.h"

#include "cli/report/edits.h"
#include "tests/unit/profile_make.h"

enum { ROUNDS = 2000, LINES = 9 };

static const char *const words[] = {"a", "  b", "c\t", "d"};

struct text {
	struct edits_line lines[LINES];
	size_t count;
};

static struct text random_text(struct make *m)
{
	struct text t = {.count = make_below(m, LINES)};

	for (size_t i = 0; i < t.count; i++) {
		const char *word = words[make_below(m, 4)];

		t.lines[i] = (struct edits_line){word, strlen(word)};
	}
	return t;
}

static char letter(struct edits_line l)
{
	return l.text[strspn(l.text, " \t")];
}

/* The longest common subsequence by trying every choice. */
static size_t longest(const struct text *a, size_t i, const struct text *b, size_t k)
{
	size_t most, other;

	if (i == a->count || k == b->count)
		return 0;
	if (letter(a->lines[i]) == letter(b->lines[k]))
		return 1 + longest(a, i + 1, b, k + 1);
	most = longest(a, i + 1, b, k);
	other = longest(a, i, b, k + 1);
	return most > other ? most : other;
}

static void as_many_lines_stay_as_can_in_order(void **state)
{
	struct make m = {.state = 1};

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		struct text a = random_text(&m), b = random_text(&m);
		uint32_t map[LINES];
		size_t budget = 1000, kept = 0, last = 0;

		assert_int_equal(
			edits_match(a.lines, a.count, b.lines, b.count, map, &budget),
			0);
		for (size_t k = 0; k < b.count; k++) {
			if (map[k] == EDITS_NONE)
				continue;
			assert_true(map[k] < a.count);
			assert_true(map[k] + 1 > last); /* ascending, none twice */
			last = map[k] + 1;
			kept += letter(a.lines[map[k]]) == letter(b.lines[k]);
		}
		assert_int_equal(kept, longest(&a, 0, &b, 0));
	}
}

static void edited_lines_are_paired_where_they_are_as_many(void **state)
{
	const struct edits_line a[] = {{"x", 1}, {"b", 1}, {"y", 1}},
				b[] = {{"x", 1}, {"c", 1}, {"y", 1}},
				c[] = {{"x", 1}, {"c", 1}, {"d", 1}, {"y", 1}};
	uint32_t map[4];
	size_t budget = 1000;

	(void)state;
	assert_int_equal(edits_match(a, 3, b, 3, map, &budget), 0);
	assert_int_equal(map[1], 1);
	assert_int_equal(edits_match(a, 3, c, 4, map, &budget), 0);
	assert_int_equal(map[1], EDITS_NONE);
	assert_int_equal(map[2], EDITS_NONE);
	assert_int_equal(map[3], 2);
}

static struct edits_line line(const char *text)
{
	return (struct edits_line){text, strlen(text)};
}

static void an_edited_line_is_found_beside_a_removed_one(void **state)
{
	const struct edits_line a[] = {line("{"), line("keep(make(1000));"),
				       line("keep(make(333));"), line("drop(all);"),
				       line("}")},
				b[] = {line("{"), line("\tkeep(make(1500));"),
				       line("}")},
				c[] = {line("{"), line("log(\"hello\");"), line("}")};
	uint32_t map[5];
	size_t budget = 100000;

	(void)state;
	assert_int_equal(edits_match(a, 5, b, 3, map, &budget), 0);
	assert_int_equal(map[1], 1);
	assert_int_equal(map[2], 4);
	assert_int_equal(edits_match(a, 5, c, 3, map, &budget), 0);
	assert_int_equal(map[1], EDITS_NONE); /* like none of them */
	assert_int_equal(edits_match(b, 3, a, 5, map, &budget), 0);
	assert_int_equal(map[1], 1);
	assert_int_equal(map[2], EDITS_NONE);
	assert_int_equal(map[4], 2);
	budget = 30;
	assert_int_equal(edits_match(a, 5, b, 3, map, &budget), 0);
	assert_int_equal(map[1], EDITS_NONE);
}

static void without_budget_the_ends_still_match(void **state)
{
	const struct edits_line a[] = {{"x", 1}, {"p", 1}, {"q", 1}, {"y", 1}},
				b[] = {{"x", 1},
				       {"q", 1},
				       {"r", 1},
				       {"p", 1},
				       {"y", 1}};
	uint32_t map[5];
	size_t budget = 0;

	(void)state;
	assert_int_equal(edits_match(a, 4, b, 5, map, &budget), 0);
	assert_int_equal(map[0], 0);
	assert_int_equal(map[2], EDITS_NONE);
	assert_int_equal(map[4], 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_many_lines_stay_as_can_in_order),
		cmocka_unit_test(edited_lines_are_paired_where_they_are_as_many),
		cmocka_unit_test(an_edited_line_is_found_beside_a_removed_one),
		cmocka_unit_test(without_budget_the_ends_still_match),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

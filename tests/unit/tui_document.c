#include "tests/unit/unit.h"

#include "cli/tui/document.h"

#include <stdlib.h>
#include <string.h>

enum { ROOM = 400 };

static void broken_lines_fit_and_nothing_is_lost(void **state)
{
	static const wchar_t some[] = L"ab  \u5b57=";
	struct document_cell cells[ROOM];

	(void)state;
	srand(4);
	for (int round = 0; round < 20000; round++) {
		size_t count = 1 + (size_t)rand() % ROOM, from = 0;
		size_t columns = 1 + (size_t)rand() % 90;

		for (size_t i = 0; i < count; i++) {
			cells[i].c = some[rand() % 6];
			cells[i].width = cells[i].c > 127 ? 2 : 1;
		}
		while (from < count) {
			size_t n = document_break(cells + from, count - from, columns);

			assert_uint_in_range(n, 1, count - from);
			assert_true(n == 1 ||
				    document_width(cells + from, n) <= columns);
			from += n;
		}
	}
}

static void lines_have_the_last_mark_before_them(void **state)
{
	static const uint32_t marks[] = {DOCUMENT_NONE, 7, 7, 9};
	struct document d = {0};
	FILE *out = document_begin(&d);
	regex_t regex;

	(void)state;
	fputs("heading\n", out);
	assert_int_equal(document_mark(&d, 7), 0);
	fputs("one\n\033[1mtw\033[0mo\n", out);
	assert_int_equal(document_mark(&d, 8), 0);
	assert_int_equal(document_mark(&d, 9), 0);
	fputs("three\n\033[0m", out);
	assert_int_equal(document_end(&d), 0);
	assert_int_equal(d.count, 4);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(d.lines[i].mark, marks[i]);
	assert_int_equal(regcomp(&regex, "two$", REG_NOSUB), 0);
	assert_true(document_matches(&d, 2, &regex));
	assert_false(document_matches(&d, 1, &regex));
	regfree(&regex);
	document_done(&d);
}

static void styles_are_no_characters(void **state)
{
	static const char text[] = "a\033[1;31mb\033[0m\xff";
	struct document_cell cells[8];

	(void)state;
	assert_int_equal(document_cells(text, strlen(text), cells, 8), 3);
	assert_int_equal(cells[0].style, 0);
	assert_int_equal(cells[1].style, DOCUMENT_BOLD | DOCUMENT_RED);
	assert_int_equal(cells[2].style, 0);
	assert_int_equal(cells[2].c, L'?');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(broken_lines_fit_and_nothing_is_lost),
		cmocka_unit_test(lines_have_the_last_mark_before_them),
		cmocka_unit_test(styles_are_no_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

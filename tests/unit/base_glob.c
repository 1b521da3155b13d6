#include "tests/unit/unit.h"

#include "cli/base/glob.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool match(enum glob_kind kind, const char *pattern, const char *text)
{
	struct glob g;
	bool ret;

	assert_int_equal(glob_init(&g, kind, pattern, strlen(pattern)), 0);
	ret = glob_match(&g, text);
	glob_done(&g);
	return ret;
}

/* What the words of glob.h say, by trying everything. */
static bool slow(const char *p, const char *t, bool question)
{
	if (!*p)
		return !*t;
	if (*p == '*')
		return slow(p + 1, t, question) || (*t && slow(p, t + 1, question));
	return *t && (*p == *t || (question && *p == '?')) &&
	       slow(p + 1, t + 1, question);
}

static bool slow_inside(const char *pattern, const char *text)
{
	char whole[64], body[32];
	const char *end = strchr(pattern, '$');
	bool start = *pattern == '^';

	snprintf(body, sizeof(body), "%.*s",
		 (int)(end ? end - pattern : (long)strlen(pattern)), pattern);
	snprintf(whole, sizeof(whole), "%s%s%s", start ? "" : "*", body + start,
		 end ? "" : "*");
	return slow(whole, text, false);
}

static void random_text(char *ret, size_t most, const char *letters)
{
	size_t len = (size_t)rand() % (most + 1), kinds = strlen(letters);

	for (size_t i = 0; i < len; i++)
		ret[i] = letters[(size_t)rand() % kinds];
	ret[len] = '\0';
}

static void it_agrees_with_trying_everything(void **state)
{
	int hits = 0;

	(void)state;
	srand(7);
	for (int i = 0; i < unit_rounds(300000); i++) {
		bool inside = i % 2;
		char pattern[16], text[16];
		struct glob g;
		int r;

		random_text(pattern, 8, inside ? "ab*^$?" : "ab*?");
		random_text(text, 12, "aab?^");
		r = glob_init(&g, inside ? GLOB_INSIDE : GLOB_WHOLE, pattern,
			      strlen(pattern));
		if (r == 0) {
			bool is = inside ? slow_inside(pattern, text)
					 : slow(pattern, text, true);

			hits += is;
			if (glob_match(&g, text) != is)
				fail_msg("%s %s: %d", pattern, text, is);
		}
		glob_done(&g);
	}
	assert_true(hits > 1000);
}

static void a_part_is_found_and_its_ends_can_be_fixed(void **state)
{
	(void)state;
	assert_true(match(GLOB_INSIDE, "bar", "foobarbaz"));
	assert_false(match(GLOB_INSIDE, "^bar", "foobarbaz"));
	assert_true(match(GLOB_INSIDE, "^foo*baz$", "foobarbaz"));
	assert_false(match(GLOB_INSIDE, "bar$", "foobarbaz"));
	assert_true(match(GLOB_INSIDE, "baz$", "bazbaz"));
	assert_false(match(GLOB_INSIDE, "ba?", "foobarbaz"));
}

static void what_matches_anything_or_nothing_is_refused(void **state)
{
	static const char *const inside[] = {"", "*", "**", "^*", "^", "^$"};
	struct glob g;

	(void)state;
	for (size_t i = 0; i < sizeof(inside) / sizeof(inside[0]); i++)
		assert_int_equal(
			glob_init(&g, GLOB_INSIDE, inside[i], strlen(inside[i])),
			-EINVAL);
	assert_int_equal(glob_init(&g, GLOB_WHOLE, "", 0), -EINVAL);
	assert_int_equal(glob_init(&g, GLOB_WHOLE, "**", 2), -EINVAL);
}

/* Would take longer than the world has been, if stars were tried by backtracking. */
static void many_stars_come_to_an_end(void **state)
{
	static char pattern[2001], text[100001];

	(void)state;
	for (size_t i = 0; i < 2000; i += 2)
		memcpy(pattern + i, "*a", 2);
	pattern[1999] = 'b';
	memset(text, 'a', sizeof(text) - 1);
	assert_false(match(GLOB_WHOLE, pattern, text));
	assert_false(match(GLOB_INSIDE, pattern, text));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_agrees_with_trying_everything),
		cmocka_unit_test(a_part_is_found_and_its_ends_can_be_fixed),
		cmocka_unit_test(what_matches_anything_or_nothing_is_refused),
		cmocka_unit_test(many_stars_come_to_an_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

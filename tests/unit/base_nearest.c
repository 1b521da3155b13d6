/* Words that were mistyped: against distances counted without cleverness. */
#include "cli/base/nearest.h"
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

static const char *const words[] = {"run",	"check", "report", "lines", "top",
				    "tree",	"churn", "diff",   "merge", "info",
				    "timeline", "stop",	 "ps",	   "help"};

enum { WORDS = sizeof(words) / sizeof(words[0]) };

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Edits that make b of a, straight from the definition. */
static size_t distance(const char *a, const char *b)
{
	size_t d;

	if (!*a || !*b)
		return strlen(a) + strlen(b);
	d = distance(a + 1, b + 1) + (*a != *b);
	if (*a == *b)
		return d;
	d = least(d, 1 + least(distance(a + 1, b), distance(a, b + 1)));
	if (a[1] && b[1] && *a == b[1] && a[1] == *b)
		d = least(d, 1 + distance(a + 2, b + 2));
	return d;
}

static const char *find(const char *typed)
{
	struct nearest n = nearest_to(typed);

	for (size_t i = 0; i < WORDS; i++)
		nearest_offer(&n, words[i]);
	return n.best;
}

/* One letter put in, left out, changed, or swapped with its neighbour. */
static void mistype(const char *word, char *typed)
{
	size_t len = strlen(word), at = (size_t)rand() % len;
	char letter = (char)('a' + rand() % 26);

	strcpy(typed, word);
	switch (rand() % 4) {
	case 0:
		memmove(typed + at + 1, typed + at, len - at + 1);
		typed[at] = letter;
		break;
	case 1:
		memmove(typed + at, typed + at + 1, len - at);
		break;
	case 2:
		typed[at] = letter;
		break;
	default:
		if (at + 1 < len) {
			typed[at] = word[at + 1];
			typed[at + 1] = word[at];
		}
	}
}

static void the_nearest_of_all_words_is_found(void **state)
{
	char typed[64];

	(void)state;
	srand(1);
	for (int i = 0; i < 20000; i++) {
		const char *word = words[rand() % WORDS], *found;
		size_t best = SIZE_MAX;

		mistype(word, typed);
		if (rand() % 2 && strlen(typed) > 1) {
			char once[64];

			strcpy(once, typed);
			mistype(once, typed);
		}
		found = find(typed);
		for (size_t k = 0; k < WORDS; k++) {
			size_t d = distance(typed, words[k]);

			if (*typed && !strncmp(typed, words[k], strlen(typed)))
				d = least(d, 1);
			if (d < strlen(words[k]) && d < 3)
				best = least(best, d);
		}
		if (!*typed || best == SIZE_MAX) {
			assert_null(found);
			continue;
		}
		assert_non_null(found);
		if (strncmp(typed, found, strlen(typed)) != 0)
			assert_int_equal(distance(typed, found), best);
		else
			assert_true(best <= 1);
	}
}

static void what_is_like_no_word_finds_none(void **state)
{
	static char huge[1 << 16];

	(void)state;
	memset(huge, 'r', sizeof(huge) - 1);
	assert_null(find(""));
	assert_null(find("xyzzy"));
	assert_null(find("qq"));
	assert_null(find(huge));
	assert_string_equal(find("tim"), "timeline");
	assert_string_equal(find("pr"), "ps");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_nearest_of_all_words_is_found),
		cmocka_unit_test(what_is_like_no_word_finds_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

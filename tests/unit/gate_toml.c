#include "tests/unit/unit.h"

#include "cli/gate/toml.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void refused(const char *text, size_t len, unsigned line, const char *word)
{
	struct toml t;
	char why[200] = "";
	unsigned at = 0;

	assert_int_equal(toml_parse(&t, text, len, why, sizeof(why), &at), -EINVAL);
	toml_done(&t);
	if (!strstr(why, word) || at != line)
		fail_msg("%s: line %u: %s", text, at, why);
}

static void check_refused(const char *text, unsigned line, const char *word)
{
	refused(text, strlen(text), line, word);
}

static void all_that_it_understands_is_read(void **state)
{
	static const char file[] = "# comment\r\n"
				   "name = \"a \\\"b\\\" \\\\ \\t\\u00e9\" # more\n"
				   "'any name' = 'C:\\x'\n"
				   "n=1_000_000\n"
				   "\n"
				   "[limits]\n"
				   "yes = true\nno = false\n"
				   "on = 2028-02-29\n"
				   "list = [ # of two\n  \"x\",\n  'y', # last\n]\n"
				   "none = []\n"
				   "[[rule]]\nname = \"1\"\n"
				   "  [[ rule ]]\nname = \"2\"";
	struct toml t;
	char why[200] = "";
	unsigned line;

	(void)state;
	assert_int_equal(toml_parse(&t, file, strlen(file), why, sizeof(why), &line),
			 0);
	assert_int_equal(t.count, 10);
	assert_string_equal(t.entries[0].value.text, "a \"b\" \\ \t\xc3\xa9");
	assert_int_equal(t.entries[0].line, 2);
	assert_string_equal(t.entries[1].name, "any name");
	assert_string_equal(t.entries[1].value.text, "C:\\x");
	assert_int_equal(t.entries[2].value.number, 1000000);
	assert_string_equal(t.entries[3].table, "limits");
	assert_int_equal(t.entries[3].value.number, 1);
	assert_int_equal(t.entries[4].value.number, 0);
	assert_int_equal(t.entries[5].value.kind, TOML_DATE);
	assert_int_equal(t.entries[5].value.number, 20280229);
	assert_int_equal(t.entries[6].value.count, 2);
	assert_string_equal(t.entries[6].value.strings[1], "y");
	assert_int_equal(t.entries[7].value.count, 0);
	assert_int_equal(t.entries[7].line, 14);
	assert_string_equal(t.entries[9].table, "rule");
	assert_int_equal(t.entries[9].serial, 3);
	assert_true(t.tables[2].list);
	toml_done(&t);
}

static void what_it_does_not_understand_is_told_with_its_line(void **state)
{
	(void)state;
	check_refused("a = 1\na = 2\n", 2, "line 1 already");
	check_refused("[t]\n[t]\n", 2, "[t] stands in line 1");
	check_refused("[[t]]\n[t]\n", 2, "[t] stands in line 1");
	check_refused("[[a]]\n[b]\n[[b]]\n", 3, "[b] stands in line 2");
	check_refused("a.b = 1\n", 1, "dots");
	check_refused("[a.b]\n", 1, "dots");
	check_refused("a = {b = 1}\n", 1, "inline");
	check_refused("\n\na = \"x\n", 3, "no end");
	check_refused("a = \"\"\"x\"\"\"\n", 1, "several lines");
	check_refused("a = \"\\q\"\n", 1, "escape");
	check_refused("a = \"\\", 1, "escape");
	check_refused("a = \"\\u12\"\n", 1, "four");
	check_refused("a = \"\\ud800\"\n", 1, "no such character");
	check_refused("a = \"\\u0000\"\n", 1, "no such character");
	check_refused("a = 1.5\n", 1, "does not belong");
	check_refused("a = 012\n", 1, "no value");
	check_refused("a = -1\n", 1, "no value");
	check_refused("a = 99999999999999999999\n", 1, "no value");
	check_refused("a = 2027-02-29\n", 1, "no value");
	check_refused("a = 2027-13-01\n", 1, "no value");
	check_refused("a = yes\n", 1, "no value");
	check_refused("a 1\n", 1, "=");
	check_refused("a = 1 b = 2\n", 1, "does not belong");
	check_refused("a = [1]\n", 1, "strings");
	check_refused("a = [\"x\"\n\"y\"]\n", 2, "comma");
	check_refused("a = [\"x\",\n", 2, "no end");
	check_refused("a = ['x', ", 1, "no end");
	check_refused("= 1\n", 1, "name");
	check_refused("a = 1\n\xff\n", 2, "UTF-8");
	refused("a = 'x'\n\0\n", 10, 2, "UTF-8");
}

static void its_limits_are_said(void **state)
{
	static char big[TOML_BYTES + 2];
	size_t at = 0;

	(void)state;
	memset(big, '#', sizeof(big) - 1);
	check_refused(big, 1, "larger");
	big[TOML_LINE + 100] = '\0';
	check_refused(big, 1, "a line of more");
	for (int i = 0; i <= TOML_NAMES; i++)
		at += (size_t)sprintf(big + at, "n%d=1\n", i);
	check_refused(big, TOML_NAMES + 1, "names");
	at = 0;
	for (int i = 0; i <= TOML_TABLES; i++)
		at += (size_t)sprintf(big + at, "[[n]]\n");
	check_refused(big, TOML_TABLES + 1, "tables");
}

/* Whatever the bytes: it ends, with a clause if it refuses them. */
static void any_bytes_come_to_an_end(void **state)
{
	static const char start[] = "a = \"x\\u00e9\"\n[t]\nb = [\"q\", 'r']\n[[s]]\n"
				    "c = 2027-01-31 # end\nd = 12\ne = true\n";
	static const char letters[] = "\"'\\[]=#\n\r\t ,.-_u0129az\xc3\xff{}";
	int good = 0;

	(void)state;
	srand(11);
	for (int i = 0; i < unit_rounds(100000); i++) {
		size_t len = (size_t)rand() % sizeof(start);
		char *text = malloc(len + 1), why[200] = "";
		struct toml t;
		unsigned line = 0;
		int r;

		memcpy(text, start, len);
		for (int n = rand() % 4; n && len; n--)
			text[(size_t)rand() % len] =
				letters[(size_t)rand() % (sizeof(letters) - 1)];
		r = toml_parse(&t, text, len, why, sizeof(why), &line);
		assert_true(r == 0 || (r == -EINVAL && *why && line));
		good += r == 0;
		toml_done(&t);
		free(text);
	}
	assert_true(good > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_that_it_understands_is_read),
		cmocka_unit_test(what_it_does_not_understand_is_told_with_its_line),
		cmocka_unit_test(its_limits_are_said),
		cmocka_unit_test(any_bytes_come_to_an_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

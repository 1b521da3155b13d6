#include "tests/unit/unit.h"

#include "cli/gate/gatefile.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void check(const char *text, int expected, unsigned line, const char *word)
{
	struct toml t;
	char why[200] = "";
	unsigned at = 0;
	int r = toml_parse(&t, text, strlen(text), why, sizeof(why), &at);

	assert_int_equal(r, 0);
	r = gatefile_check(&t, why, sizeof(why), &at);
	toml_done(&t);
	assert_int_equal(r, expected);
	if (r && (at != line || !strstr(why, word)))
		fail_msg("%s: line %u: %s", text, at, why);
}

static void only_what_it_knows_is_taken(void **state)
{
	(void)state;
	check("", 0, 0, "");
	check("fail-on = ['definite']\nmax-peak = 12\nmax-leaked = '4K'\n"
	      "no-known = true\n[[suppression]]\nwhatever = 1\n",
	      0, 0, "");
	check("max-peek = 1\n", -EINVAL, 1, "max-peek: no such name");
	check("\noutput = 'x'\n", -EINVAL, 2, "no such name");
	check("tries = '3'\n", -EINVAL, 1, "tries is a number");
	check("no-known = 1\n", -EINVAL, 1, "true or false");
	check("baseline = ['a']\n", -EINVAL, 1, "a file");
	check("tries = 1\n[limits]\n", -EINVAL, 2, "limits: no such table");
	check("[[supression]]\n", -EINVAL, 1, "no such table");
}

struct given {
	char text[300];
};

static int give(void *context, const char *value)
{
	struct given *g = context;

	strcat(g->text, value ? value : "(true)");
	strcat(g->text, ";");
	return strcmp(g->text, "stop;") ? 0 : -ECANCELED;
}

static void values_are_those_of_options(void **state)
{
	static const char text[] = "fail-on = ['definite', 'cycle']\n"
				   "max-peak = ['64M', 'parse_*=4M']\n"
				   "max-allocations = 1_000\n"
				   "no-known = true\n"
				   "fail-unused-suppressions = false\n"
				   "baseline = 'b'\n"
				   "suppressions = ['stop', 'c']\n";
	static const char *const expected[] = {"definite,cycle;",
					       "64M;parse_*=4M;",
					       "1000;",
					       "(true);",
					       "",
					       "b;",
					       "stop;"};
	struct toml t;
	char why[200];
	unsigned line;

	(void)state;
	assert_int_equal(toml_parse(&t, text, strlen(text), why, sizeof(why), &line),
			 0);
	assert_int_equal(t.count, 7);
	for (size_t i = 0; i < t.count; i++) {
		struct given g = {""};

		assert_int_equal(gatefile_values(&t.entries[i], give, &g),
				 i == 6 ? -ECANCELED : 0);
		assert_string_equal(g.text, expected[i]);
		assert_int_equal(gatefile_is_path(t.entries[i].name), i > 4);
	}
	toml_done(&t);
}

static void errors_name_file_and_line(void **state)
{
	char path[] = "/tmp/heapline-gate-XXXXXX", why[300] = "", expected[100];
	int fd = mkstemp(path);
	struct toml t;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "tries = 1\ntires = 2\n", 20), 20);
	close(fd);
	assert_int_equal(gatefile_read(&t, path, why, sizeof(why)), -EINVAL);
	snprintf(expected, sizeof(expected), "%s:2: tires: no such name", path);
	assert_memory_equal(why, expected, strlen(expected));
	toml_done(&t);
	unlink(path);
	assert_int_equal(gatefile_read(&t, path, why, sizeof(why)), -ENOENT);
	toml_done(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_what_it_knows_is_taken),
		cmocka_unit_test(values_are_those_of_options),
		cmocka_unit_test(errors_name_file_and_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

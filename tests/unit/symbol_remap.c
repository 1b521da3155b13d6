#include "tests/unit/unit.h"

#include "cli/symbol/remap.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void assert_maps(const char *rule, const char *path, const char *expected)
{
	struct remap r = {0};
	char got[PATH_MAX_BYTES] = "";

	assert_int_equal(remap_add(&r, rule), 0);
	assert_int_equal(remap_apply(&r, 0, path, got), strlen(expected));
	assert_string_equal(got, expected);
	assert_int_equal(remap_applies(&r, path), *expected != '\0');
	remap_done(&r);
}

static void whole_components_are_replaced(void **state)
{
	(void)state;
	assert_maps("/ci=/usr/me", "/ci/a.c", "/usr/me/a.c");
	assert_maps("/ci/=/usr/me", "/ci/a.c", "/usr/me/a.c");
	assert_maps("/ci//=/usr/me", "/ci/x/a.c", "/usr/me/x/a.c");
	assert_maps("/ci=/usr/me", "/ci", "/usr/me");
	assert_maps("/ci=/usr/me", "/cider/a.c", "");
	assert_maps("/ci=/usr/me", "/c", "");
	assert_maps("/ci=/usr/me", "ci/a.c", "");
	assert_maps("/ci=src", "/ci/a.c", "src/a.c");
	assert_maps("/ci/a.c=/other.c", "/ci/a.c", "/other.c");
	assert_maps("/=/opt", "/ci/a.c", "/opt/ci/a.c");
	assert_maps("/=/opt", "a.c", "");
	assert_maps("src=/opt", "src/a.c", "/opt/a.c");
	assert_maps("a=b=c", "a/x", "b=c/x");
}

static void a_dot_stands_for_relative_paths(void **state)
{
	(void)state;
	assert_maps(".=/opt", "a.c", "/opt/a.c");
	assert_maps(".=/opt", "./a.c", "/opt/a.c");
	assert_maps("./=/opt", "x/../a.c", "/opt/x/../a.c");
	assert_maps(".=/opt", "/a.c", "");
	assert_maps(".=/opt", ".hidden/a.c", "/opt/.hidden/a.c");
}

static void what_is_no_rule_is_refused(void **state)
{
	static const char *const wrong[] = {"", "=", "/a", "/a=", "=/b"};
	struct remap r = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		assert_int_equal(remap_add(&r, wrong[i]), -EINVAL);
	assert_int_equal(r.count, 0);
	assert_int_equal(remap_add_lines(&r, "/a=/b\n/c=/d\n"), 0);
	assert_int_equal(r.count, 2);
	assert_string_equal(r.rules[1].to, "/d");
	assert_int_equal(remap_add_lines(&r, "/e=/f\nx\n"), -EINVAL);
	remap_done(&r);
}

/* Against a slow definition, component by component. */
static bool begins_with(const char *path, const char *from)
{
	char a[256], b[256], *p = a, *f = b, *x, *y;

	if ((*path == '/') != (*from == '/'))
		return false;
	strcpy(a, path);
	strcpy(b, from);
	for (;;) {
		y = strsep(&f, "/");
		if (!y || (!f && !*y))
			return true;
		x = strsep(&p, "/");
		if (!x || strcmp(x, y) != 0)
			return false;
	}
}

static void rules_apply_by_components(void **state)
{
	static const char letters[] = "ab/a";
	size_t applied = 0;

	(void)state;
	srand(5);
	for (int i = 0; i < 200000; i++) {
		char from[8] = "", path[12] = "", rule[32], got[PATH_MAX_BYTES];
		struct remap r = {0};
		size_t n = 1 + (size_t)rand() % 5, m = 1 + (size_t)rand() % 10;

		for (size_t k = 0; k < n; k++)
			from[k] = letters[rand() % 4];
		for (size_t k = 0; k < m; k++)
			path[k] = letters[rand() % 4];
		if (strstr(from, "//") || strstr(path, "//"))
			continue; /* paths are normalised */
		snprintf(rule, sizeof(rule), "%s=T", from);
		assert_int_equal(remap_add(&r, rule), 0);
		assert_int_equal(remap_apply(&r, 0, path, got) > 0,
				 begins_with(path, from));
		if (remap_applies(&r, path)) {
			applied++;
			assert_int_equal(got[0], 'T');
			assert_true(got[1] == '\0' || got[1] == '/');
		}
		remap_done(&r);
	}
	assert_true(applied > 5000);
}

static void what_does_not_fit_does_not_apply(void **state)
{
	struct remap r = {0};
	char rule[PATH_MAX_BYTES + 8], got[PATH_MAX_BYTES];

	(void)state;
	memset(rule, 'x', sizeof(rule));
	memcpy(rule, "/a=", 3);
	rule[sizeof(rule) - 1] = '\0';
	assert_int_equal(remap_add(&r, rule), 0);
	assert_int_equal(remap_apply(&r, 0, "/a/b", got), 0);
	remap_done(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_components_are_replaced),
		cmocka_unit_test(a_dot_stands_for_relative_paths),
		cmocka_unit_test(what_is_no_rule_is_refused),
		cmocka_unit_test(rules_apply_by_components),
		cmocka_unit_test(what_does_not_fit_does_not_apply),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

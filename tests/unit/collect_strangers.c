/* The list of what could not be followed, and its way into a profile. */
#include "tests/unit/unit.h"

#include "cli/collect/strangers.h"

#include <stdlib.h>
#include <string.h>

static void add(struct strangers *s, pid_t pid, const char *program, enum wire_exec why)
{
	strangers_add(s, &(struct stranger){
				 .pid = pid, .program = strdup(program), .why = why});
}

/* The profile lists these, as "pid program" each, and nothing else. */
static void assert_lists(struct strangers *s, struct profile *p,
			 const char *const *expected)
{
	size_t n = 0;

	assert_int_equal(strangers_fill(s, p), 0);
	for (; expected[n]; n++) {
		const struct profile_unfollowed *u = &p->unfolloweds[n];

		assert_true(n < p->unfollowed_count);
		assert_int_equal(u->pid, atoi(expected[n]));
		assert_string_equal(strings_get(&p->strings, u->program),
				    strchr(expected[n], ' ') + 1);
	}
	assert_int_equal(p->unfollowed_count, n);
}

static void one_that_comes_after_all_is_listed_no_more(void **state)
{
	struct strangers s = {0};
	struct profile *p = profile_new();

	(void)state;
	assert_non_null(p);
	add(&s, 10, "/bin/a", WIRE_EXEC_EXPECTED); /* never came: another had its pid */
	add(&s, 11, "/bin/b", WIRE_EXEC_EXPECTED);
	add(&s, 10, "/bin/c", WIRE_EXEC_EXPECTED);
	add(&s, 10, "/bin/d", WIRE_EXEC_STATIC);
	assert_lists(&s, p,
		     (const char *[]){"10 /bin/a", "11 /bin/b", "10 /bin/c",
				      "10 /bin/d", NULL});
	strangers_withdraw(&s, 10);
	assert_lists(&s, p,
		     (const char *[]){"10 /bin/a", "11 /bin/b", "10 /bin/d", NULL});
	strangers_withdraw(&s, 12);
	strangers_withdraw(&s, 11);
	add(&s, 13, "/bin/e", WIRE_EXEC_EXPECTED);
	assert_lists(&s, p,
		     (const char *[]){"10 /bin/a", "10 /bin/d", "13 /bin/e", NULL});
	strangers_withdraw(&s, 13);
	strangers_withdraw(&s, 10);
	strangers_withdraw(&s, 10);
	assert_lists(&s, p, (const char *[]){"10 /bin/d", NULL});
	strangers_done(&s);
	profile_close(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_that_comes_after_all_is_listed_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "tests/unit/unit.h"

#include "cli/report/findings.h"
#include "cli/report/fingerprint.h"
#include "cli/report/recursion.h"
#include "tests/unit/report_build.h"

#include <malloc.h>

enum {
	LETTERS = 6,
	LONGEST = 24,
	LONG = 20, /* of a cycle */
};

struct made {
	struct profile *p;
	uint32_t module;
	uint32_t codes[128]; /* by letter: of a function; upper case: another line */
};

/* Functions a .. z, each called at one place; A .. Z are the same functions at another
 * line. */
static struct made make(void)
{
	struct made m = {.p = report_profile()};

	report_process(m.p, 1, 100, "demo")->end = PROFILE_EXITED;
	m.module = report_module(m.p, "/src/u/demo");
	for (int c = 'a'; c <= 'z'; c++)
		for (int upper = 0; upper < 2; upper++) {
			char name[] = {(char)c, '\0'};
			uint32_t line = (uint32_t)(c - 'a') * 10 + (upper ? 5 : 0);

			m.codes[upper ? c - 32 : c] = report_code(m.p);
			report_frame(m.p, name, "/src/u/demo.c", 1000 + line, 1, 9999);
		}
	return m;
}

/* The stack of calls, the outermost first. */
static uint32_t stack(struct made *m, const char *calls)
{
	uint32_t node = 0;

	for (; *calls; calls++) {
		node = report_node(m->p, node, m->module, m->codes[(int)*calls]);
		m->p->stacks[node].pc = 0x1000 + (uint64_t)*calls;
	}
	return node;
}

static bool same(struct made *m, const char *one, const char *other)
{
	uint32_t a = stack(m, one), b = stack(m, other);
	struct recursion *r = recursion_open(m->p);
	uint32_t x = recursion_group(r, a), y = recursion_group(r, b);

	assert_true(x && y);
	assert_int_equal(recursion_group(r, a), x);
	recursion_close(r);
	return x == y;
}

static void depths_of_a_recursion_are_the_same(void **state)
{
	struct made m = make();

	(void)state;
	assert_true(same(&m, "xay", "xaay"));
	assert_true(same(&m, "xabcy", "xabcabcabcy"));
	assert_true(same(&m, "xy", "xyY") == false); /* the inner line is another */
	assert_true(same(&m, "xY", "xyY"));
	assert_true(same(&m, "xabABy", "xABy"));
	profile_close(m.p);
}

static void other_calls_are_not_the_same(void **state)
{
	struct made m = make();

	(void)state;
	assert_false(same(&m, "xay", "xby"));
	assert_false(same(&m, "xay", "xaby"));
	assert_false(same(&m, "xay", "ay"));
	assert_false(same(&m, "xay", "xaY"));
	assert_false(same(&m, "xay", "xAy"));
	assert_false(same(&m, "xabay", "xay"));
	assert_false(same(&m, "xaby", "xbay"));
	assert_false(same(&m, "", "a"));
	profile_close(m.p);
}

/* As deep as a made-up file may have it, and each node has allocated. */
static void deep_stacks_take_no_longer_than_their_nodes(void **state)
{
	enum { NODES = 100000 };

	(void)state;
	for (int kinds = 1; kinds < 26; kinds += 24) {
		struct made m = make();
		struct make random = {.state = 4};
		struct recursion *r;
		uint32_t node = 0, last = 0, groups = 0;

		for (uint32_t i = 0; i < NODES; i++) {
			uint32_t code = 'a' + make_below(&random, (uint64_t)kinds);

			node = report_node(m.p, node, m.module, m.codes[code]);
			m.p->stacks[node].pc = 0x1000 + code;
		}
		r = recursion_open(m.p);
		assert_non_null(r);
		for (uint32_t i = NODES; i; i--) {
			uint32_t group = recursion_group(r, i);

			groups += group > last;
			last = group > last ? group : last;
		}
		if (kinds == 1) /* those that are not too deep are one */
			assert_int_equal(groups, NODES - RECURSION_DEPTH + 1);
		else
			assert_uint_in_range(groups, NODES / 2, NODES);
		recursion_close(r);
		profile_close(m.p);
	}
}

/* A node of a few bytes may stand for thousands of frames, if codes overlap. */
static void overlapping_frames_cost_no_more_than_the_nodes(void **state)
{
	enum { NODES = 20000, FRAMES = 2000 };
	struct made m = make();
	uint32_t code = report_code(m.p), node = 0;
	struct recursion *r;
	size_t before, after;

	(void)state;
	for (uint32_t i = 0; i < FRAMES; i++)
		report_frame(m.p, i % 2 ? "f" : "g", "x.c", i, 0, 0);
	for (uint32_t i = 0; i < NODES; i++)
		node = report_node(m.p, i % 9 ? node : 0, m.module, code);
	before = mallinfo2().uordblks + mallinfo2().hblkhd;
	r = recursion_open(m.p);
	after = mallinfo2().uordblks + mallinfo2().hblkhd;
	assert_non_null(r);
	assert_uint_in_range(after - before, 0, (size_t)NODES * 2000);
	assert_int_not_equal(recursion_group(r, node), 0);
	recursion_close(r);
	profile_close(m.p);
}

static void repeat(char *to, const char *what, uint32_t times)
{
	while (times--)
		strcat(to, what);
}

/* Of more than four functions from twelve frames on: fingerprints tell those. */
static void any_cycle_is_the_same_in_all_depths(void **state)
{
	struct make random = {.state = 1};

	(void)state;
	for (int round = 0; round < unit_rounds(300); round++) {
		struct made m = make();
		char cycle[LONG + 1] = "", one[512] = "x", two[512] = "x";
		uint32_t period = 1 + make_below(&random, LONG), least = 1;

		for (uint32_t i = 0; i < period; i++)
			cycle[i] = (char)('a' + i);
		if (period > 4)
			least = (FINGERPRINT_FRAMES + period - 1) / period;
		repeat(one, cycle, least + make_below(&random, 12));
		repeat(two, cycle, least + make_below(&random, 12));
		strcat(one, "zy");
		strcat(two, "zy");
		if (!same(&m, one, two))
			fail_msg("%s and %s", one, two);
		profile_close(m.p);
	}
}

/* What is the same has the same fingerprint, the same functions, and the same line at
 * its innermost frame. */
static void random_calls(struct make *random, char *ret)
{
	size_t len = 1 + make_below(random, LONGEST);

	for (size_t i = 0; i < len; i++)
		ret[i] = (char)((make_below(random, 3) ? 'a' : 'A') +
				(char)make_below(random, LETTERS / 2));
	ret[len] = '\0';
}

static uint32_t functions_of(const char *calls)
{
	uint32_t set = 0;

	for (; *calls; calls++)
		set |= 1u << ((*calls | 32) - 'a');
	return set;
}

static void what_is_the_same_has_the_same_functions(void **state)
{
	struct make random = {.state = 2};
	size_t alike = 0;

	(void)state;
	for (int round = 0; round < unit_rounds(100); round++) {
		struct made m = make();
		char calls[40][LONGEST + 1];
		uint32_t groups[40];
		struct fingerprint prints[40];
		uint32_t nodes[40];
		struct fingerprints *f;
		struct recursion *r;

		for (int i = 0; i < 40; i++) {
			random_calls(&random, calls[i]);
			nodes[i] = stack(&m, calls[i]);
		}
		f = fingerprints_open(m.p);
		r = recursion_open(m.p);
		for (int i = 0; i < 40; i++) {
			assert_int_equal(fingerprint_of(f, nodes[i], &prints[i]), 0);
			groups[i] = recursion_group(r, nodes[i]);
			assert_true(groups[i]);
		}
		for (int i = 0; i < 40 * 40; i++) {
			const char *one = calls[i / 40], *two = calls[i % 40];

			if (groups[i / 40] != groups[i % 40])
				continue;
			alike += strcmp(one, two) != 0;
			assert_true(prints[i / 40].hash == prints[i % 40].hash);
			assert_int_equal(functions_of(one), functions_of(two));
			assert_int_equal(one[strlen(one) - 1], two[strlen(two) - 1]);
		}
		recursion_close(r);
		fingerprints_close(f);
		profile_close(m.p);
	}
	assert_true(alike > 0);
}

/* ---- findings --------------------------------------------------------------------- */

/* Findings of the sites, of nobody looked at: amounts stay, and stacks that are the
 * same are one. */
static void findings_have_each_block_once_and_each_leak_once(void **state)
{
	struct make random = {.state = 3};

	(void)state;
	for (int round = 0; round < unit_rounds(60); round++) {
		struct made m = make();
		struct findings_options o = {.path = ""};
		struct findings f;
		uint64_t bytes = 0, blocks = 0, sum = 0, count = 0, stacks = 0;
		size_t sites = 2 + make_below(&random, 30);
		struct recursion *r;

		for (size_t i = 0; i < sites; i++) {
			char calls[LONGEST + 1];
			struct profile_site *s;

			random_calls(&random, calls);
			s = report_kept(m.p, 1, stack(&m, calls),
					1 + make_below(&random, 1000));
			s->first_ns = 100 + i;
			s->last_ns = 200 + i;
			bytes += s->allocated_bytes;
			blocks += s->allocs;
		}
		assert_int_equal(findings_of(m.p, &o, &f), 0);
		r = recursion_open(m.p);
		for (size_t i = 0; i < f.count; i++) {
			sum += f.items[i].bytes;
			count += f.items[i].blocks;
			stacks += f.items[i].stacks;
			assert_true(f.items[i].first_ns >= 100);
			assert_true(f.items[i].last_ns < 200 + sites);
			assert_true(f.items[i].first_ns + 100 <= f.items[i].last_ns);
			for (size_t k = 0; k < i; k++)
				assert_int_not_equal(
					recursion_group(r, f.items[i].stack),
					recursion_group(r, f.items[k].stack));
		}
		recursion_close(r);
		assert_int_equal(sum, bytes);
		assert_int_equal(count, blocks);
		assert_int_equal(stacks, sites);
		assert_int_equal(f.sum[LEAK_UNSCANNED].bytes, bytes);
		findings_done(&f);
		profile_close(m.p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(depths_of_a_recursion_are_the_same),
		cmocka_unit_test(other_calls_are_not_the_same),
		cmocka_unit_test(deep_stacks_take_no_longer_than_their_nodes),
		cmocka_unit_test(overlapping_frames_cost_no_more_than_the_nodes),
		cmocka_unit_test(any_cycle_is_the_same_in_all_depths),
		cmocka_unit_test(what_is_the_same_has_the_same_functions),
		cmocka_unit_test(findings_have_each_block_once_and_each_leak_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

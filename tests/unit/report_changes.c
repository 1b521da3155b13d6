/*
 * report_changes.c - what changed of findings between two profiles: rows match by kind
 * and by names alone, and add up.
 */
#include "tests/unit/unit.h"

#include "cli/report/changes.h"
#include "cli/report/fingerprint.h"
#include "tests/unit/json_check.h"
#include "tests/unit/report_build.h"

enum { ROUNDS = 300, FINDINGS = 20 };

struct side {
	struct profile *p;
	struct findings f;
	struct finding items[FINDINGS];
	struct leaks_options options;
	struct leaks l;
};

static void rename_program(struct profile *p)
{
	uint32_t path = report_string(p, "/opt/c/renamed");

	p->modules[0].path = path;
	for (size_t i = 0; i < p->process_count; i++)
		p->processes[i].exe = path;
}

static void side_init(struct side *s, struct make *m, uint32_t kinds)
{
	*s = (struct side){.p = report_build(m), .options = {.kinds = kinds}};
	if (make_below(m, 2))
		rename_program(s->p);
	s->f = (struct findings){.items = s->items, .cause = ""};
	s->f.count = make_below(m, FINDINGS);
	for (size_t i = 0; i < s->f.count; i++)
		s->items[i] = (struct finding){
			.kind = make_below(m, 3),
			.process = make_below(m, (uint32_t)s->p->process_count),
			.stack = make_below(m, s->p->stack_count),
			.snapshot = FINDING_NONE,
			.leader = FINDING_NONE,
			.blocks = make_below(m, 3),
			.bytes = make_below(m, 4),
		};
	assert_int_equal(leaks_open(&s->l, s->p, &s->f, &s->options), 0);
}

static void side_done(struct side *s)
{
	leaks_done(&s->l);
	profile_close(s->p);
}

/* ---- an oracle that knows text alone ------------------------------------------- */

static char *key_of(const struct side *s, const struct finding *f)
{
	struct fingerprints *prints = fingerprints_open(s->p);
	struct fingerprint print;
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	assert_int_equal(fingerprint_of(prints, f->stack, &print), 0);
	fprintf(out, "%s", leak_words[f->kind]);
	for (unsigned i = 0; i < print.count; i++)
		fprintf(out, "\n%s of %s", print.frames[i].function,
			strstr(print.frames[i].module, "libown") ? "libown" : "it");
	fclose(out);
	fingerprints_close(prints);
	return text;
}

struct oracle {
	char *keys[2 * FINDINGS];
	struct profile_amount amount[2 * FINDINGS][2];
	size_t count;
};

static void oracle_add(struct oracle *o, const struct side *s, int side)
{
	for (size_t i = 0; i < s->f.count; i++) {
		const struct finding *f = &s->items[i];
		char *key;
		size_t k = 0;

		if (!f->blocks || !(s->options.kinds >> f->kind & 1))
			continue;
		key = key_of(s, f);
		while (k < o->count && strcmp(o->keys[k], key))
			k++;
		if (k == o->count)
			o->keys[o->count++] = strdup(key);
		o->amount[k][side].blocks += f->blocks;
		o->amount[k][side].bytes += f->bytes;
		free(key);
	}
}

static const char *status_of(const struct profile_amount both[2])
{
	struct profile_amount a = both[0], b = both[1];

	if (!a.blocks || !b.blocks)
		return a.blocks ? "gone" : "new";
	if (a.bytes != b.bytes)
		return a.bytes < b.bytes ? "grown" : "shrunk";
	return a.blocks == b.blocks  ? "unchanged"
	       : a.blocks < b.blocks ? "grown"
				     : "shrunk";
}

/* Every row of the oracle is one here, and there are no others. */
static void compare(const struct oracle *o, const struct changes *c)
{
	bool used[2 * FINDINGS] = {false};

	assert_int_equal(c->count, o->count);
	for (size_t i = 0; i < o->count; i++) {
		size_t k = 0;

		while (k < c->count &&
		       (used[k] ||
			memcmp(c->rows[k].amount, o->amount[i], sizeof(o->amount[i]))))
			k++;
		assert_uint_in_range(k, 0, c->count - 1);
		used[k] = true;
		assert_string_equal(diff_status_word(c->rows[k].status),
				    status_of(o->amount[i]));
		assert_int_equal(c->rows[k].has[0], o->amount[i][0].blocks > 0);
		assert_int_equal(c->rows[k].has[1], o->amount[i][1].blocks > 0);
	}
}

static void check_sums(const struct changes *c, const struct side sides[2])
{
	struct profile_amount sum[2] = {{0}}, kinds[2] = {{0}};

	for (int k = 0; k < 2; k++) {
		for (size_t i = 0; i < c->count; i++)
			sum[k].bytes += c->rows[i].amount[k].bytes;
		for (size_t i = 0; i < c->kind_count; i++)
			kinds[k].bytes += c->kinds[i].amount[k].bytes;
		assert_int_equal(sum[k].bytes, sides[k].l.sum.bytes);
		assert_int_equal(kinds[k].bytes, sides[k].l.sum.bytes);
		assert_int_equal(c->total[k].bytes, sides[k].l.sum.bytes);
		assert_int_equal(c->total[k].blocks, sides[k].l.sum.blocks);
	}
	for (size_t i = 1; i < c->count; i++) {
		assert_true(i >= c->changed ||
			    diff_compare(c->rows[i - 1].amount, c->rows[i].amount,
					 DIFF_LEAKED) <= 0);
		assert_int_equal(c->rows[i].status != DIFF_UNCHANGED, i < c->changed);
	}
}

static void check_reports(const struct side sides[2])
{
	struct changes_options o = {.limit = 3};
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	assert_int_equal(changes_leaks_json(&sides[0].l, &sides[1].l, &o, out), 0);
	fclose(out);
	assert_true(json_check(text));
	free(text);
	out = open_memstream(&text, &len);
	assert_int_equal(changes_leaks_text(&sides[0].l, &sides[1].l, &o, out), 0);
	fclose(out);
	assert_non_null(strstr(text, "What was never freed, by kind"));
	free(text);
}

static void rows_are_those_of_a_brute_force_comparison(void **state)
{
	struct make m = {.state = 11};

	(void)state;
	for (int i = 0; i < unit_rounds(ROUNDS); i++) {
		uint32_t kinds = 1 + make_below(&m, 7);
		struct side sides[2];
		struct oracle oracle = {.count = 0};
		struct changes c;

		side_init(&sides[0], &m, kinds);
		side_init(&sides[1], &m, kinds);
		assert_int_equal(changes_of_leaks(&c, &sides[0].l, &sides[1].l), 0);
		oracle_add(&oracle, &sides[0], 0);
		oracle_add(&oracle, &sides[1], 1);
		compare(&oracle, &c);
		check_sums(&c, sides);
		check_reports(sides);
		changes_done(&c);
		for (size_t k = 0; k < oracle.count; k++)
			free(oracle.keys[k]);
		side_done(&sides[0]);
		side_done(&sides[1]);
	}
}

static void a_profile_and_itself_differ_in_nothing(void **state)
{
	struct make m = {.state = 12};

	(void)state;
	for (int i = 0; i < unit_rounds(ROUNDS); i++) {
		struct side s;
		struct changes c;

		side_init(&s, &m, LEAKS_ALL);
		assert_int_equal(changes_of_leaks(&c, &s.l, &s.l), 0);
		assert_int_equal(c.changed, 0);
		assert_int_equal(c.status[DIFF_UNCHANGED], c.count);
		changes_done(&c);
		side_done(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_are_those_of_a_brute_force_comparison),
		cmocka_unit_test(a_profile_and_itself_differ_in_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

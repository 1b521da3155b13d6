/*
 * Pages: columns are read back as they were written; folding keeps every sum.
 */
#include "cli/base/cleanup.h"
#include "cli/export/columns.h"
#include "cli/export/html.h"
#include "cli/export/html_pair.h"
#include "cli/export/html_times.h"
#include "cli/export/html_tree.h"
#include "cli/report/diff.h"
#include "tests/unit/report_build.h"

// clang-format off
// clang-format on

#include "tests/unit/unit.h"

#include <errno.h>
#include <math.h>
#include <zlib.h>

/* ---- columns ---------------------------------------------------------------- */

static uint64_t get_number(const void *context, size_t i)
{
	return ((const uint64_t *)context)[i];
}

static unsigned digit_of(char c)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	assert_non_null(strchr(digits, c));
	return (unsigned)(strchr(digits, c) - digits);
}

/* Puts together, and inflates, the elements of a column. Its form goes to form. */
static size_t read_column(const char *page, const char *name, char form[8], void *to,
			  size_t room)
{
	_cleanup_(freep) unsigned char *bytes = calloc(strlen(page) + 1, 1);
	z_stream z = {0};
	char start[128];
	size_t len = 0;
	int r;

	snprintf(start, sizeof(start), "data-name=%s data-form=", name);
	for (const char *at = page; (at = strstr(at, start));) {
		at += strlen(start);
		sscanf(at, "%7[a-z0-9]", form);
		for (at = strchr(at, '>') + 1; *at != '<'; at += 4) {
			unsigned bits = digit_of(at[0]) << 18 | digit_of(at[1]) << 12;

			bits |= at[2] == '=' ? 0 : digit_of(at[2]) << 6;
			bits |= at[3] == '=' ? 0 : digit_of(at[3]);
			bytes[len++] = (unsigned char)(bits >> 16);
			if (at[2] != '=')
				bytes[len++] = (unsigned char)(bits >> 8);
			if (at[3] != '=')
				bytes[len++] = (unsigned char)bits;
		}
	}
	assert_int_equal(inflateInit2(&z, -MAX_WBITS), Z_OK);
	z.next_in = bytes;
	z.avail_in = (uInt)len;
	z.next_out = to;
	z.avail_out = (uInt)room;
	r = inflate(&z, Z_FINISH);
	assert_int_equal(r, Z_STREAM_END);
	assert_int_equal(z.avail_in, 0);
	inflateEnd(&z);
	return room - z.avail_out;
}

static uint64_t number_at(const char *form, const unsigned char *bytes, size_t i)
{
	unsigned width = form[0] == 'f' ? 8 : (unsigned)atoi(form + 1) / 8;
	uint64_t value = 0;
	double number;

	for (unsigned k = 0; k < width; k++)
		value |= (uint64_t)bytes[i * width + k] << 8 * k;
	if (form[0] != 'f')
		return value;
	memcpy(&number, &value, sizeof(number));
	return (uint64_t)number;
}

static void check_numbers(const uint64_t *numbers, size_t count, const char *wanted)
{
	_cleanup_(freep) unsigned char *bytes = malloc(count * 8 + 1);
	struct columns c = {0};
	_cleanup_(freep) char *text = NULL;
	char form[8] = "";
	size_t len = 0;

	c.out = open_memstream(&text, &len);
	columns_put(&c, "n", count, get_number, numbers);
	fclose(c.out);
	assert_int_equal(c.err, 0);
	read_column(text, "n", form, bytes, count * 8);
	assert_string_equal(form, wanted);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(number_at(form, bytes, i), numbers[i]);
}

static void a_column_is_as_wide_as_its_greatest_number(void **state)
{
	static const struct {
		uint64_t most;
		const char *form;
	} cases[] = {
		{0, "u8"},	     {UINT8_MAX, "u8"},	    {256, "u16"},
		{UINT16_MAX, "u16"}, {65536, "u32"},	    {UINT32_MAX, "u32"},
		{1ull << 32, "f64"}, {COLUMNS_MOST, "f64"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t numbers[] = {1 % (cases[i].most + 1), cases[i].most, 0};

		check_numbers(numbers, 3, cases[i].form);
	}
}

static void a_long_column_comes_in_several_elements(void **state)
{
	enum { COUNT = 1200000 };
	_cleanup_(freep) uint64_t *numbers = malloc(COUNT * sizeof(*numbers));
	struct make m = {.state = 7};

	(void)state;
	for (size_t i = 0; i < COUNT; i++)
		numbers[i] = make_any(&m) >> 32;
	check_numbers(numbers, COUNT, "u32");
}

static void a_number_that_no_double_has_is_refused(void **state)
{
	uint64_t number = COLUMNS_MOST + 1;
	struct columns c = {.out = fopen("/dev/null", "w")};

	(void)state;
	columns_put(&c, "n", 1, get_number, &number);
	assert_int_equal(c.err, -EOVERFLOW);
	fclose(c.out);
}

/* ---- folding ------------------------------------------------------------------ */

static struct profile *random_tree(struct make *m)
{
	struct profile *p = report_profile();
	uint32_t module = report_module(p, "/src/u/demo");
	uint32_t nodes = 1 + make_below(m, 60);

	report_process(p, 1, 100, "./demo");
	report_process(p, 2, 101, "./demo");
	for (uint32_t i = 0; i < nodes; i++)
		report_call(p, make_below(m, p->stack_count), module, "f", "f.c",
			    1 + make_below(m, 9), 1, 9);
	for (uint32_t i = make_below(m, 150); i > 0; i--) {
		struct profile_site *s =
			report_kept(p, 1 + make_below(m, 2),
				    make_below(m, p->stack_count), make_below(m, 1000));

		s->domain = make_below(m, 4) == 0;
		s->freed_here_bytes = make_below(m, 1000);
		s->frees = make_below(m, 2);
		s->freed_bytes = s->frees ? s->allocated_bytes : 0;
	}
	return p;
}

static uint64_t figure_of(const struct profile_site *s, int which)
{
	switch (which) {
	case 0:
		return s->allocated_bytes;
	case 1:
		return s->freed_here_bytes;
	case 2:
		return s->tree_peak.bytes;
	default:
		return s->allocs - s->frees;
	}
}

/* What each stack of the profile has with all below it, of a process and domain. */
static void sum_stacks(const struct profile *p, int which, uint32_t process,
		       uint32_t domain, uint64_t *sums)
{
	memset(sums, 0, p->stack_count * sizeof(*sums));
	for (size_t i = 0; i < p->site_count; i++)
		if (p->sites[i].process_serial == process + 1 &&
		    p->sites[i].domain == domain)
			sums[p->sites[i].stack] += figure_of(&p->sites[i], which);
	for (size_t i = p->stack_count; i-- > 1;)
		sums[p->stacks[i].parent] += sums[i];
}

static void check_sums(const struct profile *p, const struct html_tree *t, int which,
		       uint32_t process, uint32_t domain)
{
	_cleanup_(freep) uint64_t *wanted = calloc(p->stack_count, sizeof(*wanted));
	_cleanup_(freep) uint64_t *has = calloc(t->node_count, sizeof(*has));
	uint32_t path[100];

	sum_stacks(p, which, process, domain, wanted);
	for (size_t i = 0; i < t->site_count; i++)
		if (t->sites[i].process == process &&
		    t->sites[i].site->domain == domain)
			has[t->sites[i].node] += figure_of(t->sites[i].site, which);
	/* Preorder: parents are the last nodes less deep. */
	for (size_t i = t->node_count; i-- > 1;) {
		size_t parent = i;

		while (t->nodes[parent].depth >= t->nodes[i].depth)
			parent--;
		assert_int_equal(t->nodes[parent].depth + 1, t->nodes[i].depth);
		has[parent] += has[i];
	}
	for (size_t i = 0; i < t->node_count; i++) {
		uint32_t stack = t->nodes[i].stack;

		path[t->nodes[i].depth] = stack;
		if (stack == HTML_TREE_SMALLER)
			continue;
		assert_int_equal(has[i], wanted[stack]);
		if (i)
			assert_int_equal(path[t->nodes[i].depth - 1],
					 p->stacks[stack].parent);
	}
}

static void folding_keeps_what_every_subtree_has(void **state)
{
	struct make m = {.state = 3};

	(void)state;
	for (int round = 0; round < 400; round++) {
		struct profile *p = random_tree(&m);
		_cleanup_(view_done) struct view v;
		_cleanup_(html_tree_done) struct html_tree t;
		_cleanup_(freep) double *shares = NULL;
		double least = (double)make_below(&m, 100) / 150;

		assert_int_equal(view_init(&v, p, &(struct scope_options){0}), 0);
		shares = html_tree_shares(&v);
		assert_non_null(shares);
		assert_int_equal(
			html_tree_init(&t, &v, round % 4 ? shares : NULL, least), 0);
		if (!(round % 4))
			assert_int_equal(t.folded, 0);
		for (int which = 0; which < 4; which++)
			for (uint32_t k = 0; k < 4; k++)
				check_sums(p, &t, which, k / 2, k % 2);
		html_tree_done(&t);
		view_done(&v);
		profile_close(p);
	}
}

/* Divides what each site did among epochs, in the sites' order. */
static void divide(struct make *m, struct profile *p)
{
	enum { EPOCHS = 5 };

	for (uint64_t i = 0; i < EPOCHS; i++) {
		array_reserve(&p->epochs, &p->epoch_room, p->epoch_count + 1);
		p->epochs[p->epoch_count++].at_ns = i * 1000;
	}
	for (size_t i = 0; i < p->site_count; i++) {
		const struct profile_site *s = &p->sites[i];
		uint32_t first = make_below(m, EPOCHS - 1);

		array_reserve(&p->times, &p->time_room, p->time_count + 2);
		for (uint32_t k = 0; k < 2; k++)
			p->times[p->time_count++] = (struct profile_share){
				.process_serial = s->process_serial,
				.stack = s->stack,
				.domain = s->domain,
				.value = first + k,
				.allocs = k ? 0 : s->allocs,
				.allocated_bytes = k ? 0 : s->allocated_bytes,
				.frees = k ? s->frees : 0,
				.freed_bytes = k ? s->freed_bytes : 0,
				.died = {k ? 0 : s->frees, k ? 0 : s->freed_bytes},
				.freed_here_bytes = k ? s->freed_here_bytes : 0,
			};
	}
	p->dimensions = PROFILE_TIMES;
}

static void check_times(const struct html_tree *tree, const struct html_times *t)
{
	size_t row = 0;

	for (size_t i = 0; i < tree->site_count; i++) {
		const struct profile_site *s = tree->sites[i].site;
		struct profile_share sum = {0};

		for (size_t first = row; row < t->count && t->rows[row].site == i;
		     row++) {
			const struct profile_share *one = t->rows[row].share;

			assert_true(row == first ||
				    one->value > t->rows[row - 1].share->value);
			sum.allocs += one->allocs;
			sum.allocated_bytes += one->allocated_bytes;
			sum.freed_bytes += one->freed_bytes;
			sum.died.bytes += one->died.bytes;
			sum.freed_here_bytes += one->freed_here_bytes;
		}
		assert_int_equal(sum.allocs, s->allocs);
		assert_int_equal(sum.allocated_bytes, s->allocated_bytes);
		assert_int_equal(sum.freed_bytes, s->freed_bytes);
		assert_int_equal(sum.died.bytes, s->freed_bytes);
		assert_int_equal(sum.freed_here_bytes, s->freed_here_bytes);
	}
	assert_int_equal(row, t->count);
}

static void what_sites_did_by_time_follows_the_folding(void **state)
{
	struct make m = {.state = 6};

	(void)state;
	for (int round = 0; round < 200; round++) {
		struct profile *p = random_tree(&m);
		_cleanup_(view_done) struct view v;
		_cleanup_(html_tree_done) struct html_tree tree;
		_cleanup_(html_times_done) struct html_times times;
		_cleanup_(freep) double *shares = NULL;

		/* One site of a process, stack and domain, as in true profiles. */
		for (size_t i = 0; i < p->site_count; i++)
			for (size_t k = 0; k < i; k++)
				if (p->sites[k].stack == p->sites[i].stack &&
				    p->sites[k].domain == p->sites[i].domain &&
				    p->sites[k].process_serial ==
					    p->sites[i].process_serial) {
					p->sites[i--] = p->sites[--p->site_count];
					break;
				}
		divide(&m, p);
		assert_int_equal(view_init(&v, p, &(struct scope_options){0}), 0);
		shares = html_tree_shares(&v);
		assert_int_equal(html_tree_init(&tree, &v, round % 3 ? shares : NULL,
						(double)make_below(&m, 100) / 150),
				 0);
		assert_int_equal(html_times_init(&times, p, &tree), 0);
		check_times(&tree, &times);
		html_times_done(&times);
		html_tree_done(&tree);
		view_done(&v);
		profile_close(p);
	}
}

static void as_many_nodes_are_kept_as_wanted_or_fewer(void **state)
{
	struct make m = {.state = 4};

	(void)state;
	for (int round = 0; round < 200; round++) {
		double shares[100], least;
		size_t count = 2 + make_below(&m, 99), wanted, kept = 0;

		for (size_t i = 0; i < count; i++)
			shares[i] = i ? (double)make_below(&m, 20) : INFINITY;
		wanted = 1 + make_below(&m, count);
		assert_int_equal(html_tree_least(shares, count, wanted, &least), 0);
		for (size_t i = 0; i < count; i++)
			kept += !i || shares[i] > least;
		assert_true(kept <= wanted);
	}
}

/* ---- two profiles ---------------------------------------------------------------- */

/* All that html.c has of two profiles when it asks how they match. */
struct two {
	const struct profile *profile[2];
	struct lines_sums sums[2];
	struct html_tree tree[2];
	struct html_places places[2];
	struct html_pair pair;
};

/* least: what has a smaller share is folded; 0: nothing is. */
static void open_two(struct two *t, const struct profile *a, const struct profile *b,
		     double least)
{
	struct html_pair_side sides[2];
	double *shares[2];

	*t = (struct two){.profile = {a, b}};
	assert_int_equal(html_pair_init(&t->pair, a, b), 0);
	for (int k = 0; k < 2; k++) {
		assert_int_equal(lines_sums_init(&t->sums[k], t->profile[k],
						 &(struct scope_options){0}, false),
				 0);
		shares[k] = html_tree_shares(&t->sums[k].view);
	}
	assert_int_equal(html_pair_shares(&t->pair, shares), 0);
	for (int k = 0; k < 2; k++) {
		const struct view *v = &t->sums[k].view;

		assert_int_equal(html_tree_init(&t->tree[k], v,
						least > 0 ? shares[k] : NULL, least),
				 0);
		assert_int_equal(html_places_init(&t->places[k], &t->sums[k]), 0);
		for (size_t i = 0; i < t->tree[k].node_count; i++)
			if (t->tree[k].nodes[i].stack != HTML_TREE_SMALLER)
				html_places_of(&t->places[k],
					       t->tree[k].nodes[i].stack);
		sides[k] = (struct html_pair_side){v, &t->tree[k], &t->places[k]};
		free(shares[k]);
	}
	assert_int_equal(html_pair_number(&t->pair, sides), 0);
}

static void close_two(struct two *t)
{
	html_pair_done(&t->pair);
	for (int k = 0; k < 2; k++) {
		html_places_done(&t->places[k]);
		html_tree_done(&t->tree[k]);
		lines_sums_done(&t->sums[k]);
	}
}

static uint32_t thing_of(const struct html_pair_row *row, enum diff_by by)
{
	return by == DIFF_BY_LINE	? row->line
	       : by == DIFF_BY_FUNCTION ? row->function
	       : by == DIFF_BY_MODULE	? row->module
					: row->number + 1;
}

enum { THINGS = 512 };

/* What a script sums up: what each thing has of allocated bytes; [0]: "smaller". */
static void sum_things(const struct two *t, enum diff_by by, uint64_t sums[2][THINGS])
{
	memset(sums, 0, 2 * THINGS * sizeof(**sums));
	for (int k = 0; k < 2; k++)
		for (size_t i = 0; i < t->tree[k].site_count; i++) {
			const struct html_site *s = &t->tree[k].sites[i];
			bool small =
				t->tree[k].nodes[s->node].stack == HTML_TREE_SMALLER;
			uint32_t thing =
				small ? 0 : thing_of(&t->pair.rows[k][s->node], by);

			assert_uint_in_range(thing, 0, THINGS - 1);
			if (s->site->domain == PROFILE_MALLOC)
				sums[k][thing] += s->site->allocated_bytes;
		}
}

static void has_row(uint64_t sums[2][THINGS], const struct diff_row *row)
{
	for (size_t i = 1; i < THINGS; i++)
		if (sums[0][i] == row->amount[0].bytes &&
		    sums[1][i] == row->amount[1].bytes) {
			sums[0][i] = sums[1][i] = 0;
			return;
		}
	fail_msg("a row of the diff is none of the page's");
}

static void a_page_of_two_has_the_rows_of_the_diff(void **state)
{
	struct make m = {.state = 21};

	(void)state;
	for (int round = 0; round < 300; round++) {
		struct profile *a = report_build(&m), *b = report_build(&m);
		struct diff_options o = {.metric = DIFF_ALLOCATED,
					 .by = (enum diff_by)(round % 4)};
		uint64_t sums[2][THINGS];
		struct diff d;
		struct two t;

		open_two(&t, a, b, 0);
		assert_int_equal(diff_of(a, b, &o, &d), 0);
		sum_things(&t, o.by, sums);
		for (size_t i = 0; i < d.count; i++)
			if (d.rows[i].amount[0].bytes || d.rows[i].amount[1].bytes)
				has_row(sums, &d.rows[i]);
		for (size_t i = 0; i < THINGS; i++) /* and no others */
			assert_int_equal(sums[0][i] | sums[1][i], 0);
		diff_done(&d);
		close_two(&t);
		profile_close(a);
		profile_close(b);
	}
}

/* Whether a stack has a node of its own. */
static bool has_node(const struct html_tree *t, uint32_t stack)
{
	for (size_t i = 0; i < t->node_count; i++)
		if (t->nodes[i].stack == stack)
			return true;
	return false;
}

static void what_is_folded_of_two_is_folded_on_both_sides(void **state)
{
	struct make m = {.state = 22};

	(void)state;
	for (int round = 0; round < 300; round++) {
		struct profile *a = report_build(&m), *b = report_build(&m);
		uint64_t sums[2][THINGS];
		struct diff_options o = {.metric = DIFF_ALLOCATED};
		struct diff d;
		struct two t;

		open_two(&t, a, b, (1 + (double)make_below(&m, 100)) / 150);
		for (uint32_t i = 1; i < a->stack_count; i++)
			for (uint32_t k = 1; k < b->stack_count; k++)
				if (t.pair.align.side[0].stacks[i] ==
				    t.pair.align.side[1].stacks[k])
					assert_int_equal(has_node(&t.tree[0], i),
							 has_node(&t.tree[1], k));
		assert_int_equal(diff_of(a, b, &o, &d), 0);
		sum_things(&t, DIFF_BY_LINE, sums);
		for (int k = 0; k < 2; k++) {
			uint64_t sum = 0;

			for (size_t i = 0; i < THINGS; i++)
				sum += sums[k][i];
			assert_int_equal(sum, d.totals[k].metric[DIFF_ALLOCATED].bytes);
		}
		diff_done(&d);
		close_two(&t);
		profile_close(a);
		profile_close(b);
	}
}

/* ---- pages ---------------------------------------------------------------------- */

static size_t page_of(const struct profile *p, size_t limit, char **ret,
		      struct html_outcome *outcome)
{
	struct html_options o = {.path = "dir/<b>.heapline", .limit = limit};
	size_t len = 0;
	FILE *out = open_memstream(ret, &len);

	assert_int_equal(html_write(p, &o, out, outcome), 0);
	fclose(out);
	assert_int_equal(len, outcome->bytes);
	return len;
}

static void nothing_of_a_name_is_in_the_page_as_it_is(void **state)
{
	struct profile *p = report_example();
	_cleanup_(freep) char *text = NULL;
	struct html_outcome outcome;

	(void)state;
	p->processes[0].command = report_string(p, "</script><b>command");
	p->frames[0].function = report_string(p, "</script><b>function");
	p->modules[0].path = report_string(p, "</script><b>module");
	page_of(p, 0, &text, &outcome);
	assert_null(strstr(text, "<b>"));
	assert_int_equal(strncmp(text, HTML_START, strlen(HTML_START)), 0);
	assert_int_equal(outcome.folded, 0);
	profile_close(p);
}

static void a_page_is_made_smaller_until_it_fits(void **state)
{
	struct make m = {.state = 5};
	struct profile *p = report_profile();
	uint32_t module = report_module(p, "/src/u/demo");
	_cleanup_(freep) char *whole = NULL, *small = NULL;
	struct html_outcome outcome;
	size_t len, least;

	(void)state;
	report_process(p, 1, 100, "./demo");
	for (int i = 0; i < 3000; i++) {
		uint32_t node =
			report_node(p, make_below(&m, p->stack_count), module, 0);

		report_kept(p, 1, node, 1 + make_below(&m, 1 << 20));
	}
	len = page_of(p, 0, &whole, &outcome);
	assert_int_equal(outcome.folded, 0);
	least = len - 30000;
	assert_true(page_of(p, least, &small, &outcome) <= least);
	assert_true(outcome.folded > 0 && outcome.folded < outcome.nodes);
	profile_close(p);
}

static void a_page_of_two_has_both_and_is_made_to_fit(void **state)
{
	struct make m = {.state = 23};
	struct profile *a = report_build(&m), *b = report_profile();
	struct html_options o = {.path = "a", .other_path = "b"};
	uint32_t module = report_module(b, "/src/u/demo");
	struct html_outcome outcome;
	size_t first = 0;

	(void)state;
	report_process(b, 1, 100, "./demo");
	for (int i = 0; i < 3000; i++)
		report_kept(b, 1,
			    report_node(b, make_below(&m, b->stack_count), module, 0),
			    1 + make_below(&m, 1 << 20));
	for (int round = 0; round < 2; round++) {
		_cleanup_(freep) char *text = NULL;
		size_t len = 0;
		FILE *out = open_memstream(&text, &len);

		o.limit = first ? first - 30000 : 0;
		assert_int_equal(html_write_pair(a, b, &o, out, &outcome), 0);
		fclose(out);
		assert_non_null(strstr(text, "data-name=node.depth "));
		assert_non_null(strstr(text, "data-name=b.node.depth "));
		assert_non_null(strstr(text, "data-name=pair.up "));
		assert_non_null(strstr(text, "data-name=b.pair.node "));
		assert_int_equal(outcome.nodes, a->stack_count + b->stack_count - 2);
		assert_int_equal(outcome.folded > 0, first > 0);
		assert_true(!first || len <= o.limit);
		first = len;
	}
	profile_close(a);
	profile_close(b);
}

static void a_figure_that_no_page_can_show_is_an_error(void **state)
{
	struct profile *p = report_example();
	FILE *out = fopen("/dev/null", "w");

	(void)state;
	p->sites[0].last_rank = COLUMNS_MOST + 1;
	assert_int_equal(html_write(p, &(struct html_options){0}, out, NULL),
			 -EOVERFLOW);
	fclose(out);
	profile_close(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_column_is_as_wide_as_its_greatest_number),
		cmocka_unit_test(a_long_column_comes_in_several_elements),
		cmocka_unit_test(a_number_that_no_double_has_is_refused),
		cmocka_unit_test(folding_keeps_what_every_subtree_has),
		cmocka_unit_test(what_sites_did_by_time_follows_the_folding),
		cmocka_unit_test(as_many_nodes_are_kept_as_wanted_or_fewer),
		cmocka_unit_test(a_page_of_two_has_the_rows_of_the_diff),
		cmocka_unit_test(what_is_folded_of_two_is_folded_on_both_sides),
		cmocka_unit_test(a_page_of_two_has_both_and_is_made_to_fit),
		cmocka_unit_test(nothing_of_a_name_is_in_the_page_as_it_is),
		cmocka_unit_test(a_page_is_made_smaller_until_it_fits),
		cmocka_unit_test(a_figure_that_no_page_can_show_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

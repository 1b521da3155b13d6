/*
 * profile_merge.c - one profile out of several: nothing is lost, nothing counts twice.
 */
#include "tests/unit/unit.h"

#include "cli/base/cleanup.h"
#include "cli/profile/format.h"
#include "cli/profile/merge_input.h"
#include "tests/unit/profile_walk.h"
#include "tests/unit/report_make.h"

#include <errno.h>

enum { ROUNDS = 200, INPUTS = 3 };

/* What would have been loaded: a merge takes its inputs over. */
static struct profile *copy_of(struct profile *p)
{
	_cleanup_(bytes_done) struct bytes file = {0};
	struct profile *copy = NULL;
	char why[200];

	for (size_t i = 0; i < p->site_count; i++)
		p->sites[i].dirty = 1;
	walk_write(p, 1, &file);
	if (profile_load_bytes(file.data, file.len, false, &copy, why, sizeof(why)) < 0)
		fail_msg("%s", why);
	copy->complete = p->complete;
	return copy;
}

static struct profile *merge_of(struct profile *const *inputs, size_t count)
{
	struct profile_merged merged;
	struct profile_merge *m = NULL;
	struct profile *p;

	assert_int_equal(profile_merge_open(&m), 0);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(profile_merge_add(m, copy_of(inputs[i])), 0);
	assert_int_equal(profile_merge_finish(m, &merged), 0);
	profile_merge_close(m);
	p = walk_merged(&merged);
	profile_merged_done(&merged);
	return p;
}

static void tame(uint64_t *ns)
{
	*ns %= 1ull << 50;
}

/* Any profile, but for times that no clock shows. */
static struct profile *random_profile(struct make *m)
{
	struct profile *p = profile_new();

	make_more(m, p);
	make_more(m, p);
	for (size_t i = 0; i < p->process_count; i++) {
		tame(&p->processes[i].start_ns);
		tame(&p->processes[i].end_ns);
		for (int d = 0; d < PROFILE_DOMAINS; d++)
			tame(&p->processes[i].domain[d].peak_at_ns);
		for (int k = 0; k < PROFILE_MOMENTS; k++) {
			tame(&p->processes[i].memory[k].at_ns);
			tame(&p->processes[i].memory[k].rss_at_ns);
		}
	}
	for (size_t i = 0; i < p->thread_count; i++) {
		tame(&p->threads[i].start_ns);
		tame(&p->threads[i].end_ns);
	}
	for (size_t i = 0; i < p->site_count; i++) {
		tame(&p->sites[i].first_ns);
		tame(&p->sites[i].last_ns);
	}
	for (size_t i = 0; i < p->unfollowed_count; i++)
		tame(&p->unfolloweds[i].at_ns);
	for (size_t i = 0; i < p->mark_count; i++)
		tame(&p->marks[i].at_ns);
	tame(&p->wall_ns);
	tame(&p->tree_peak_at_ns);
	for (size_t i = 0; i < p->piece_count; i++)
		free(p->pieces[i].data);
	p->snapshot_count = p->piece_count = p->proof_count = 0; /* they are left out */
	p->start_unix_ns = make_below(m, 3) ? 1 + make_below(m, 1u << 31) * 1000ull : 0;
	return p;
}

static void close_all(struct profile **inputs, size_t count)
{
	for (size_t i = 0; i < count; i++)
		profile_close(inputs[i]);
}

static void of_one_it_is_that_one(void **state)
{
	struct make m = {.state = 1, .size = 12};

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		struct profile *p = random_profile(&m), *merged = merge_of(&p, 1);
		const char *difference = make_difference(p, merged);

		if (difference)
			fail_msg("%s", difference);
		profile_close(merged);
		profile_close(p);
	}
}

/* ---- a stack in words that do not depend on where it was loaded ------------------ */

static void put_node(const struct profile *p, const struct profile_stack *s, FILE *out)
{
	bool cut = s->flags & PROFILE_STACK_CUT;
	const struct profile_module *m = s->module ? &p->modules[s->module - 1] : NULL;

	fprintf(out, "%s+%llx %u\n", m ? strings_get(&p->strings, m->build_id) : "none",
		(unsigned long long)(s->pc - (m && !cut ? m->bias : 0)), s->flags);
	for (uint32_t k = 0; s->code && k < p->codes[s->code - 1].frames; k++) {
		const struct profile_frame *f =
			&p->frames[p->codes[s->code - 1].first_frame + k];

		fprintf(out, "%s %s %s %u %u %u\n",
			strings_get(&p->strings, f->function),
			strings_get(&p->strings, f->linkage),
			strings_get(&p->strings, f->file), f->line, f->function_first,
			f->function_last);
	}
}

static char *stack_text(const struct profile *p, uint32_t stack)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	for (; stack; stack = p->stacks[stack].parent)
		put_node(p, &p->stacks[stack], out);
	fclose(out);
	return text;
}

static void same_stack(const struct profile *a, uint32_t s, const struct profile *b,
		       uint32_t t)
{
	char *left = stack_text(a, s), *right = stack_text(b, t);

	assert_string_equal(left, right);
	free(left);
	free(right);
}

/* What a merge leaves of a site: all but its number, rank, moments and tree peak. */
static void same_site(const struct profile *a, const struct profile_site *s,
		      const struct profile *b, const struct profile_site *t)
{
	struct profile_site expected = *t;

	expected.process_serial = s->process_serial;
	expected.stack = s->stack;
	expected.last_rank = s->last_rank;
	expected.first_ns = s->first_ns;
	expected.last_ns = s->last_ns;
	expected.tree_peak = s->tree_peak;
	assert_true(make_same_site(s, &expected));
	same_stack(a, s->stack, b, t->stack);
}

static void every_site_keeps_its_figures_and_its_stack(void **state)
{
	struct make m = {.state = 2, .size = 12};

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		struct profile *inputs[INPUTS], *merged;
		size_t at = 0, processes = 0;

		for (int k = 0; k < INPUTS; k++)
			inputs[k] = random_profile(&m);
		merged = merge_of(inputs, INPUTS);
		for (int k = 0; k < INPUTS; k++) {
			for (size_t s = 0; s < inputs[k]->site_count; s++)
				same_site(inputs[k], &inputs[k]->sites[s], merged,
					  &merged->sites[at++]);
			processes += inputs[k]->process_count;
		}
		assert_int_equal(merged->site_count, at);
		assert_int_equal(merged->process_count, processes);
		profile_close(merged);
		close_all(inputs, INPUTS);
	}
}

static void what_comes_out_can_be_written_and_read(void **state)
{
	struct make m = {.state = 3, .size = 12};

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		struct profile *inputs[INPUTS], *merged;

		for (int k = 0; k < INPUTS; k++)
			inputs[k] = random_profile(&m);
		merged = merge_of(inputs, INPUTS);
		walk(merged);
		walk_again(merged);
		profile_close(merged);
		close_all(inputs, INPUTS);
	}
}

static void totals_are_sums_and_the_peak_is_the_highest(void **state)
{
	struct make m = {.state = 4, .size = 12};

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		struct profile *inputs[INPUTS], *merged;
		uint64_t highest = 0, lost = 0;

		for (int k = 0; k < INPUTS; k++)
			inputs[k] = random_profile(&m);
		merged = merge_of(inputs, INPUTS);
		for (int d = 0; d < PROFILE_DOMAINS; d++) {
			struct profile_totals sum = profile_totals(merged, d);

			for (int k = 0; k < INPUTS; k++) {
				struct profile_totals t = profile_totals(inputs[k], d);

				sum.allocs -= t.allocs;
				sum.allocated_bytes -= t.allocated_bytes;
				sum.frees -= t.frees;
				sum.freed_bytes -= t.freed_bytes;
				sum.temporary.blocks -= t.temporary.blocks;
			}
			assert_int_equal(sum.allocs | sum.allocated_bytes | sum.frees |
						 sum.freed_bytes | sum.temporary.blocks,
					 0);
		}
		for (int k = 0; k < INPUTS; k++) {
			lost += profile_lost_events(inputs[k]);
			if (inputs[k]->tree_peak.bytes > highest)
				highest = inputs[k]->tree_peak.bytes;
		}
		assert_int_equal(merged->tree_peak.bytes, highest);
		assert_int_equal(profile_lost_events(merged), lost);
		profile_close(merged);
		close_all(inputs, INPUTS);
	}
}

/* ---- sharing --------------------------------------------------------------------- */

/* The example, loaded somewhere else. */
static struct profile *example_at(uint64_t bias, const char *build_id)
{
	struct profile *p = report_example();

	for (size_t i = 0; i < p->module_count; i++) {
		p->modules[i].bias += bias;
		p->modules[i].start += bias;
		p->modules[i].end += bias;
		p->modules[i].build_id = strings_add(&p->strings, build_id);
	}
	for (size_t i = 1; i < p->stack_count; i++)
		p->stacks[i].pc += bias;
	p->start_unix_ns = 1000000000 + bias;
	p->wall_ns = 1000000;
	return p;
}

static void a_run_elsewhere_shares_its_code(void **state)
{
	struct profile *inputs[] = {example_at(0, "aa"), example_at(1 << 30, "aa"),
				    example_at(1 << 20, "aa")};
	struct profile *merged = merge_of(inputs, INPUTS);
	char why[200];

	(void)state;
	assert_int_equal(merged->stack_count, inputs[0]->stack_count);
	assert_int_equal(merged->module_count, inputs[0]->module_count);
	assert_int_equal(merged->code_count, inputs[0]->code_count);
	assert_int_equal(merged->frame_count, inputs[0]->frame_count);
	assert_int_equal(merged->source_count, inputs[0]->source_count);
	assert_int_equal(merged->site_count, 3 * inputs[0]->site_count);
	if (profile_check(merged, why, sizeof(why)) < 0)
		fail_msg("%s", why);
	profile_close(merged);
	close_all(inputs, INPUTS);
}

static void the_peak_s_parts_are_those_of_the_highest_alone(void **state)
{
	struct profile *inputs[] = {example_at(0, "aa"), example_at(1 << 30, "aa"),
				    example_at(1 << 20, "aa")};
	struct profile *merged;
	char why[200];

	(void)state;
	inputs[1]->sites[0].tree_peak.bytes += 5;
	inputs[1]->tree_peak.bytes += 5;
	merged = merge_of(inputs, INPUTS);
	assert_int_equal(merged->tree_peak.bytes, inputs[1]->tree_peak.bytes);
	if (profile_check(merged, why, sizeof(why)) < 0)
		fail_msg("%s", why);
	profile_close(merged);
	close_all(inputs, INPUTS);
}

static void nodes_that_are_alike_stay_two(void **state)
{
	struct profile *inputs[2];
	struct profile *merged;

	(void)state;
	for (int k = 0; k < 2; k++) {
		uint32_t node;

		inputs[k] = example_at(0, "aa");
		node = report_node(inputs[k], 1, 1, 0);
		report_node(inputs[k], 1, 1, 0);
		inputs[k]->stacks[node + 1].pc = inputs[k]->stacks[node].pc;
		report_kept(inputs[k], 1, node, 10);
		report_kept(inputs[k], 1, node + 1, 10);
	}
	merged = merge_of(inputs, 2);
	for (size_t i = 0; i < merged->site_count; i++)
		for (size_t j = 0; j < i; j++)
			assert_false(merged->sites[i].stack == merged->sites[j].stack &&
				     merged->sites[i].process_serial ==
					     merged->sites[j].process_serial);
	profile_close(merged);
	close_all(inputs, 2);
}

static void codes_that_say_the_same_do_not_keep_stacks_apart(void **state)
{
	struct profile *inputs[2];
	struct profile *merged;

	(void)state;
	for (int k = 0; k < 2; k++) {
		inputs[k] = example_at(0, "aa");
		/* Two calls on one line. */
		report_call(inputs[k], 1, 1, "f", "/src/f.c", 7, 5, 9);
		report_call(inputs[k], 1, 1, "f", "/src/f.c", 7, 5, 9);
	}
	merged = merge_of(inputs, 2);
	assert_int_equal(merged->stack_count, inputs[0]->stack_count);
	profile_close(merged);
	close_all(inputs, 2);
}

static void another_build_shares_nothing(void **state)
{
	struct profile *inputs[] = {example_at(0, "aa"), example_at(1 << 30, "bb")};
	struct profile *merged = merge_of(inputs, 2);

	(void)state;
	assert_int_equal(merged->module_count, 2 * inputs[0]->module_count);
	assert_int_equal(merged->stack_count, 2 * inputs[0]->stack_count - 1);
	profile_close(merged);
	close_all(inputs, 2);
}

static void other_words_for_the_same_address_stay_apart(void **state)
{
	struct profile *inputs[] = {example_at(0, "aa"), example_at(0, "aa")};
	struct profile *merged;

	(void)state;
	for (size_t i = 0; i < inputs[1]->frame_count; i++)
		inputs[1]->frames[i].line++;
	merged = merge_of(inputs, 2);
	same_stack(inputs[1], inputs[1]->sites[0].stack, merged,
		   merged->sites[inputs[0]->site_count].stack);
	profile_close(merged);
	close_all(inputs, 2);
}

static void overlapping_runs_of_frames_do_not_multiply(void **state)
{
	struct profile *inputs[2];
	struct profile *merged;

	(void)state;
	for (int k = 0; k < 2; k++) {
		inputs[k] = report_profile();
		report_code(inputs[k]);
		for (uint32_t i = 0; i < 1000; i++)
			report_frame(inputs[k], k ? "g" : "f", "x.c", i, 0, 0);
		for (uint32_t i = 0; i < 5000; i++) {
			report_code(inputs[k]);
			inputs[k]->codes[i + 1] =
				(struct profile_code){i % 500, 500 - i % 7};
		}
	}
	merged = merge_of(inputs, 2);
	assert_uint_in_range(merged->frame_count, 1000, 3000);
	walk(merged);
	profile_close(merged);
	close_all(inputs, 2);
}

/* A code of a few bytes names a thousand frames: what a merge remembers of them stays a
 * small multiple of what there is, and what differs stays apart. */
static void overlapping_runs_of_frames_cost_no_more_than_the_file(void **state)
{
	enum { FRAMES = 3000, CODES = 2000, LENGTH = 1000 };
	struct profile_merge *m = NULL;
	struct profile_merged merged;

	(void)state;
	assert_int_equal(profile_merge_open(&m), 0);
	for (int k = 0; k < 3; k++) {
		struct profile *p = report_profile();

		report_process(p, 1, 100, "demo");
		report_module(p, "/src/u/demo");
		report_code(p);
		for (uint32_t i = 0; i < FRAMES; i++)
			report_frame(p, k ? "g" : "f", "x.c", i, 0, 0);
		p->codes[0].frames = 1;
		for (uint32_t i = 0; i < CODES; i++) {
			report_node(p, 0, 1, report_code(p));
			p->codes[i + 1] = (struct profile_code){i, LENGTH};
		}
		assert_int_equal(profile_merge_add(m, copy_of(p)), 0);
		profile_close(p);
	}
	assert_uint_in_range(m->run_numbers.count, 1, 3 * (FRAMES + 10 * CODES));
	assert_int_equal(profile_merge_finish(m, &merged), 0);
	assert_uint_in_range(merged.p->frame_count, FRAMES, 5 * FRAMES);
	profile_merged_done(&merged);
	profile_merge_close(m);
}

/* ---- time ------------------------------------------------------------------------ */

enum { SECOND = 1000000000 };

static struct profile *run_at(uint64_t start, uint64_t length, uint64_t live)
{
	struct profile *p = report_profile();
	struct profile_process *q = report_process(p, 1, 100, "demo");

	p->start_unix_ns = start;
	p->wall_ns = q->end_ns = length;
	p->tree_peak = (struct profile_amount){1, live};
	p->tree_peak_at_ns = 5;
	array_reserve(&p->bins, &p->bin_room, 2);
	p->bins[0] = (struct profile_bin){.max_bytes = live, .last_bytes = live};
	p->bins[1] = p->bins[0];
	p->bins[1].at_ns = length / 2;
	p->bin_count = 2;
	return p;
}

static void starts_are(struct profile *const *inputs, const uint64_t *expected)
{
	struct profile *merged = merge_of(inputs, INPUTS);

	for (size_t i = 0; i < INPUTS; i++)
		assert_int_equal(merged->processes[i].start_ns, expected[i]);
	for (size_t i = 1; i < merged->bin_count; i++)
		assert_true(merged->bins[i].at_ns > merged->bins[i - 1].at_ns);
	profile_close(merged);
}

static void runs_lie_where_their_clocks_put_them(void **state)
{
	struct profile *inputs[] = {run_at(50ull * SECOND, SECOND, 1),
				    run_at(60ull * SECOND, SECOND, 3),
				    run_at(10ull * SECOND, SECOND, 2)};
	const uint64_t starts[] = {40ull * SECOND, 50ull * SECOND, 0};
	struct profile *merged = merge_of(inputs, INPUTS);

	(void)state;
	starts_are(inputs, starts);
	assert_int_equal(merged->start_unix_ns, 10ull * SECOND);
	assert_int_equal(merged->wall_ns, 51ull * SECOND);
	assert_int_equal(merged->tree_peak.bytes, 3);
	assert_int_equal(merged->tree_peak_at_ns, 50ull * SECOND + 5);
	/* Two of each, and one for each time between. */
	assert_int_equal(merged->bin_count, 8);
	assert_int_equal(merged->bins[2].max_bytes, 0);
	assert_int_equal(merged->bins[2].at_ns, SECOND + 1);
	profile_close(merged);
	close_all(inputs, INPUTS);
}

static void runs_at_one_time_lie_behind_each_other(void **state)
{
	struct profile *inputs[] = {run_at(50ull * SECOND, SECOND, 1),
				    run_at(50ull * SECOND + 5, SECOND, 3),
				    run_at(50ull * SECOND - 5, SECOND, 2)};
	const uint64_t starts[] = {0, SECOND + 1, 2 * (SECOND + 1ull)};

	(void)state;
	starts_are(inputs, starts);
	close_all(inputs, INPUTS);
}

static void each_host_is_named_once_and_none_for_another(void **state)
{
	static const char *const hosts[] = {"web10", "web1", "eb1", "web10", "web1"};
	struct profile *inputs[5], *merged;

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		inputs[i] = run_at((50ull + i) * SECOND, SECOND, 1);
		inputs[i]->host = strings_add(&inputs[i]->strings, hosts[i]);
	}
	merged = merge_of(inputs, 5);
	assert_string_equal(strings_get(&merged->strings, merged->host),
			    "web10, web1, eb1");
	profile_close(merged);
	close_all(inputs, 5);
}

static void programs_not_followed_and_marks_keep_their_processes(void **state)
{
	struct profile *inputs[] = {run_at(50ull * SECOND, SECOND, 1),
				    run_at(60ull * SECOND, SECOND, 3)};
	struct profile *merged;

	(void)state;
	for (int k = 0; k < 2; k++) {
		struct profile_unfollowed *u = make_row(inputs[k], unfollowed);

		*u = (struct profile_unfollowed){.parent_serial = 1,
						 .pid = 5 + k,
						 .why = PROFILE_STATIC,
						 .at_ns = 7};
		*make_row(inputs[k], mark) = (struct profile_mark){1, u->program, 8, 9};
		u->program = strings_add(&inputs[k]->strings, k ? "/two" : "/one");
	}
	merged = merge_of(inputs, 2);
	assert_int_equal(merged->unfollowed_count, 2);
	assert_int_equal(merged->unfolloweds[1].parent_serial,
			 merged->processes[1].serial);
	assert_int_equal(merged->unfolloweds[1].at_ns, 10ull * SECOND + 7);
	assert_string_equal(
		strings_get(&merged->strings, merged->unfolloweds[1].program), "/two");
	assert_int_equal(merged->mark_count, 2);
	assert_int_equal(merged->marks[1].process_serial, merged->processes[1].serial);
	assert_int_equal(merged->marks[1].at_ns, 10ull * SECOND + 8);
	assert_int_equal(merged->marks[1].marks, 9);
	walk(merged);
	profile_close(merged);
	close_all(inputs, 2);
}

static void a_clock_that_is_unknown_or_absurd_lies_behind(void **state)
{
	struct profile *inputs[] = {run_at(50ull * SECOND, SECOND, 1),
				    run_at(0, SECOND, 3),
				    run_at(UINT64_MAX - 5, SECOND, 2)};
	const uint64_t starts[] = {0, SECOND + 1, 2 * (SECOND + 1ull)};

	(void)state;
	starts_are(inputs, starts);
	close_all(inputs, INPUTS);
}

static void times_beyond_64_bits_are_refused(void **state)
{
	struct profile *inputs[] = {run_at(1, SECOND, 1), run_at(1, UINT64_MAX - 1, 3)};
	struct profile_merge *m = NULL;

	(void)state;
	assert_int_equal(profile_merge_open(&m), 0);
	assert_int_equal(profile_merge_add(m, inputs[0]), 0);
	assert_int_equal(profile_merge_add(m, inputs[1]), -EOVERFLOW);
	profile_merge_close(m); /* with both */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_one_it_is_that_one),
		cmocka_unit_test(every_site_keeps_its_figures_and_its_stack),
		cmocka_unit_test(what_comes_out_can_be_written_and_read),
		cmocka_unit_test(totals_are_sums_and_the_peak_is_the_highest),
		cmocka_unit_test(a_run_elsewhere_shares_its_code),
		cmocka_unit_test(the_peak_s_parts_are_those_of_the_highest_alone),
		cmocka_unit_test(nodes_that_are_alike_stay_two),
		cmocka_unit_test(codes_that_say_the_same_do_not_keep_stacks_apart),
		cmocka_unit_test(another_build_shares_nothing),
		cmocka_unit_test(other_words_for_the_same_address_stay_apart),
		cmocka_unit_test(overlapping_runs_of_frames_do_not_multiply),
		cmocka_unit_test(overlapping_runs_of_frames_cost_no_more_than_the_file),
		cmocka_unit_test(runs_lie_where_their_clocks_put_them),
		cmocka_unit_test(runs_at_one_time_lie_behind_each_other),
		cmocka_unit_test(each_host_is_named_once_and_none_for_another),
		cmocka_unit_test(programs_not_followed_and_marks_keep_their_processes),
		cmocka_unit_test(a_clock_that_is_unknown_or_absurd_lies_behind),
		cmocka_unit_test(times_beyond_64_bits_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

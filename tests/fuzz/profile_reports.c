/*
 * profile_reports.c - whatever the loader lets through, under everything that reads
 * it: reports, comparisons, merges. For libFuzzer, as profile_load.c.
 */
#include "tests/fuzz/profile_mutate.h"

#include "cli/export/html.h"
#include "cli/profile/merge.h"
#include "cli/report/churn.h"
#include "cli/report/diff.h"
#include "cli/report/info.h"
#include "cli/report/lines.h"
#include "cli/report/summary.h"
#include "cli/report/timeline.h"
#include "cli/report/top.h"
#include "cli/report/tree.h"

#include <errno.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A report that fails does so for want of something that is not there. */
static void expect_done(int r)
{
	walk_expect(r == 0 || r == -ESRCH, "what a report cannot be made of");
}

static void summaries(const struct profile *p, FILE *out)
{
	struct summary_options o = {.path = "p"};
	struct info_options info = {.path = "p", .why = ""};

	for (enum summary_sort sort = 0; sort <= SUMMARY_BY_TEMPORARY; sort++) {
		o.sort = sort;
		expect_done(summary_text(p, &o, out));
	}
	expect_done(summary_json(p, &o, out));
	expect_done(info_text(p, &info, out));
	expect_done(info_json(p, &info, out));
}

static void tables(const struct profile *p, FILE *out)
{
	struct lines_options lines = {.columns = LINES_ALL_COLUMNS, .all = true};
	struct churn_options churn = {.columns = 80};

	for (unsigned by = 0; by < TOP_KINDS; by++) {
		struct top_options top = {.by = by, .columns = 80};

		expect_done(top_text(p, &top, out));
		expect_done(top_json(p, &top, out));
	}
	expect_done(lines_text(p, &lines, out));
	lines.nonzero = lines.fold = true;
	expect_done(lines_text(p, &lines, out));
	expect_done(lines_json(p, &lines, out));
	expect_done(churn_text(p, &churn, out));
	expect_done(churn_json(p, &churn, out));
}

static void pictures(const struct profile *p, FILE *out)
{
	struct timeline_options timeline = {.utf8 = true};

	for (unsigned i = 0; i < 4; i++) {
		struct tree_options tree = {.bottom_up = i % 2,
					    .lines = i / 2,
					    .columns = 80,
					    .min_percent = 1};

		expect_done(tree_text(p, &tree, out));
		expect_done(tree_json(p, &tree, out));
	}
	expect_done(timeline_text(p, &timeline, out));
	expect_done(timeline_json(p, &timeline, out));
	expect_done(timeline_svg(p, &timeline, out));
}

/* Figures may be beyond what a page can show. */
static void pages(const struct profile *p, FILE *out)
{
	struct html_options o = {.path = "p"};

	for (int i = 0; i < 2; i++) {
		int r = html_write(p, &o, out, NULL);

		walk_expect(r == 0 || r == -EOVERFLOW, "what a page cannot be made of");
		o.limit = 1;
	}
}

/* The same with itself. Times and counts may be beyond what a merge can put behind each
 * other. */
static void merges(const uint8_t *data, size_t size, bool trusting)
{
	struct profile_merge *m = NULL;
	struct profile_merged merged = {0};
	struct profile *p = NULL;
	int r = profile_merge_open(&m);

	for (int i = 0; r == 0 && i < 2; i++) {
		r = profile_load_bytes(data, size, trusting, &p, NULL, 0);
		if (r == 0)
			r = profile_merge_add(m, p);
	}
	if (r == 0)
		r = profile_merge_finish(m, &merged);
	walk_expect(r == 0 || r == -EOVERFLOW || r == -EBADMSG,
		    "what cannot be merged");
	if (r == 0)
		profile_close(walk_merged(&merged));
	profile_merged_done(&merged);
	profile_merge_close(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static FILE *out;
	struct profile *p = NULL;
	struct diff_options diff = {0};

	if (!out)
		out = fopen("/dev/null", "w");
	if (!size ||
	    profile_load_bytes(data, size - 1, data[size - 1] & 1, &p, NULL, 0))
		return 0;
	summaries(p, out);
	tables(p, out);
	pictures(p, out);
	pages(p, out);
	merges(data, size - 1, data[size - 1] & 1);
	expect_done(diff_text(p, p, &diff, out));
	expect_done(diff_json(p, p, &diff, out));
	profile_close(p);
	return 0;
}

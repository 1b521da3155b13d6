/*
 * diff_json.c - a comparison for scripts: see docs/json.md.
 */
#include "cli/report/diff_parts.h"

#include "cli/base/cleanup.h"
#include "cli/report/amount_json.h"
#include "cli/report/cut.h"
#include "cli/report/frames_json.h"
#include "cli/report/losses.h"

static void json_change(struct json *j, const char *name, uint64_t a, uint64_t b)
{
	json_key(j, name);
	if (b >= a)
		json_unsigned(j, b - a);
	else
		json_signed(j, a - b > INT64_MAX ? INT64_MIN : -(int64_t)(a - b));
}

void diff_json_amounts(struct json *j, const struct profile_amount both[2])
{
	static const char *const names[2] = {"a", "b"};

	for (int k = 0; k < 2; k++)
		amount_json(j, names[k], both[k]);
	json_key(j, "difference");
	json_object(j);
	json_change(j, "bytes", both[0].bytes, both[1].bytes);
	json_change(j, "blocks", both[0].blocks, both[1].blocks);
	json_close(j);
}

static void json_line(struct json *j, const char *name, const struct diff_row *row,
		      int side)
{
	const struct profile_frame *code = row->frame[side].code;

	json_key(j, name);
	if (row->has[side] && code && code->line)
		json_unsigned(j, code->line);
	else
		json_null(j);
}

static void json_row(struct json *j, const struct diff_page *page,
		     const struct diff_row *row)
{
	int side = diff_row_side(row);
	const struct profile *p = page->profile[side];
	const struct frames_frame *f = &row->frame[side];

	json_object(j);
	json_put_string(j, "status", diff_status_word(row->status));
	if (page->options.by == DIFF_BY_MODULE)
		json_put_string(j, "module",
				f->stack ? frames_module(p, f->stack) : "");
	else
		frames_json(p, f, j);
	if (page->options.by == DIFF_BY_LINE || page->options.by == DIFF_BY_SITE) {
		json_line(j, "line_a", row, 0);
		json_line(j, "line_b", row, 1);
	}
	diff_json_amounts(j, row->amount);
	if (page->options.by == DIFF_BY_SITE)
		frames_json_stack(p, row->stack[side], j);
	json_close(j);
}

void diff_json_profile(struct json *j, const struct diff_page *page, int side)
{
	const struct profile *p = page->profile[side];
	const char *path = page->options.paths[side];

	json_key(j, side ? "b" : "a");
	json_object(j);
	json_put_string(j, "profile", path ? path : "");
	json_put_string(j, "command",
			p->process_count
				? strings_get(&p->strings, p->processes[0].command)
				: "");
	json_put_unsigned(j, "wall_ns", p->wall_ns);
	losses_json(p, j);
	cut_json(p, j);
}

void diff_json_counts(struct json *j, const size_t *status)
{
	json_key(j, "rows_by_status");
	json_object(j);
	for (unsigned i = 0; i < DIFF_STATUSES; i++)
		json_put_unsigned(j, diff_status_word((enum diff_status)i), status[i]);
	json_close(j);
}

static void json_head(struct json *j, const struct diff_page *page)
{
	const struct diff *d = &page->diff;

	json_put_unsigned(j, "schema", DIFF_SCHEMA);
	for (int k = 0; k < 2; k++) {
		diff_json_profile(j, page, k);
		json_put_unsigned(j, "peak_at_ns", d->totals[k].peak_at_ns);
		json_close(j);
	}
	json_put_string(j, "by", diff_by_word(page->options.by));
	json_put_string(j, "metric", diff_metric_word(page->options.metric));
	json_key(j, "totals");
	json_object(j);
	for (unsigned i = 0; i < DIFF_METRICS; i++) {
		json_key(j, diff_metric_word((enum diff_metric)i));
		json_object(j);
		diff_json_amounts(j, (struct profile_amount[]){d->totals[0].metric[i],
							       d->totals[1].metric[i]});
		json_close(j);
	}
	json_close(j);
	diff_json_counts(j, d->status);
}

int diff_json(const struct profile *a, const struct profile *b,
	      const struct diff_options *o, FILE *out)
{
	_cleanup_(diff_page_done) struct diff_page page;
	struct json j = {.out = out, .spread = 2};
	bool stacks = !o->limit && o->by == DIFF_BY_SITE;
	int r = diff_page_init(&page, a, b, o, stacks ? DIFF_LIMIT : o->limit);
	size_t listed;

	if (r < 0)
		return r;
	listed = diff_listed(&page.diff, &page.options);
	json_object(&j);
	json_head(&j, &page);
	json_key(&j, "rows");
	json_array(&j);
	for (size_t i = 0; i < listed; i++)
		json_row(&j, &page, &page.diff.rows[i]);
	json_close(&j);
	json_put_unsigned(&j, "more", page.diff.changed - listed);
	json_close(&j);
	json_end(&j);
	return 0;
}

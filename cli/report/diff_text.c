/*
 * diff_text.c - a comparison in words.
 */
#include "cli/report/diff_parts.h"

#include "cli/base/cleanup.h"
#include "cli/report/cut.h"
#include "cli/report/losses.h"
#include "cli/report/text.h"

#include <inttypes.h>
#include <stdlib.h>

struct units_text diff_amount_text(const struct diff_page *page,
				   struct profile_amount amount,
				   enum diff_metric metric)
{
	if (metric == DIFF_ALLOCATIONS)
		return units_count(amount.blocks);
	return page->options.bytes ? units_count(amount.bytes)
				   : units_size(amount.bytes);
}

struct units_text diff_change_text(const struct diff_page *page,
				   const struct profile_amount amount[2],
				   enum diff_metric metric)
{
	uint64_t a = diff_value(amount[0], metric), b = diff_value(amount[1], metric);
	struct units_text size, t;

	if (a == b && amount[0].blocks != amount[1].blocks) {
		a = amount[0].blocks;
		b = amount[1].blocks;
		size = units_count(diff_distance(a, b));
		snprintf(t.text, sizeof(t.text), "%c%.28s blocks", a < b ? '+' : '-',
			 size.text);
		return t;
	}
	size = metric == DIFF_ALLOCATIONS || page->options.bytes
		       ? units_count(diff_distance(a, b))
		       : units_size(diff_distance(a, b));
	snprintf(t.text, sizeof(t.text), "%s%.38s",
		 a < b	 ? "+"
		 : a > b ? "-"
			 : "",
		 size.text);
	return t;
}

void diff_put_title(const struct diff_page *page, const char *title, FILE *out)
{
	fputc('\n', out);
	text_style(out, page->options.colour, TEXT_BOLD);
	fputs(title, out);
	text_style(out, page->options.colour, TEXT_PLAIN);
	fputc('\n', out);
}

/* Whether a metric is of a part of either recording, which is named with it. */
static bool is_cut(const struct diff_page *page, enum diff_metric metric)
{
	bool cut = false;

	for (int k = 0; k < 2; k++) {
		const struct profile_slice *s = &page->profile[k]->slice;

		cut |= metric == DIFF_PEAK ? s->has_moment : s->has_range;
	}
	return cut;
}

static const char *command_of(const struct profile *p)
{
	return p->process_count ? strings_get(&p->strings, p->processes[0].command)
				: "nothing";
}

/* What takes the peak's place, of either if of one of them something does. */
static void put_moment(const struct diff_page *page, int side, FILE *out)
{
	bool cut = page->profile[side]->slice.has_moment;

	fprintf(out, "; live then: at %s",
		cut ? cut_moment(page->profile[side]).text : "the peak");
}

void diff_put_heads(const struct diff_page *page, FILE *out)
{
	text_style(out, page->options.colour, TEXT_BOLD);
	fputs("What changed on the heap from A to B", out);
	text_style(out, page->options.colour, TEXT_PLAIN);
	fputc('\n', out);
	for (int k = 0; k < 2; k++) {
		fprintf(out, "  %c  ", 'A' + k);
		if (page->options.paths[k]) {
			text_put(out, page->options.paths[k]);
			fputs(": ", out);
		}
		text_put(out, command_of(page->profile[k]));
		fprintf(out, ", for %s",
			units_duration(page->profile[k]->wall_ns).text);
		if (is_cut(page, DIFF_PEAK))
			put_moment(page, k, out);
		fputc('\n', out);
	}
	for (int k = 0; k < 2; k++) {
		char *text = NULL;
		size_t len = 0;
		FILE *losses = open_memstream(&text, &len);

		if (!losses)
			continue;
		losses_text(page->profile[k], page->options.colour, losses);
		fclose(losses);
		if (len)
			fprintf(out, "In %c:\n%s", 'A' + k, text);
		free(text);
	}
}

static const char *change_percent(uint64_t a, uint64_t b, char *text, size_t room)
{
	if (!a || a == b)
		return "";
	snprintf(text, room, "  %+.1f %%", ((double)b - (double)a) * 100 / (double)a);
	return text;
}

static void put_totals(const struct diff_page *page, FILE *out)
{
	static const char *const names[DIFF_METRICS] = {
		"peak", "never freed", "allocated", "allocations", "temporary"};
	const struct diff_totals *t = page->diff.totals;
	char percent[64];

	diff_put_title(page,
		       page->options.scope.focus || page->options.scope.ignore
			       ? "Totals of the stacks chosen by --focus and --ignore"
			       : "Totals",
		       out);
	fprintf(out, "  %-12s %15s %15s %15s\n", "", "A", "B", "difference");
	for (unsigned i = 0; i < DIFF_METRICS; i++) {
		enum diff_metric m = (enum diff_metric)i;
		struct profile_amount both[2] = {t[0].metric[i], t[1].metric[i]};

		fprintf(out, "  %-12s %15s %15s %15s%s\n",
			m == DIFF_PEAK && is_cut(page, m) ? "live then" : names[i],
			diff_amount_text(page, both[0], m).text,
			diff_amount_text(page, both[1], m).text,
			diff_change_text(page, both, m).text,
			change_percent(diff_value(both[0], m), diff_value(both[1], m),
				       percent, sizeof(percent)));
	}
}

static void put_frame(const struct diff_page *page, int side,
		      const struct frames_frame *f, FILE *out)
{
	const struct profile *p = page->profile[side];
	char buffer[256], shortened[256];
	const char *file, *module;

	if (!f->stack) {
		fputs("(no stack)", out);
		return;
	}
	text_put(out, frames_short_name(frames_name(p, f, buffer, sizeof(buffer)),
					shortened, sizeof(shortened)));
	file = f->code ? strings_get(&p->strings, f->code->file) : "";
	module = frames_base(frames_module(p, f->stack));
	if (*file && f->code->line && page->options.by != DIFF_BY_FUNCTION) {
		fputs(" (", out);
		text_put(out, frames_base(file));
		fprintf(out, ":%" PRIu32, f->code->line);
	} else if (*file || (f->code && *module)) {
		fputs(" (", out);
		text_put(out, *file ? frames_base(file) : module);
	} else {
		return;
	}
	fputc(')', out);
}

/* Where A had the line, if that is elsewhere. */
static void put_former(const struct diff_page *page, const struct diff_row *row,
		       FILE *out)
{
	const struct profile_frame *a = row->frame[0].code, *b = row->frame[1].code;

	if (page->options.by == DIFF_BY_LINE && row->has[0] && row->has[1] && a && b &&
	    a->line != b->line)
		fprintf(out, ", in A line %" PRIu32, a->line);
}

static void put_callers(const struct diff_page *page, const struct diff_row *row,
			int side, FILE *out)
{
	enum { CALLERS = 6 };
	struct frames_walk walk = frames_of(page->profile[side], row->stack[side]);
	const struct frames_frame *from = &row->frame[side];
	struct frames_frame frame;
	bool past = false;
	int shown = 0;

	while (shown < CALLERS && frames_next(&walk, &frame)) {
		if (!past) {
			past = frame.stack == from->stack && frame.code == from->code;
			continue;
		}
		fprintf(out, "\n%60s< ", "");
		put_frame(page, side, &frame, out);
		shown++;
	}
}

void diff_put_figures(const struct diff_page *page,
		      const struct profile_amount amount[2], enum diff_status status,
		      FILE *out)
{
	enum diff_metric metric = page->options.metric;

	fprintf(out, "  %15s %15s %15s  %-7s  ",
		diff_change_text(page, amount, metric).text,
		diff_amount_text(page, amount[0], metric).text,
		diff_amount_text(page, amount[1], metric).text,
		diff_status_word(status));
}

static void put_row(const struct diff_page *page, const struct diff_row *row, FILE *out)
{
	int side = diff_row_side(row);
	const struct frames_frame *f = &row->frame[side];
	const char *module;

	diff_put_figures(page, row->amount, row->status, out);
	if (page->options.by == DIFF_BY_MODULE) {
		module = f->stack ? frames_module(page->profile[side], f->stack) : "";
		text_put(out, *module ? module : "(no module)");
	} else {
		put_frame(page, side, f, out);
		put_former(page, row, out);
		if (page->options.by == DIFF_BY_SITE)
			put_callers(page, row, side, out);
	}
	fputc('\n', out);
}

void diff_put_counts(const size_t *status, FILE *out)
{
	static const enum diff_status order[] = {DIFF_NEW, DIFF_GONE, DIFF_GROWN,
						 DIFF_SHRUNK, DIFF_UNCHANGED};

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		fprintf(out, "%s%zu %s", i ? ", " : "  ", status[order[i]],
			diff_status_word(order[i]));
	fputc('\n', out);
}

static const char *title_of(const struct diff_page *page, char *title, size_t room)
{
	static const char *const metrics[2][DIFF_METRICS] = {
		{"Live at the peak", "Never freed", "Allocated over the whole run",
		 "Allocations over the whole run", "Temporary allocations"},
		{"Live then", "Allocated then and never freed", "Allocated then",
		 "Allocations then", "Temporary allocations then"}};
	static const char *const things[] = {"by line of code", "by function",
					     "by whole stack", "by module"};

	snprintf(title, room, "%s, %s, the greatest change first",
		 metrics[is_cut(page, page->options.metric)][page->options.metric],
		 things[page->options.by]);
	return title;
}

static void put_rows(const struct diff_page *page, FILE *out)
{
	const struct diff *d = &page->diff;
	size_t count = diff_listed(d, &page->options);
	char title[160];

	diff_put_title(page, title_of(page, title, sizeof(title)), out);
	diff_put_counts(d->status, out);
	if (!d->changed)
		return;
	fprintf(out, "  %15s %15s %15s\n", "difference", "A", "B");
	for (size_t i = 0; i < count; i++)
		put_row(page, &d->rows[i], out);
	if (d->changed > count)
		fprintf(out, "  %zu more: -n COUNT shows more of them\n",
			d->changed - count);
}

/* What makes a comparison mean less than it seems to. */
static void put_remarks(const struct diff_page *page, FILE *out)
{
	const struct profile *const *p = page->profile;
	const struct diff_totals *t = page->diff.totals;

	if (t[0].moment == t[1].moment || !p[0]->process_count || !p[1]->process_count)
		return;
	for (int k = 0; k < 2; k++)
		if (t[k].moment == SCOPE_TREE_PEAK)
			fprintf(out,
				"  In %c several processes ran: its peak is of their "
				"sum.\n",
				'A' + k);
}

int diff_text(const struct profile *a, const struct profile *b,
	      const struct diff_options *o, FILE *out)
{
	_cleanup_(diff_page_done) struct diff_page page;
	int r = diff_page_init(&page, a, b, o, o->limit ? o->limit : DIFF_LIMIT);

	if (r < 0)
		return r;
	diff_put_heads(&page, out);
	put_totals(&page, out);
	put_remarks(&page, out);
	put_rows(&page, out);
	return 0;
}

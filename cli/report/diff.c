#include "cli/report/diff.h"

#include "cli/base/array.h"
#include "cli/base/cleanup.h"
#include "cli/base/json.h"
#include "cli/base/units.h"
#include "cli/profile/totals.h"
#include "cli/report/align.h"
#include "cli/report/frames_json.h"
#include "cli/report/losses.h"
#include "cli/report/text.h"
#include "cli/report/view.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char *const metric_words[DIFF_METRICS] = {"peak", "leaked", "allocated",
						       "allocations", "temporary"};
static const char *const by_words[] = {"line", "function", "site", "module"};
static const char *const status_words[DIFF_STATUSES] = {"unchanged", "new", "gone",
							"grown", "shrunk"};

bool diff_parse_metric(const char *text, enum diff_metric *ret)
{
	for (unsigned i = 0; i < DIFF_METRICS; i++)
		if (!strcmp(text, metric_words[i])) {
			*ret = (enum diff_metric)i;
			return true;
		}
	return false;
}

bool diff_parse_by(const char *text, enum diff_by *ret)
{
	for (unsigned i = 0; i < sizeof(by_words) / sizeof(by_words[0]); i++)
		if (!strcmp(text, by_words[i])) {
			*ret = (enum diff_by)i;
			return true;
		}
	return false;
}

/* ---- comparing ------------------------------------------------------------- */

struct work {
	const struct diff_options *options;
	struct view side[2];
	struct align align;
	uint32_t *rows; /* by number of the thing: index + 1; 0: none yet */
	size_t rows_room;
	struct diff *ret;
};

static void work_done(struct work *w)
{
	for (int k = 0; k < 2; k++)
		view_done(&w->side[k]);
	align_done(&w->align);
	free(w->rows);
}

static struct profile_amount metric_of(const struct view_sums *s,
				       enum diff_metric metric)
{
	switch (metric) {
	case DIFF_LEAKED:
		return s->leaked;
	case DIFF_ALLOCATED:
	case DIFF_ALLOCATIONS:
		return s->allocated;
	case DIFF_TEMPORARY:
		return s->temporary;
	default:
		return s->peak;
	}
}

/* What a metric is measured in, mainly. */
static uint64_t value_of(struct profile_amount amount, enum diff_metric metric)
{
	return metric == DIFF_ALLOCATIONS ? amount.blocks : amount.bytes;
}

static uint64_t other_of(struct profile_amount amount, enum diff_metric metric)
{
	return metric == DIFF_ALLOCATIONS ? amount.bytes : amount.blocks;
}

static void add(struct profile_amount *sum, struct profile_amount more)
{
	sum->blocks += more.blocks;
	sum->bytes += more.bytes;
}

/* The number of what a site counts under; 0 without memory. */
static uint32_t thing_of(struct work *w, int side, uint32_t stack,
			 const struct frames_frame *frame)
{
	switch (w->options->by) {
	case DIFF_BY_FUNCTION:
		return align_function(&w->align, side, frame);
	case DIFF_BY_SITE:
		return w->align.side[side].stacks[stack];
	case DIFF_BY_MODULE:
		return align_module(&w->align, side, frame);
	default:
		return align_line(&w->align, side, frame);
	}
}

/* What the row of a stack is about. Where that is the stack, its frame is found once it
 * is known which rows are shown: name_rows(). */
static struct frames_frame frame_of(const struct diff_options *o,
				    const struct view *view, uint32_t stack)
{
	switch (o->by) {
	case DIFF_BY_MODULE:
		return view_caller(view, stack);
	case DIFF_BY_SITE:
		return (struct frames_frame){0};
	default:
		return view_site_frame(view, stack);
	}
}

static int add_row(struct work *w, int side, uint32_t stack,
		   struct profile_amount amount)
{
	struct diff *d = w->ret;
	const struct view *view = &w->side[side];
	struct frames_frame frame = frame_of(w->options, view, stack);
	uint32_t thing = thing_of(w, side, stack, &frame);
	struct diff_row *row;
	uint64_t weight = value_of(amount, w->options->metric);

	if (!thing || array_reserve(&w->rows, &w->rows_room, thing + 1ul) < 0 ||
	    array_room(&d->rows, &d->room, d->count + 1) < 0)
		return -ENOMEM;
	if (!w->rows[thing]) {
		d->rows[d->count] = (struct diff_row){.order = (uint32_t)d->count};
		w->rows[thing] = (uint32_t)++d->count;
	}
	row = &d->rows[w->rows[thing] - 1];
	add(&row->amount[side], amount);
	if (row->has[side] && weight <= row->weight[side])
		return 0;
	row->has[side] = true;
	row->stack[side] = stack;
	row->weight[side] = weight;
	row->frame[side] = frame;
	return 0;
}

static int add_side(struct work *w, int side, const struct diff_side *taken)
{
	int r = 0;

	w->ret->totals[side] = taken->totals;
	for (size_t i = 0; !r && i < taken->count; i++)
		r = add_row(w, side, taken->parts[i].stack, taken->parts[i].amount);
	return r;
}

static int take_sites(struct view *v, enum diff_metric metric, struct diff_side *ret)
{
	struct diff_totals *t = &ret->totals;

	scope_peak_total(&v->scope, &t->peak_at_ns);
	t->moment = v->scope.moment;
	for (size_t i = 0; i < v->profile->site_count; i++) {
		struct profile_amount amount;
		struct view_sums sums;

		if (!view_site(v, i, &sums))
			continue;
		for (unsigned m = 0; m < DIFF_METRICS; m++)
			add(&t->metric[m], metric_of(&sums, (enum diff_metric)m));
		amount = metric_of(&sums, metric);
		if (!amount.blocks && !amount.bytes)
			continue;
		if (array_room(&ret->parts, &ret->room, ret->count + 1) < 0)
			return -ENOMEM;
		ret->parts[ret->count++] =
			(struct diff_part){v->profile->sites[i].stack, amount};
	}
	return 0;
}

int diff_side_take(const struct profile *p, const struct diff_options *o,
		   struct diff_side *ret)
{
	_cleanup_(view_done) struct view v = {0};
	struct scope_options chosen = o->scope;
	int r;

	*ret = (struct diff_side){0};
	chosen.pid = 0;
	r = view_init(&v, p, &chosen);
	return r < 0 ? r : take_sites(&v, o->metric, ret);
}

void diff_side_done(struct diff_side *side)
{
	free(side->parts);
	*side = (struct diff_side){0};
}

static enum diff_status status_of(const struct diff_row *row, enum diff_metric metric)
{
	uint64_t a = value_of(row->amount[0], metric);
	uint64_t b = value_of(row->amount[1], metric);

	if (!row->amount[0].blocks && !row->amount[0].bytes)
		return row->has[1] ? DIFF_NEW : DIFF_UNCHANGED;
	if (!row->amount[1].blocks && !row->amount[1].bytes)
		return DIFF_GONE;
	if (a == b) {
		a = other_of(row->amount[0], metric);
		b = other_of(row->amount[1], metric);
	}
	return a == b ? DIFF_UNCHANGED : a < b ? DIFF_GROWN : DIFF_SHRUNK;
}

static uint64_t distance(uint64_t a, uint64_t b)
{
	return a < b ? b - a : a - b;
}

static int by_change(const void *left, const void *right, void *metric)
{
	const struct diff_row *l = left, *r = right;
	enum diff_metric m = *(enum diff_metric *)metric;
	uint64_t a = distance(value_of(l->amount[0], m), value_of(l->amount[1], m));
	uint64_t b = distance(value_of(r->amount[0], m), value_of(r->amount[1], m));

	if (a == b) {
		a = distance(other_of(l->amount[0], m), other_of(l->amount[1], m));
		b = distance(other_of(r->amount[0], m), other_of(r->amount[1], m));
	}
	if (a != b)
		return a < b ? 1 : -1;
	return l->order < r->order ? -1 : l->order > r->order;
}

static void swap(struct diff_row *a, struct diff_row *b)
{
	struct diff_row row = *a;

	*a = *b;
	*b = row;
}

/* Row i of a heap of n, whose first comes behind all others, goes where it belongs. */
static void sift(struct diff_row *rows, size_t i, size_t n, enum diff_metric metric)
{
	for (size_t next; (next = 2 * i + 1) < n; i = next) {
		if (next + 1 < n &&
		    by_change(&rows[next], &rows[next + 1], &metric) < 0)
			next++;
		if (by_change(&rows[i], &rows[next], &metric) >= 0)
			return;
		swap(&rows[i], &rows[next]);
	}
}

/* Puts the first n of the changed rows in front, in no order: there may be millions, of
 * which 20 are wanted. */
static void choose(struct diff *d, size_t n, enum diff_metric metric)
{
	for (size_t i = n / 2; i-- > 0;)
		sift(d->rows, i, n, metric);
	for (size_t i = n; i < d->changed; i++) {
		if (by_change(&d->rows[i], &d->rows[0], &metric) > 0)
			continue;
		swap(&d->rows[i], &d->rows[0]);
		sift(d->rows, 0, n, metric);
	}
}

/* How many rows are shown. */
static size_t shown(const struct diff *d, const struct diff_options *o)
{
	return o->limit && o->limit < d->changed ? o->limit : d->changed;
}

static void settle(struct diff *d, const struct diff_options *o)
{
	enum diff_metric metric = o->metric;
	size_t count;

	d->changed = 0;
	for (size_t i = 0; i < d->count; i++) {
		struct diff_row row = d->rows[i];

		row.status = status_of(&row, metric);
		d->status[row.status]++;
		d->rows[i] = row;
		if (row.status == DIFF_UNCHANGED)
			continue;
		d->rows[i] = d->rows[d->changed];
		d->rows[d->changed++] = row;
	}
	count = shown(d, o);
	if (count < d->changed)
		choose(d, count, metric);
	if (count)
		qsort_r(d->rows, count, sizeof(*d->rows), by_change, &metric);
}

/* Finds the frames of the rows that are shown, of whole stacks. For a few that is a
 * walk each, for many one pass over all nodes. */
static int name_rows(struct work *w)
{
	enum { FEW = 1000 };
	size_t count = shown(w->ret, w->options);
	int r = 0;

	if (w->options->by != DIFF_BY_SITE)
		return 0;
	for (int k = 0; !r && k < 2; k++) {
		if (count > FEW)
			r = view_owners(&w->side[k]);
		for (size_t i = 0; !r && i < count; i++) {
			struct diff_row *row = &w->ret->rows[i];

			if (row->has[k])
				row->frame[k] =
					view_site_frame(&w->side[k], row->stack[k]);
		}
	}
	return r;
}

/* Whose code the frames are; the scope is what was taken already. */
static int open_side(struct view *v, const struct profile *p, enum diff_by by)
{
	int r = view_init(v, p, &(struct scope_options){0});

	return r < 0 || by == DIFF_BY_SITE ? r : view_owners(v);
}

static int compare(const struct profile *a, const struct profile *b,
		   const struct diff_options *o, const struct diff_side *sides,
		   struct diff *ret)
{
	_cleanup_(work_done) struct work w = {.options = o, .ret = ret};
	int r = align_init(&w.align, a, b);

	if (!r)
		r = open_side(&w.side[0], a, o->by);
	if (!r)
		r = open_side(&w.side[1], b, o->by);
	if (!r && o->by == DIFF_BY_SITE)
		r = align_stacks(&w.align);
	for (int k = 0; !r && k < 2; k++)
		r = add_side(&w, k, &sides[k]);
	if (r)
		return r;
	settle(ret, o);
	return name_rows(&w);
}

int diff_of(const struct profile *a, const struct profile *b,
	    const struct diff_options *o, struct diff *ret)
{
	struct diff_side sides[2] = {{.count = 0}, {.count = 0}};
	int r = 0;

	*ret = (struct diff){0};
	if (!o->sides) {
		r = diff_side_take(a, o, &sides[0]);
		if (!r)
			r = diff_side_take(b, o, &sides[1]);
	}
	if (!r)
		r = compare(a, b, o, o->sides ? o->sides : sides, ret);
	for (int k = 0; k < 2; k++)
		diff_side_done(&sides[k]);
	return r;
}

void diff_done(struct diff *d)
{
	free(d->rows);
	*d = (struct diff){0};
}

/* ---- text -------------------------------------------------------------------- */

struct page {
	const struct profile *profile[2];
	const struct diff_options *options;
	const struct diff *diff;
	FILE *out;
};

static struct units_text amount_text(const struct page *page,
				     struct profile_amount amount,
				     enum diff_metric metric)
{
	if (metric == DIFF_ALLOCATIONS)
		return units_count(amount.blocks);
	return page->options->bytes ? units_count(amount.bytes)
				    : units_size(amount.bytes);
}

/* b - a of the main value, or, where that is equal, of the other. */
static struct units_text change_text(const struct page *page,
				     const struct profile_amount amount[2],
				     enum diff_metric metric)
{
	uint64_t a = value_of(amount[0], metric), b = value_of(amount[1], metric);
	struct units_text size, t;

	if (a == b && amount[0].blocks != amount[1].blocks) {
		a = amount[0].blocks;
		b = amount[1].blocks;
		size = units_count(distance(a, b));
		snprintf(t.text, sizeof(t.text), "%c%.28s blocks", a < b ? '+' : '-',
			 size.text);
		return t;
	}
	size = metric == DIFF_ALLOCATIONS || page->options->bytes
		       ? units_count(distance(a, b))
		       : units_size(distance(a, b));
	snprintf(t.text, sizeof(t.text), "%s%.38s",
		 a < b	 ? "+"
		 : a > b ? "-"
			 : "",
		 size.text);
	return t;
}

static void put_title(const struct page *page, const char *title)
{
	fputc('\n', page->out);
	text_style(page->out, page->options->colour, TEXT_BOLD);
	fputs(title, page->out);
	text_style(page->out, page->options->colour, TEXT_PLAIN);
	fputc('\n', page->out);
}

static const char *command_of(const struct profile *p)
{
	return p->process_count ? strings_get(&p->strings, p->processes[0].command)
				: "nothing";
}

static void put_heads(const struct page *page)
{
	text_style(page->out, page->options->colour, TEXT_BOLD);
	fputs("What changed on the heap from A to B", page->out);
	text_style(page->out, page->options->colour, TEXT_PLAIN);
	fputc('\n', page->out);
	for (int k = 0; k < 2; k++) {
		fprintf(page->out, "  %c  ", 'A' + k);
		if (page->options->paths[k]) {
			text_put(page->out, page->options->paths[k]);
			fputs(": ", page->out);
		}
		text_put(page->out, command_of(page->profile[k]));
		fprintf(page->out, ", for %s\n",
			units_duration(page->profile[k]->wall_ns).text);
	}
	for (int k = 0; k < 2; k++) {
		char *text = NULL;
		size_t len = 0;
		FILE *losses = open_memstream(&text, &len);

		if (!losses)
			continue;
		losses_text(page->profile[k], page->options->colour, losses);
		fclose(losses);
		if (len)
			fprintf(page->out, "In %c:\n%s", 'A' + k, text);
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

static void put_totals(const struct page *page)
{
	static const char *const names[DIFF_METRICS] = {
		"peak", "never freed", "allocated", "allocations", "temporary"};
	const struct diff_totals *t = page->diff->totals;
	char percent[64];

	put_title(page, page->options->scope.focus || page->options->scope.ignore
				? "Totals of the stacks chosen by --focus and --ignore"
				: "Totals");
	fprintf(page->out, "  %-12s %15s %15s %15s\n", "", "A", "B", "difference");
	for (unsigned i = 0; i < DIFF_METRICS; i++) {
		enum diff_metric m = (enum diff_metric)i;
		struct profile_amount both[2] = {t[0].metric[i], t[1].metric[i]};

		fprintf(page->out, "  %-12s %15s %15s %15s%s\n", names[i],
			amount_text(page, both[0], m).text,
			amount_text(page, both[1], m).text,
			change_text(page, both, m).text,
			change_percent(value_of(both[0], m), value_of(both[1], m),
				       percent, sizeof(percent)));
	}
}

static void put_frame(const struct page *page, int side, const struct frames_frame *f)
{
	const struct profile *p = page->profile[side];
	char buffer[256], shortened[256];
	const char *file, *module;

	if (!f->stack) {
		fputs("(no stack)", page->out);
		return;
	}
	text_put(page->out, frames_short_name(frames_name(p, f, buffer, sizeof(buffer)),
					      shortened, sizeof(shortened)));
	file = f->code ? strings_get(&p->strings, f->code->file) : "";
	module = frames_base(frames_module(p, f->stack));
	if (*file && f->code->line && page->options->by != DIFF_BY_FUNCTION) {
		fputs(" (", page->out);
		text_put(page->out, frames_base(file));
		fprintf(page->out, ":%" PRIu32, f->code->line);
	} else if (*file || (f->code && *module)) {
		fputs(" (", page->out);
		text_put(page->out, *file ? frames_base(file) : module);
	} else {
		return;
	}
	fputc(')', page->out);
}

/* Where A had the line, if that is elsewhere. */
static void put_former(const struct page *page, const struct diff_row *row)
{
	const struct profile_frame *a = row->frame[0].code, *b = row->frame[1].code;

	if (page->options->by == DIFF_BY_LINE && row->has[0] && row->has[1] && a && b &&
	    a->line != b->line)
		fprintf(page->out, ", in A line %" PRIu32, a->line);
}

static void put_callers(const struct page *page, const struct diff_row *row, int side)
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
		fprintf(page->out, "\n%60s< ", "");
		put_frame(page, side, &frame);
		shown++;
	}
}

static void put_row(const struct page *page, const struct diff_row *row)
{
	enum diff_metric metric = page->options->metric;
	int side = row->has[1] && row->status != DIFF_GONE ? 1 : 0;
	const struct frames_frame *f = &row->frame[side];
	const char *module;

	fprintf(page->out, "  %15s %15s %15s  %-7s  ",
		change_text(page, row->amount, metric).text,
		amount_text(page, row->amount[0], metric).text,
		amount_text(page, row->amount[1], metric).text,
		status_words[row->status]);
	if (page->options->by == DIFF_BY_MODULE) {
		module = f->stack ? frames_module(page->profile[side], f->stack) : "";
		text_put(page->out, *module ? module : "(no module)");
	} else {
		put_frame(page, side, f);
		put_former(page, row);
		if (page->options->by == DIFF_BY_SITE)
			put_callers(page, row, side);
	}
	fputc('\n', page->out);
}

static void put_counts(const struct page *page)
{
	static const enum diff_status order[] = {DIFF_NEW, DIFF_GONE, DIFF_GROWN,
						 DIFF_SHRUNK, DIFF_UNCHANGED};

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		fprintf(page->out, "%s%zu %s", i ? ", " : "  ",
			page->diff->status[order[i]], status_words[order[i]]);
	fputc('\n', page->out);
}

/* Whether the metric is of a part of the recordings, which was named above. */
static bool is_cut(const struct page *page)
{
	const struct profile_slice *s = &page->profile[0]->slice;

	return page->options->metric == DIFF_PEAK ? s->has_moment : s->has_range;
}

static const char *title_of(const struct page *page, char *title, size_t room)
{
	static const char *const metrics[2][DIFF_METRICS] = {
		{"Live at the peak", "Never freed", "Allocated over the whole run",
		 "Allocations over the whole run", "Temporary allocations"},
		{"Live then", "Allocated then and never freed", "Allocated then",
		 "Allocations then", "Temporary allocations then"}};
	static const char *const things[] = {"by line of code", "by function",
					     "by whole stack", "by module"};

	snprintf(title, room, "%s, %s, the greatest change first",
		 metrics[is_cut(page)][page->options->metric],
		 things[page->options->by]);
	return title;
}

static void put_rows(const struct page *page)
{
	const struct diff *d = page->diff;
	size_t count = shown(d, page->options);
	char title[160];

	put_title(page, title_of(page, title, sizeof(title)));
	put_counts(page);
	if (!d->changed)
		return;
	fprintf(page->out, "  %15s %15s %15s\n", "difference", "A", "B");
	for (size_t i = 0; i < count; i++)
		put_row(page, &d->rows[i]);
	if (d->changed > count)
		fprintf(page->out, "  %zu more: -n COUNT shows more of them\n",
			d->changed - count);
}

/* What makes a comparison mean less than it seems to. */
static void put_remarks(const struct page *page)
{
	const struct profile *const *p = page->profile;
	const struct diff_totals *t = page->diff->totals;

	if (t[0].moment != t[1].moment && p[0]->process_count && p[1]->process_count)
		fputs("  One ran several processes: its peak is of their sum.\n",
		      page->out);
}

int diff_text(const struct profile *a, const struct profile *b,
	      const struct diff_options *o, FILE *out)
{
	_cleanup_(diff_done) struct diff d = {0};
	struct diff_options limited = *o;
	struct page page = {{a, b}, &limited, &d, out};
	int r;

	limited.limit = o->limit ? o->limit : DIFF_LIMIT;
	r = diff_of(a, b, &limited, &d);
	if (r < 0)
		return r;
	put_heads(&page);
	put_totals(&page);
	put_remarks(&page);
	put_rows(&page);
	return 0;
}

/* ---- JSON --------------------------------------------------------------------- */

static void json_change(struct json *j, const char *name, uint64_t a, uint64_t b)
{
	json_key(j, name);
	if (b >= a)
		json_unsigned(j, b - a);
	else
		json_signed(j, a - b > INT64_MAX ? INT64_MIN : -(int64_t)(a - b));
}

static void json_amounts(struct json *j, const struct profile_amount both[2])
{
	static const char *const names[2] = {"a", "b"};

	for (int k = 0; k < 2; k++) {
		json_key(j, names[k]);
		json_object(j);
		json_put_unsigned(j, "bytes", both[k].bytes);
		json_put_unsigned(j, "blocks", both[k].blocks);
		json_close(j);
	}
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

static void json_row(struct json *j, const struct page *page,
		     const struct diff_row *row)
{
	int side = row->has[1] && row->status != DIFF_GONE ? 1 : 0;
	const struct profile *p = page->profile[side];
	const struct frames_frame *f = &row->frame[side];

	json_object(j);
	json_put_string(j, "status", status_words[row->status]);
	if (page->options->by == DIFF_BY_MODULE)
		json_put_string(j, "module",
				f->stack ? frames_module(p, f->stack) : "");
	else
		frames_json(p, f, j);
	if (page->options->by == DIFF_BY_LINE || page->options->by == DIFF_BY_SITE) {
		json_line(j, "line_a", row, 0);
		json_line(j, "line_b", row, 1);
	}
	json_amounts(j, row->amount);
	if (page->options->by == DIFF_BY_SITE)
		frames_json_stack(p, row->stack[side], j);
	json_close(j);
}

static void json_profile(struct json *j, const struct page *page, int side)
{
	const struct profile *p = page->profile[side];
	const char *path = page->options->paths[side];

	json_key(j, side ? "b" : "a");
	json_object(j);
	json_put_string(j, "profile", path ? path : "");
	json_put_string(j, "command", p->process_count ? command_of(p) : "");
	json_put_unsigned(j, "wall_ns", p->wall_ns);
	json_put_unsigned(j, "peak_at_ns", page->diff->totals[side].peak_at_ns);
	losses_json(p, j);
	cut_json(p, j);
	json_close(j);
}

static void json_head(struct json *j, const struct page *page)
{
	const struct diff *d = page->diff;

	json_put_unsigned(j, "schema", DIFF_SCHEMA);
	json_profile(j, page, 0);
	json_profile(j, page, 1);
	json_put_string(j, "by", by_words[page->options->by]);
	json_put_string(j, "metric", metric_words[page->options->metric]);
	json_key(j, "totals");
	json_object(j);
	for (unsigned i = 0; i < DIFF_METRICS; i++) {
		json_key(j, metric_words[i]);
		json_object(j);
		json_amounts(j, (struct profile_amount[]){d->totals[0].metric[i],
							  d->totals[1].metric[i]});
		json_close(j);
	}
	json_close(j);
	json_key(j, "rows_by_status");
	json_object(j);
	for (unsigned i = 0; i < DIFF_STATUSES; i++)
		json_put_unsigned(j, status_words[i], d->status[i]);
	json_close(j);
}

int diff_json(const struct profile *a, const struct profile *b,
	      const struct diff_options *o, FILE *out)
{
	_cleanup_(diff_done) struct diff d = {0};
	struct diff_options limited = *o;
	struct page page = {{a, b}, &limited, &d, out};
	struct json j = {.out = out, .spread = 2};
	int r;

	if (!o->limit && o->by == DIFF_BY_SITE)
		limited.limit = DIFF_LIMIT;
	r = diff_of(a, b, &limited, &d);
	if (r < 0)
		return r;
	json_object(&j);
	json_head(&j, &page);
	json_key(&j, "rows");
	json_array(&j);
	for (size_t i = 0; i < shown(&d, &limited); i++)
		json_row(&j, &page, &d.rows[i]);
	json_close(&j);
	json_put_unsigned(&j, "more", d.changed - shown(&d, &limited));
	json_close(&j);
	json_end(&j);
	return 0;
}

#include "cli/report/diff.h"

#include "cli/base/array.h"
#include "cli/base/cleanup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *const metric_words[DIFF_METRICS] = {"peak", "leaked", "allocated",
						       "allocations", "temporary"};
static const char *const by_words[DIFF_BYS] = {"line", "function", "site", "module",
					       "type", "leak",	   "block"};
static const char *const status_words[DIFF_STATUSES] = {"unchanged", "new", "gone",
							"grown", "shrunk"};

const char *diff_metric_word(enum diff_metric metric)
{
	return metric_words[metric];
}

const char *diff_by_word(enum diff_by by)
{
	return by_words[by];
}

const char *diff_status_word(enum diff_status status)
{
	return status_words[status];
}

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

uint64_t diff_value(struct profile_amount amount, enum diff_metric metric)
{
	return metric == DIFF_ALLOCATIONS ? amount.blocks : amount.bytes;
}

uint64_t diff_other(struct profile_amount amount, enum diff_metric metric)
{
	return metric == DIFF_ALLOCATIONS ? amount.bytes : amount.blocks;
}

static void add(struct profile_amount *sum, struct profile_amount more)
{
	sum->blocks += more.blocks;
	sum->bytes += more.bytes;
}

/* A row that is a whole stack has its frame found once it is known which rows are
 * shown: name_rows(). */
uint32_t diff_thing(struct align *al, const struct view *v, int side, uint32_t stack,
		    enum diff_by by, struct frames_frame *ret)
{
	switch (by) {
	case DIFF_BY_FUNCTION:
		*ret = view_site_frame(v, stack);
		return align_function(al, side, ret);
	case DIFF_BY_SITE:
		*ret = (struct frames_frame){0};
		return al->side[side].stacks[stack];
	case DIFF_BY_MODULE:
		*ret = view_caller(v, stack);
		return align_module(al, side, ret);
	default:
		*ret = view_site_frame(v, stack);
		return align_line(al, side, ret);
	}
}

static int add_row(struct work *w, int side, uint32_t stack,
		   struct profile_amount amount)
{
	struct diff *d = w->ret;
	struct frames_frame frame;
	uint32_t thing = diff_thing(&w->align, &w->side[side], side, stack,
				    w->options->by, &frame);
	struct diff_row *row;
	uint64_t weight = diff_value(amount, w->options->metric);

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

enum diff_status diff_status_of(const struct profile_amount both[2],
				enum diff_metric metric)
{
	uint64_t a = diff_value(both[0], metric), b = diff_value(both[1], metric);

	if (!both[0].blocks && !both[0].bytes)
		return both[1].blocks || both[1].bytes ? DIFF_NEW : DIFF_UNCHANGED;
	if (!both[1].blocks && !both[1].bytes)
		return DIFF_GONE;
	if (a == b) {
		a = diff_other(both[0], metric);
		b = diff_other(both[1], metric);
	}
	return a == b ? DIFF_UNCHANGED : a < b ? DIFF_GROWN : DIFF_SHRUNK;
}

int diff_compare(const struct profile_amount l[2], const struct profile_amount r[2],
		 enum diff_metric metric)
{
	uint64_t a = diff_distance(diff_value(l[0], metric), diff_value(l[1], metric));
	uint64_t b = diff_distance(diff_value(r[0], metric), diff_value(r[1], metric));

	if (a == b) {
		a = diff_distance(diff_other(l[0], metric), diff_other(l[1], metric));
		b = diff_distance(diff_other(r[0], metric), diff_other(r[1], metric));
	}
	return a == b ? 0 : a < b ? 1 : -1;
}

static int by_change(const void *left, const void *right, void *metric)
{
	const struct diff_row *l = left, *r = right;
	int order = diff_compare(l->amount, r->amount, *(enum diff_metric *)metric);

	return order ? order : l->order < r->order ? -1 : l->order > r->order;
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

size_t diff_listed(const struct diff *d, const struct diff_options *o)
{
	return o->limit && o->limit < d->changed ? o->limit : d->changed;
}

int diff_row_side(const struct diff_row *row)
{
	return row->has[1] && row->status != DIFF_GONE;
}

static void settle(struct diff *d, const struct diff_options *o)
{
	enum diff_metric metric = o->metric;
	size_t count;

	d->changed = 0;
	for (size_t i = 0; i < d->count; i++) {
		struct diff_row row = d->rows[i];

		row.status = diff_status_of(row.amount, metric);
		d->status[row.status]++;
		d->rows[i] = row;
		if (row.status == DIFF_UNCHANGED)
			continue;
		d->rows[i] = d->rows[d->changed];
		d->rows[d->changed++] = row;
	}
	count = diff_listed(d, o);
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
	size_t count = diff_listed(w->ret, w->options);
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

int diff_page_init(struct diff_page *page, const struct profile *a,
		   const struct profile *b, const struct diff_options *o, size_t limit)
{
	*page = (struct diff_page){.profile = {a, b}, .options = *o};
	page->options.limit = limit;
	return diff_of(a, b, &page->options, &page->diff);
}

void diff_page_done(struct diff_page *page)
{
	diff_done(&page->diff);
}

#include "cli/report/top_rows.h"

#include "cli/base/array.h"
#include "cli/report/calls.h"
#include "cli/report/ending.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* A temporary block's free may be in a range of time that its allocation is not in. */
static bool has_blocks(const struct view_sums *s)
{
	return s->temporary.blocks || s->allocated.blocks || s->peak.blocks ||
	       s->leaked.blocks || s->runtime.blocks;
}

/* Room for one more label than was known. */
static int widen(struct top_rows *r, size_t count)
{
	int err = array_reserve(&r->sums, &r->sums_room, count);

	if (!err && r->by == TOP_FUNCTION)
		err = array_reserve(&r->inclusive, &r->inclusive_room, count);
	return err;
}

/* ---- by code ------------------------------------------------------------- */

static enum labels_kind kind_of(enum top_by by)
{
	switch (by) {
	case TOP_FUNCTION:
		return LABELS_FUNCTION;
	case TOP_FILE:
		return LABELS_FILE;
	case TOP_MODULE:
		return LABELS_MODULE;
	default:
		return LABELS_LINE;
	}
}

static int sum_sites(struct top_rows *r)
{
	const struct profile *p = r->view.profile;

	for (size_t i = 0; i < p->site_count; i++) {
		struct frames_frame frame;
		struct view_sums one;
		uint32_t label;

		if (!view_site(&r->view, i, &one) || !has_blocks(&one))
			continue;
		frame = r->by == TOP_MODULE
				? view_caller(&r->view, p->sites[i].stack)
				: view_site_frame(&r->view, p->sites[i].stack);
		label = labels_of(&r->labels, &frame);
		if (label == UINT32_MAX || widen(r, r->labels.count) < 0)
			return -ENOMEM;
		view_add(&r->sums[label], &one);
		view_add(&r->total, &one);
	}
	return 0;
}

/* The walk that gives each function what was allocated below it: while a function is
 * on the path, its outermost frame alone takes sums. */
struct inclusion {
	struct top_rows *rows;
	uint32_t *on_path; /* by label */
	size_t room;
	int err;
};

/* The label of a frame, with room for it everywhere. UINT32_MAX: without memory. */
static uint32_t counted_label(struct inclusion *in, const struct frames_frame *frame)
{
	uint32_t label = labels_of(&in->rows->labels, frame);

	if (label < in->room && label < in->rows->inclusive_room)
		return label;
	if (label == UINT32_MAX ||
	    array_reserve(&in->on_path, &in->room, label + 1ul) < 0 ||
	    widen(in->rows, label + 1ul) < 0) {
		in->err = -ENOMEM;
		return UINT32_MAX;
	}
	return label;
}

static void enter(void *context, uint32_t node, size_t depth)
{
	struct inclusion *in = context;
	struct frames_walk walk = frames_of(in->rows->view.profile, node);
	struct frames_frame frame;

	(void)depth;
	while (!in->err && walk.stack == node && frames_next(&walk, &frame)) {
		uint32_t label = counted_label(in, &frame);

		if (label != UINT32_MAX)
			in->on_path[label]++;
	}
}

static void leave(void *context, uint32_t node, const struct view_sums *sums)
{
	struct inclusion *in = context;
	struct frames_walk walk = frames_of(in->rows->view.profile, node);
	struct frames_frame frame;

	while (!in->err && walk.stack == node && frames_next(&walk, &frame)) {
		uint32_t label = labels_of(&in->rows->labels, &frame);

		if (!--in->on_path[label])
			view_add(&in->rows->inclusive[label], sums);
	}
}

static int sum_inclusive(struct top_rows *r)
{
	static const struct calls_visitor visitor = {enter, leave};
	struct inclusion in = {.rows = r};
	struct calls calls;
	int err = calls_init(&calls, &r->view);

	if (!err)
		err = calls_walk(&calls, &visitor, &in);
	calls_done(&calls);
	free(in.on_path);
	if (!err)
		err = in.err;
	/* What has no stack was allocated below nothing. */
	if (!err && widen(r, r->labels.count) < 0)
		err = -ENOMEM;
	if (!err)
		view_add(&r->inclusive[LABELS_NONE], &r->sums[LABELS_NONE]);
	return err;
}

static int by_code(struct top_rows *r)
{
	int err = labels_init(&r->labels, r->view.profile, kind_of(r->by));

	if (!err)
		err = view_owners(&r->view);
	if (!err)
		err = sum_sites(r);
	if (!err && r->by == TOP_FUNCTION)
		err = sum_inclusive(r);
	r->count = r->labels.count;
	return err;
}

/* ---- by stack ------------------------------------------------------------ */

/* A stack is a row, whichever processes it was met in. */
static int sum_stacks(struct top_rows *r, uint32_t *row_of)
{
	const struct profile *p = r->view.profile;

	for (size_t i = 0; i < p->site_count; i++) {
		uint32_t stack = p->sites[i].stack;
		struct view_sums one;

		if (!view_site(&r->view, i, &one) || !has_blocks(&one))
			continue;
		if (!row_of[stack]) {
			if (widen(r, r->count + 1) < 0 ||
			    array_reserve(&r->stacks, &r->stacks_room, r->count + 1) <
				    0)
				return -ENOMEM;
			r->stacks[r->count++] = stack;
			row_of[stack] = (uint32_t)r->count;
		}
		view_add(&r->sums[row_of[stack] - 1], &one);
		view_add(&r->total, &one);
	}
	return 0;
}

static int by_stack(struct top_rows *r)
{
	uint32_t *row_of = calloc(r->view.profile->stack_count + 1, sizeof(*row_of));
	int err = row_of ? view_owners(&r->view) : -ENOMEM;

	if (!err)
		err = sum_stacks(r, row_of);
	free(row_of);
	return err;
}

/* "fill (a.c:37) < main:64": from the frame that stands for the stack outwards. */
static void name_stack(const struct top_rows *r, uint32_t stack, char *buffer,
		       size_t room)
{
	struct frames_walk walk = frames_of(r->view.profile, stack);
	struct frames_frame chief, frame;
	char name[LABELS_TEXT], other[LABELS_TEXT];
	bool begun = !frames_chief(r->view.owners, stack, &chief);
	size_t used;

	snprintf(buffer, room, "%s",
		 frames_site(r->view.owners, stack, name, sizeof(name)));
	while (frames_next(&walk, &frame)) {
		bool here = begun;

		begun = begun ||
			(frame.stack == chief.stack && frame.code == chief.code);
		used = strlen(buffer);
		if (!here || used + 4 >= room)
			continue;
		snprintf(buffer + used, room - used, " < %s",
			 frames_short_name(frames_name(r->view.profile, &frame, name,
						       sizeof(name)),
					   other, sizeof(other)));
		used = strlen(buffer);
		if (frame.code && frame.code->line)
			snprintf(buffer + used, room - used, ":%" PRIu32,
				 frame.code->line);
	}
}

/* ---- by process and domain ------------------------------------------------ */

static int by_process(struct top_rows *r)
{
	const struct profile *p = r->view.profile;

	if (widen(r, p->process_count + 1) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < p->site_count; i++) {
		struct view_sums one;

		if (!view_site(&r->view, i, &one))
			continue;
		view_add(&r->sums[scope_process(&r->view.scope, &p->sites[i])], &one);
		view_add(&r->total, &one);
	}
	r->count = p->process_count;
	return 0;
}

static int by_domain(struct top_rows *r, const struct scope_options *o)
{
	if (widen(r, PROFILE_DOMAINS) < 0)
		return -ENOMEM;
	for (unsigned d = 0; d < PROFILE_DOMAINS; d++) {
		struct scope_options one = *o;
		struct view view;
		int err;

		one.domain = (enum profile_domain)d;
		err = view_init(&view, r->view.profile, &one);
		if (!err)
			r->sums[d] = view_total(&view);
		view_done(&view);
		if (err < 0)
			return err;
	}
	r->total = r->sums[PROFILE_MALLOC];
	r->count = PROFILE_DOMAINS;
	return 0;
}

/* ---- order --------------------------------------------------------------- */

struct ranking {
	const struct top_rows *rows;
	enum view_metric sort;
};

static int compare(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

/* Among equals: by words, so that another recording of the same has the same order. */
static int by_words(const struct top_rows *r, uint32_t left, uint32_t right)
{
	char a[LABELS_TEXT], b[LABELS_TEXT];
	int order = 0;

	if (r->by <= TOP_MODULE)
		order = strcmp(top_rows_name(r, left, LABELS_WHOLE, a, sizeof(a)),
			       top_rows_name(r, right, LABELS_WHOLE, b, sizeof(b)));
	return order ? order : compare(left, right);
}

static int by_rank(const void *left, const void *right, void *context)
{
	const struct ranking *k = context;
	uint32_t i = *(const uint32_t *)left, j = *(const uint32_t *)right;
	const struct view_sums *a = &k->rows->sums[i], *b = &k->rows->sums[j];
	int order = compare(view_value(b, k->sort), view_value(a, k->sort));

	if (!order && k->rows->inclusive)
		order = compare(view_value(&k->rows->inclusive[j], k->sort),
				view_value(&k->rows->inclusive[i], k->sort));
	if (!order)
		order = compare(b->allocated.bytes, a->allocated.bytes);
	if (!order)
		order = compare(b->allocated.blocks, a->allocated.blocks);
	return order ? order : by_words(k->rows, i, j);
}

static int arrange(struct top_rows *r, enum view_metric sort)
{
	struct ranking ranking = {r, sort};
	size_t all = r->count;

	r->order = calloc(all + 1, sizeof(*r->order));
	if (!r->order || widen(r, all) < 0)
		return -ENOMEM;
	r->count = 0;
	for (size_t i = 0; i < all; i++)
		if (has_blocks(&r->sums[i]) ||
		    (r->inclusive && has_blocks(&r->inclusive[i])))
			r->order[r->count++] = (uint32_t)i;
	if (r->by != TOP_DOMAIN)
		qsort_r(r->order, r->count, sizeof(*r->order), by_rank, &ranking);
	return 0;
}

int top_rows_init(struct top_rows *r, const struct profile *p,
		  const struct top_options *o)
{
	int err;

	*r = (struct top_rows){.by = o->by};
	err = view_init(&r->view, p, &o->scope);
	if (err < 0)
		return err;
	if (r->by == TOP_DOMAIN)
		err = by_domain(r, &o->scope);
	else if (r->by == TOP_PROCESS)
		err = by_process(r);
	else if (r->by == TOP_STACK)
		err = by_stack(r);
	else
		err = by_code(r);
	return err < 0 ? err : arrange(r, o->sort);
}

void top_rows_done(struct top_rows *r)
{
	view_done(&r->view);
	labels_done(&r->labels);
	free(r->sums);
	free(r->inclusive);
	free(r->stacks);
	free(r->order);
	*r = (struct top_rows){0};
}

static void name_process(const struct profile *p, const struct profile_process *q,
			 char *buffer, size_t room)
{
	int n = snprintf(buffer, room, "%d %s", (int)q->pid,
			 strings_get(&p->strings, q->command));

	if (q->counted && n > 0 && (size_t)n < room)
		snprintf(buffer + n, room - (size_t)n, " (%s)", ending_of(q).text);
}

const char *top_rows_name(const struct top_rows *r, uint32_t row,
			  enum labels_detail detail, char *buffer, size_t room)
{
	static const char *const domains[PROFILE_DOMAINS] = {
		[PROFILE_MALLOC] = "malloc",
		[PROFILE_MMAP] = "mmap (not part of the total)",
		[PROFILE_POOL] = "pool (not part of the total)",
		[PROFILE_ARENA] = "arena (not part of the total)",
	};
	const struct profile *p = r->view.profile;

	if (r->by == TOP_DOMAIN)
		snprintf(buffer, room, "%s", domains[row]);
	else if (r->by == TOP_PROCESS)
		name_process(p, &p->processes[row], buffer, room);
	else if (r->by == TOP_STACK)
		name_stack(r, r->stacks[row], buffer, room);
	else
		return labels_text(&r->labels, row, detail, buffer, room);
	return buffer;
}

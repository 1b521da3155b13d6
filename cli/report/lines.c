#include "cli/report/lines.h"

#include "cli/base/cleanup.h"
#include "cli/report/lines_report.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

enum {
	/* A function that claims more lines has only those with events shown. */
	RANGE_LIMIT = 100000,
};

/* ---- selection ----------------------------------------------------------- */

static bool file_matches(const char *pattern, const char *file)
{
	size_t len = strlen(pattern), file_len = strlen(file);

	if (!fnmatch(pattern, file, 0) || !fnmatch(pattern, frames_base(file), 0))
		return true;
	/* The end of a path, whole parts only: "src/a.c" of "/src/u/src/a.c". */
	return len < file_len && !strcmp(file + file_len - len, pattern) &&
	       (*pattern == '/' || file[file_len - len - 1] == '/');
}

static bool selected(const struct lines_report *r, const struct lines_options *o,
		     const struct lines_function *f)
{
	const struct strings *s = &r->sums.view.profile->strings;

	if (!view_has_event(&f->sum))
		return false;
	if (o->function && regexec(o->function, strings_get(s, f->name), 0, NULL, 0))
		return false;
	return !o->file || file_matches(o->file, strings_get(s, f->file));
}

static void choose(struct lines_report *r, const struct lines_options *o,
		   bool everything)
{
	bool named = o->function || o->file || o->all || everything;
	bool any_own = false;

	for (size_t i = 0; i < r->sums.function_count; i++) {
		const struct lines_function *f = &r->sums.functions[i];

		any_own |= f->own && view_has_event(&f->sum);
	}
	for (size_t i = 0; i < r->sums.function_count; i++) {
		const struct lines_function *f = &r->sums.functions[i];

		if (selected(r, o, f) && (named || f->own || !any_own))
			r->ranked[r->chosen++] = (uint32_t)i;
	}
	r->fell_back = !named && !any_own;
}

/* Functions without lines: the program's own, or all. */
static void choose_plain(struct lines_report *r, const struct lines_options *o)
{
	const struct lines_sums *s = &r->sums;

	for (uint32_t i = 1; i < s->labels.count && i < s->plain_room && !o->file;
	     i++) {
		char name[LINES_NAME];

		if (!view_has_event(&s->plain[i].sum) || (!o->all && !s->plain[i].own))
			continue;
		labels_text(&s->labels, i, LABELS_FULL, name, sizeof(name));
		if (!o->function || !regexec(o->function, name, 0, NULL, 0))
			r->plain[r->plain_chosen++] = i;
	}
}

/* ---- order --------------------------------------------------------------- */

static uint64_t rank_value(const struct view_sums *s, enum lines_sort sort)
{
	switch (sort) {
	case LINES_BY_LEAKED:
		return s->leaked.bytes;
	case LINES_BY_ALLOCATED:
		return s->allocated.bytes;
	case LINES_BY_TEMPORARY:
		return s->temporary.bytes;
	case LINES_BY_PLACE:
		return 0;
	default:
		return s->peak.bytes;
	}
}

static int compare(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

static int by_place(const struct lines_report *r, const struct lines_function *a,
		    const struct lines_function *b)
{
	const struct profile *p = r->sums.view.profile;
	const struct strings *s = &p->strings;
	int order = strcmp(strings_get(s, a->file), strings_get(s, b->file));

	if (!order)
		order = compare(a->first, b->first);
	if (!order)
		order = strcmp(strings_get(s, a->name), strings_get(s, b->name));
	return order ? order : compare(a->module, b->module);
}

static int by_rank(const void *left, const void *right, void *context)
{
	const struct lines_report *r = context;
	const struct lines_function *all = r->sums.functions;
	const struct lines_function *a = &all[*(const uint32_t *)left];
	const struct lines_function *b = &all[*(const uint32_t *)right];
	int order = 0;

	if (r->sort == LINES_BY_PLACE)
		return by_place(r, a, b);
	if (r->marked[a - all] != r->marked[b - all])
		return r->marked[a - all] ? -1 : 1;
	order = compare(rank_value(&b->sum, r->sort), rank_value(&a->sum, r->sort));
	if (!order)
		order = compare(b->sum.allocated.bytes, a->sum.allocated.bytes);
	if (!order)
		order = compare(r->sums.depth[b - all], r->sums.depth[a - all]);
	return order ? order : by_place(r, a, b);
}

static int by_plain_rank(const void *left, const void *right, void *context)
{
	const struct lines_report *r = context;
	uint32_t i = *(const uint32_t *)left, j = *(const uint32_t *)right;
	const struct view_sums *a = &r->sums.plain[i].sum, *b = &r->sums.plain[j].sum;
	char one[LINES_NAME], other[LINES_NAME];
	int order = compare(rank_value(b, r->sort), rank_value(a, r->sort));

	if (!order)
		order = compare(b->allocated.bytes, a->allocated.bytes);
	if (order)
		return order;
	return strcmp(
		labels_text(&r->sums.labels, i, LABELS_FULL, one, sizeof(one)),
		labels_text(&r->sums.labels, j, LABELS_FULL, other, sizeof(other)));
}

bool lines_names_itself(const struct lines_report *r, const struct lines_function *f)
{
	const struct profile *p = r->sums.view.profile;
	const char *name = strings_get(&p->strings, f->name);
	size_t len = strlen(name);

	return frames_is_python(p, f->module) && len && name[len - 1] != '>';
}

/* Whether a line, of len bytes, is the decorator of memory_profiler's, or of a line
 * profiler's in whose place it stands; *ret_decorator: whether it is one at all. */
static bool is_mark(const char *text, size_t len, bool *ret_decorator)
{
	static const char *const marks[] = {"@profile", "@memory_profiler.profile"};
	size_t blank = strspn(text, " \t");

	*ret_decorator = blank < len && text[blank] == '@';
	for (size_t i = 0; i < sizeof(marks) / sizeof(*marks); i++) {
		size_t n = strlen(marks[i]);

		if (blank + n <= len && !strncmp(text + blank, marks[i], n) &&
		    (blank + n == len || strchr("( \t\r\n#", text[blank + n])))
			return true;
	}
	return false;
}

/* A Python function begins with its decorators. */
static void mark(struct lines_report *r)
{
	for (size_t i = 0; i < r->sums.function_count; i++) {
		const struct lines_function *f = &r->sums.functions[i];
		bool more = lines_names_itself(r, f);

		for (uint32_t line = f->first; more && line <= f->last; line++) {
			size_t len = 0;
			const char *text =
				lines_source_text(&r->source, f->file, line, &len);

			more = false;
			r->marked[i] |= text && is_mark(text, len, &more);
		}
	}
}

void lines_report_done(struct lines_report *r)
{
	lines_sums_done(&r->sums);
	lines_source_done(&r->source);
	free(r->ranked);
	free(r->marked);
	free(r->plain);
}

int lines_report_init(struct lines_report *r, const struct profile *p,
		      const struct lines_options *o, bool everything)
{
	int err;

	*r = (struct lines_report){.sort = o->sort};
	if (!r->sort)
		r->sort = o->file ? LINES_BY_PLACE : LINES_BY_PEAK;
	err = lines_sums_init(&r->sums, p, &o->scope, o->fold);
	if (!err)
		err = lines_source_init(&r->source, p);
	if (err < 0)
		return err;
	r->ranked = calloc(r->sums.function_count + 1, sizeof(*r->ranked));
	r->plain = calloc(r->sums.labels.count + 1, sizeof(*r->plain));
	r->marked = calloc(r->sums.function_count + 1, sizeof(*r->marked));
	if (!r->ranked || !r->plain || !r->marked)
		return -ENOMEM;
	mark(r);
	choose(r, o, everything);
	choose_plain(r, o);
	qsort_r(r->ranked, r->chosen, sizeof(*r->ranked), by_rank, r);
	qsort_r(r->plain, r->plain_chosen, sizeof(*r->plain), by_plain_rank, r);
	return 0;
}

/* ---- the lines of one function ------------------------------------------- */

static bool has_range(const struct lines_function *f)
{
	return f->first && f->last >= f->first && f->last - f->first < RANGE_LIMIT;
}

bool lines_step(const struct lines_sums *s, const struct lines_function *f,
		bool nonzero, struct lines_steps *at)
{
	const struct lines_line *next = NULL;
	uint64_t plain = UINT64_MAX; /* the next line of the range */

	while (at->at < f->lines) {
		next = &s->lines[s->order[f->first_line + at->at]];
		if (view_has_event(&next->sum))
			break;
		next = NULL;
		at->at++;
	}
	if (has_range(f) && !nonzero) {
		plain = at->started ? (uint64_t)at->number + 1 : f->first;
		if (plain < f->first)
			plain = f->first;
		if (plain > f->last)
			plain = UINT64_MAX;
	}
	at->line = NULL;
	if (next && next->number <= plain) {
		at->line = next;
		at->number = next->number;
		at->at++;
	} else if (plain != UINT64_MAX) {
		at->number = (uint32_t)plain;
	} else {
		return false;
	}
	at->started = true;
	return true;
}

/* ---- options ------------------------------------------------------------- */

const struct lines_column_name lines_columns[LINES_COLUMNS] = {
	{LINES_ALLOCATED, "allocated", "Allocated"},
	{LINES_FREED, "freed", "Freed"},
	{LINES_PEAK, "peak", "At peak"},
	{LINES_LEAKED, "leaked", "Leaked"},
	{LINES_TEMPORARY, "temporary", "Temporary"},
};

static const char *const sort_names[] = {
	[LINES_BY_PEAK] = "peak",	    [LINES_BY_LEAKED] = "leaked",
	[LINES_BY_ALLOCATED] = "allocated", [LINES_BY_TEMPORARY] = "temporary",
	[LINES_BY_PLACE] = "line",
};

bool lines_parse_columns(const char *text, unsigned *ret)
{
	unsigned bits = 0;

	if (!strcmp(text, "all")) {
		*ret = LINES_ALL_COLUMNS;
		return true;
	}
	for (;;) {
		size_t len = strcspn(text, ","), i = 0;

		while (i < LINES_COLUMNS &&
		       (strlen(lines_columns[i].name) != len ||
			strncmp(lines_columns[i].name, text, len) != 0))
			i++;
		if (i == LINES_COLUMNS)
			return false;
		bits |= lines_columns[i].bit;
		if (!text[len])
			break;
		text += len + 1;
	}
	*ret = bits;
	return true;
}

bool lines_parse_sort(const char *text, enum lines_sort *ret)
{
	for (size_t i = LINES_BY_PEAK; i < sizeof(sort_names) / sizeof(sort_names[0]);
	     i++)
		if (!strcmp(text, sort_names[i])) {
			*ret = (enum lines_sort)i;
			return true;
		}
	return false;
}

#include "cli/report/lines.h"

#include "cli/base/cleanup.h"
#include "cli/base/json.h"
#include "cli/base/units.h"
#include "cli/report/cut.h"
#include "cli/report/estimate.h"
#include "cli/report/lines_source.h"
#include "cli/report/lines_sums.h"
#include "cli/report/losses.h"
#include "cli/report/python.h"
#include "cli/report/text.h"

#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <string.h>

enum {
	/* A function that claims more lines has only those with events shown. */
	RANGE_LIMIT = 100000,
	NAME_ROOM = 1024,
};

struct report {
	struct lines_sums sums;
	struct lines_source source;
	uint32_t *ranked; /* functions chosen, the most important first */
	bool *marked;	  /* of all functions: decorated with @profile */
	uint32_t *plain;  /* labels of functions without lines, likewise */
	size_t chosen, plain_chosen;
	enum lines_sort sort;
	bool fell_back; /* there is no code of the program's own */
};

static int64_t increment(const struct view_sums *s)
{
	return (int64_t)(s->allocated.bytes - s->freed.bytes);
}

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

static bool selected(const struct report *r, const struct lines_options *o,
		     const struct lines_function *f)
{
	const struct strings *s = &r->sums.view.profile->strings;

	if (!view_has_event(&f->sum))
		return false;
	if (o->function && regexec(o->function, strings_get(s, f->name), 0, NULL, 0))
		return false;
	return !o->file || file_matches(o->file, strings_get(s, f->file));
}

static void choose(struct report *r, const struct lines_options *o, bool everything)
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
static void choose_plain(struct report *r, const struct lines_options *o)
{
	const struct lines_sums *s = &r->sums;

	for (uint32_t i = 1; i < s->labels.count && i < s->plain_room && !o->file;
	     i++) {
		char name[NAME_ROOM];

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

static int by_place(const struct report *r, const struct lines_function *a,
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
	const struct report *r = context;
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
	const struct report *r = context;
	uint32_t i = *(const uint32_t *)left, j = *(const uint32_t *)right;
	const struct view_sums *a = &r->sums.plain[i].sum, *b = &r->sums.plain[j].sum;
	char one[NAME_ROOM], other[NAME_ROOM];
	int order = compare(rank_value(b, r->sort), rank_value(a, r->sort));

	if (!order)
		order = compare(b->allocated.bytes, a->allocated.bytes);
	if (order)
		return order;
	return strcmp(
		labels_text(&r->sums.labels, i, LABELS_FULL, one, sizeof(one)),
		labels_text(&r->sums.labels, j, LABELS_FULL, other, sizeof(other)));
}

/* A Python function's listing begins with its `def`, as memory_profiler's do; others
 * (lambdas, comprehensions, a file's own code) need their name said. */
static bool names_itself(const struct report *r, const struct lines_function *f)
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
static void mark(struct report *r)
{
	for (size_t i = 0; i < r->sums.function_count; i++) {
		const struct lines_function *f = &r->sums.functions[i];
		bool more = names_itself(r, f);

		for (uint32_t line = f->first; more && line <= f->last; line++) {
			size_t len = 0;
			const char *text = lines_source_text(&r->source, f->file, line,
							     &len);

			more = false;
			r->marked[i] |= text && is_mark(text, len, &more);
		}
	}
}

static void report_done(struct report *r)
{
	lines_sums_done(&r->sums);
	lines_source_done(&r->source);
	free(r->ranked);
	free(r->marked);
	free(r->plain);
}

/* everything: functions that are not the program's own, too. */
static int report_init(struct report *r, const struct profile *p,
		       const struct lines_options *o, bool everything)
{
	int err;

	*r = (struct report){.sort = o->sort};
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

/* Steps through a function's lines: those of its range and those with events, in
 * order. Starts zeroed. */
struct steps {
	uint32_t number;	       /* the line's */
	const struct lines_line *line; /* NULL: no event there */
	uint32_t at;		       /* into the function's lines */
	bool started;
};

static bool has_range(const struct lines_function *f)
{
	return f->first && f->last >= f->first && f->last - f->first < RANGE_LIMIT;
}

static bool step(const struct lines_sums *s, const struct lines_function *f,
		 bool nonzero, struct steps *at)
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

/* ---- text ---------------------------------------------------------------- */

static const struct {
	unsigned bit;
	const char *name, *title;
} columns[] = {
	{LINES_ALLOCATED, "allocated", "Allocated"},
	{LINES_FREED, "freed", "Freed"},
	{LINES_PEAK, "peak", "At peak"},
	{LINES_LEAKED, "leaked", "Leaked"},
	{LINES_TEMPORARY, "temporary", "Temporary"},
};

enum { COLUMNS = sizeof(columns) / sizeof(columns[0]) };

static int64_t column_value(const struct view_sums *s, unsigned bit)
{
	switch (bit) {
	case LINES_ALLOCATED:
		return (int64_t)s->allocated.bytes;
	case LINES_FREED:
		return (int64_t)s->freed.bytes;
	case LINES_PEAK:
		return (int64_t)s->peak.bytes;
	case LINES_LEAKED:
		return (int64_t)s->leaked.bytes;
	default:
		return (int64_t)s->temporary.bytes;
	}
}

/* As units_mib(), with the digits that are wanted; never "-0.0 MiB". */
static struct units_text amount(const struct lines_options *o, int64_t bytes)
{
	unsigned digits = o->precise ? o->precision : 1;
	double mib = (double)bytes / (1 << 20);
	struct units_text t;

	if (o->bytes) {
		snprintf(t.text, sizeof(t.text), "%" PRId64, bytes);
		return t;
	}
	snprintf(t.text, sizeof(t.text), "%.*f MiB", (int)digits, mib);
	if (t.text[0] == '-' && strspn(t.text + 1, "0.") == strcspn(t.text + 1, " "))
		memmove(t.text, t.text + 1, strlen(t.text));
	return t;
}

static void put_rule(int length, FILE *out)
{
	while (length-- > 0)
		fputc('=', out);
	fputc('\n', out);
}

/* Of the column of what was live at the peak, or at another moment. */
static const char *peak_title(const struct profile *p)
{
	return p->slice.has_moment ? "Live" : "At peak";
}

static void put_header(const struct report *r, const struct lines_options *o,
		       bool lines, FILE *out)
{
	char header[256];
	int at = snprintf(header, sizeof(header), "%6s %12s %12s  %10s",
			  lines ? "Line #" : "", "Mem usage", "Increment",
			  "Occurrences");

	for (size_t i = 0; i < COLUMNS; i++)
		if (o->columns & columns[i].bit)
			at += snprintf(header + at, sizeof(header) - (size_t)at,
				       " %12s",
				       columns[i].bit == LINES_PEAK
					       ? peak_title(r->sums.view.profile)
					       : columns[i].title);
	at += snprintf(header + at, sizeof(header) - (size_t)at, "   %s",
		       lines ? "Line Contents" : "Function");
	text_style(out, o->colour, TEXT_BOLD);
	fprintf(out, "%s\n", header);
	text_style(out, o->colour, TEXT_PLAIN);
	put_rule(at, out);
}

/* Whether the last event of the line is known. */
static bool is_known(const struct view_sums *s)
{
	return s && s->last_live != PROFILE_UNKNOWN;
}

/* A row up to the line's contents. The header's "Occurrences" is one wider than its
 * column, as in memory_profiler; the columns on request stand right under theirs. */
static void put_numbers(const struct lines_options *o, uint32_t number,
			const struct view_sums *s, FILE *out)
{
	char occurrences[24] = "", line[16] = "";

	if (s)
		snprintf(occurrences, sizeof(occurrences), "%" PRIu64,
			 s->allocated.blocks);
	if (number)
		snprintf(line, sizeof(line), "%" PRIu32, number);
	fprintf(out, "%6s %12s %12s  %10s", line,
		is_known(s) ? amount(o, (int64_t)s->last_live).text : "",
		s ? amount(o, increment(s)).text : "", occurrences);
	for (size_t i = 0, shift = 1; i < COLUMNS; i++) {
		if (!(o->columns & columns[i].bit))
			continue;
		fprintf(out, "%*s %12s", (int)shift, "",
			s ? amount(o, column_value(s, columns[i].bit)).text : "");
		shift = 0;
	}
	fputs("   ", out);
}

static void put_row(struct report *r, const struct lines_options *o,
		    const struct lines_function *f, const struct steps *at, FILE *out)
{
	size_t len = 0;
	const char *text = lines_source_text(&r->source, f->file, at->number, &len);

	if (!at->line)
		text_style(out, o->colour, TEXT_DIM);
	put_numbers(o, at->number, at->line ? &at->line->sum : NULL, out);
	if (text)
		text_put_source(out, text, len);
	if (!at->line)
		text_style(out, o->colour, TEXT_PLAIN);
	fputc('\n', out);
}

/* "libone.so", or as much more as it takes to tell it from another. */
static void put_module(const struct report *r, uint32_t module, FILE *out)
{
	const struct profile *p = r->sums.view.profile;
	const struct profile_module *m = module ? &p->modules[module - 1] : NULL;
	const char *path = m ? strings_get(&p->strings, m->path) : "";
	bool same_base = false, same_path = false;

	for (uint32_t i = 1; i <= p->module_count && m; i++) {
		const char *other = strings_get(&p->strings, p->modules[i - 1].path);

		if (labels_module(&r->sums.labels, i) != i || i == module)
			continue;
		same_path |= p->modules[i - 1].path == m->path;
		same_base |= !strcmp(frames_base(other), frames_base(path));
	}
	text_put(out, !*path ? "the executable" : same_base ? path : frames_base(path));
	if (same_path) {
		const char *build = strings_get(&p->strings, m->build_id);

		fputs(*build ? ", build " : ", without build id", out);
		text_put(out, build);
	}
}

static void put_function_name(const struct report *r, const struct lines_options *o,
			      const struct lines_function *f, FILE *out)
{
	const char *name = strings_get(&r->sums.view.profile->strings, f->name);
	char buffer[NAME_ROOM];

	if (f->instances > 1)
		name = frames_short_name(name, buffer, sizeof(buffer));
	fputs("Function: ", out);
	text_style(out, o->colour, TEXT_BOLD);
	text_put(out, *name ? name : "(unknown)");
	text_style(out, o->colour, TEXT_PLAIN);
	if (!frames_is_python(r->sums.view.profile, f->module)) {
		fputs(" in ", out);
		put_module(r, f->module, out);
	}
	if (f->instances > 1)
		fprintf(out, ", %" PRIu32 " instantiations together", f->instances);
}

static void put_function(struct report *r, const struct lines_options *o,
			 const struct lines_function *f, FILE *out)
{
	bool sourced = lines_source_known(&r->source, f->file);
	bool named = sourced && names_itself(r, f);
	struct steps at = {0};

	fputs("Filename: ", out);
	text_put(out, strings_get(&r->sums.view.profile->strings, f->file));
	fputc('\n', out);
	if (!named)
		put_function_name(r, o, f, out);
	if (!sourced)
		fputs("\n(the profile has no source of this file: only lines with "
		      "events are shown)",
		      out);
	fputs(named ? "\n" : "\n\n", out);
	put_header(r, o, true, out);
	while (step(&r->sums, f, o->nonzero || !sourced, &at))
		put_row(r, o, f, &at, out);
	fputc('\n', out);
}

/* ---- functions without lines ------------------------------------------------ */

static size_t plain_shown(const struct report *r, const struct lines_options *o)
{
	size_t limit = o->limit;

	if (!limit)
		limit = o->all || o->function ? SIZE_MAX : LINES_LIMIT;
	return limit < r->plain_chosen ? limit : r->plain_chosen;
}

static void put_plain(const struct report *r, const struct lines_options *o, FILE *out)
{
	size_t shown = plain_shown(r, o);

	if (!shown)
		return;
	fputs("Without line information (compile with -g, do not strip), by function "
	      "or place:\n\n",
	      out);
	put_header(r, o, false, out);
	for (size_t i = 0; i < shown; i++) {
		char name[NAME_ROOM];

		put_numbers(o, 0, &r->sums.plain[r->plain[i]].sum, out);
		text_put(out, labels_text(&r->sums.labels, r->plain[i], LABELS_SHORT,
					  name, sizeof(name)));
		fputc('\n', out);
	}
	if (shown < r->plain_chosen)
		fprintf(out, "%*s... %zu more; -n COUNT shows more\n", 48, "",
			r->plain_chosen - shown);
	fputc('\n', out);
}

/* ---- around the functions ---------------------------------------------------- */

static const char *const sort_names[] = {
	[LINES_BY_PEAK] = "peak",	    [LINES_BY_LEAKED] = "leaked",
	[LINES_BY_ALLOCATED] = "allocated", [LINES_BY_TEMPORARY] = "temporary",
	[LINES_BY_PLACE] = "line",
};

static const char *const sort_phrases[] = {
	[LINES_BY_PEAK] = "by bytes at the peak",
	[LINES_BY_LEAKED] = "by bytes never freed",
	[LINES_BY_ALLOCATED] = "by bytes allocated",
	[LINES_BY_TEMPORARY] = "by bytes of temporary blocks",
	[LINES_BY_PLACE] = "in the order of their files and lines",
};

static void put_heading(const struct report *r, const struct lines_options *o,
			FILE *out)
{
	const struct view *v = &r->sums.view;
	static const char *const amounts[PROFILE_DOMAINS] = {
		[PROFILE_MALLOC] = "live heap",
		[PROFILE_MMAP] = "mapped bytes",
		[PROFILE_POOL] = "live bytes of pools",
	};

	text_style(out, o->colour, TEXT_BOLD);
	fprintf(out, "Line report of %s, %s\n",
		python_domain(v->profile, o->scope.domain),
		cut_period(v->profile).text);
	text_style(out, o->colour, TEXT_PLAIN);
	fprintf(out, "Mem usage: %s of the process after the last event at the line.\n",
		amounts[o->scope.domain]);
	if (v->profile->free_stacks)
		fputs("Increment: bytes allocated minus bytes freed by code at the "
		      "line and what it calls.\n",
		      out);
	else
		fputs("Increment: bytes allocated by code at the line and what it "
		      "calls; frees were recorded\nwithout their stacks "
		      "(--no-free-stacks): nothing is subtracted.\n",
		      out);
	fputs("Occurrences: allocations.", out);
	if (o->columns & (LINES_PEAK | LINES_LEAKED | LINES_TEMPORARY))
		fputc('\n', out);
	if (o->columns & LINES_PEAK)
		fprintf(out, "%s: live at %s. ", peak_title(v->profile),
			view_peak_phrase(v));
	if (o->columns & LINES_LEAKED)
		fputs("Leaked: never freed, runtime blocks apart. ", out);
	if (o->columns & LINES_TEMPORARY)
		fputs("Temporary: freed by the thread's next event.", out);
	if (r->sort == LINES_BY_PEAK && v->profile->slice.has_moment)
		fprintf(out, "\nFunctions by bytes live at %s", view_peak_phrase(v));
	else
		fprintf(out, "\nFunctions %s", sort_phrases[r->sort]);
	if (r->sort == LINES_BY_PEAK && !v->profile->slice.has_moment)
		fprintf(out, " (%s)", view_peak_phrase(v));
	fputs(".\n", out);
	losses_text(v->profile, o->colour, out);
	fputc('\n', out);
}

static void put_nothing(const struct report *r, const struct lines_options *o,
			FILE *out)
{
	if (o->function || o->file)
		fputs("No function with line information matches and has events.\n",
		      out);
	else if (o->scope.focus || o->scope.ignore)
		fputs("No event in the stacks that --focus and --ignore leave has line "
		      "information.\n",
		      out);
	else if (!r->sums.function_count)
		fputs("Nothing here has line information. Compile the program with -g "
		      "and record it again;\n`heapline report` needs none.\n",
		      out);
	else
		fputs("No function with line information has events.\n", out);
}

static bool all_small(const struct report *r, size_t shown)
{
	enum { SMALL = 52428 }; /* shown as 0.0 MiB */

	for (size_t i = 0; i < shown; i++) {
		const struct view_sums *s = &r->sums.functions[r->ranked[i]].sum;

		if (s->allocated.bytes > SMALL || s->freed.bytes > SMALL ||
		    (is_known(s) && s->last_live > SMALL))
			return false;
	}
	return shown > 0;
}

static void put_footing(const struct report *r, const struct lines_options *o,
			size_t shown, FILE *out)
{
	if (r->fell_back && shown)
		fputs("None of this is the program's own code with line information, "
		      "as far as paths tell:\nshown is all that has some.\n",
		      out);
	if (shown < r->chosen)
		fprintf(out,
			"%zu more function%s with events: --all shows every one, -n "
			"COUNT more of them,\n--function REGEX and --file NAME those "
			"you name.\n",
			r->chosen - shown, r->chosen - shown == 1 ? "" : "s");
	if (!o->bytes && !o->precise && all_small(r, shown))
		fputs("All amounts are small: --bytes shows them exactly.\n", out);
}

static size_t shown_functions(const struct report *r, const struct lines_options *o)
{
	size_t limit = o->limit;

	if (!limit)
		limit = o->all || o->function || o->file ? SIZE_MAX : LINES_LIMIT;
	return limit < r->chosen ? limit : r->chosen;
}

int lines_text(const struct profile *p, const struct lines_options *o, FILE *out)
{
	_cleanup_(report_done) struct report r;
	int err = report_init(&r, p, o, false);
	size_t shown;

	if (err < 0)
		return err;
	put_heading(&r, o, out);
	shown = shown_functions(&r, o);
	/* Without line information, the program's own functions say more than the
	 * lines of some library. */
	if (r.fell_back && r.plain_chosen)
		shown = r.chosen = 0;
	for (size_t i = 0; i < shown; i++)
		put_function(&r, o, &r.sums.functions[r.ranked[i]], out);
	put_plain(&r, o, out);
	if (!shown && !plain_shown(&r, o))
		put_nothing(&r, o, out);
	put_footing(&r, o, shown, out);
	return 0;
}

/* ---- JSON ---------------------------------------------------------------- */

static void put_value(struct json *j, const char *name, const struct view_sums *s,
		      uint64_t value)
{
	json_key(j, name);
	if (s)
		json_unsigned(j, value);
	else
		json_null(j);
}

/* The figures of a line or function; null where there was no event. */
static void json_figures(const struct report *r, struct json *j,
			 const struct view_sums *s)
{
	const struct profile *p = r->sums.view.profile;
	static const struct view_sums none;
	const struct view_sums *v = s ? s : &none, *frees = p->free_stacks ? s : NULL;

	put_value(j, "mem_usage", is_known(s) ? s : NULL, v->last_live);
	json_key(j, "increment");
	if (s)
		json_signed(j, increment(s));
	else
		json_null(j);
	put_value(j, "occurrences", s, v->allocated.blocks);
	put_value(j, "allocated", s, v->allocated.bytes);
	put_value(j, "freed", frees, v->freed.bytes);
	put_value(j, "peak", s, v->peak.bytes);
	put_value(j, "leaked", s, v->leaked.bytes);
	put_value(j, "temporary", s, v->temporary.bytes);
	if (!s || r->sums.view.scope.domain != PROFILE_MALLOC)
		return;
	estimate_json_range(p, j, "mem_usage", v->last_live);
	estimate_json_range(p, j, "allocated", v->allocated.bytes);
	estimate_json_range(p, j, "peak", v->peak.bytes);
	estimate_json_range(p, j, "leaked", v->leaked.bytes);
}

static void json_function(const struct report *r, const struct lines_options *o,
			  struct json *j, const struct lines_function *f)
{
	const struct profile *p = r->sums.view.profile;
	const struct strings *s = &p->strings;
	struct steps at = {0};

	json_object(j);
	json_put_string(j, "name", strings_get(s, f->name));
	json_put_string(j, "file", strings_get(s, f->file));
	json_put_string(j, "module",
			f->module ? strings_get(s, p->modules[f->module - 1].path)
				  : "");
	json_put_bool(j, "own", f->own);
	json_put_unsigned(j, "instances", f->instances);
	json_key(j, "total");
	json_object(j);
	json_figures(r, j, &f->sum);
	json_close(j);
	json_key(j, "lines");
	json_array(j);
	while (step(&r->sums, f, o->nonzero, &at)) {
		json_object(j);
		json_put_unsigned(j, "line", at.number);
		json_figures(r, j, at.line ? &at.line->sum : NULL);
		json_close(j);
	}
	json_close(j);
	json_close(j);
}

static void json_plain(const struct report *r, uint32_t label, struct json *j)
{
	const struct profile *p = r->sums.view.profile;
	const struct frames_frame *f = &r->sums.labels.frames[label];
	char place[NAME_ROOM];

	json_object(j);
	json_put_string(j, "name", frames_name(p, f, place, sizeof(place)));
	json_put_string(j, "module", frames_module(p, f->stack));
	json_put_bool(j, "own", r->sums.plain[label].own);
	json_figures(r, j, &r->sums.plain[label].sum);
	json_close(j);
}

int lines_json(const struct profile *p, const struct lines_options *o, FILE *out)
{
	_cleanup_(report_done) struct report r;
	struct json j = {.out = out, .spread = 4};
	int err = report_init(&r, p, o, true);

	if (err < 0)
		return err;
	json_object(&j);
	json_put_unsigned(&j, "schema", LINES_SCHEMA);
	json_put_string(&j, "domain", scope_domains[o->scope.domain]);
	json_put_bool(&j, "free_stacks", p->free_stacks);
	losses_json(p, &j);
	cut_json(p, &j);
	json_key(&j, "functions");
	json_array(&j);
	for (size_t i = 0; i < r.chosen && (!o->limit || i < o->limit); i++)
		json_function(&r, o, &j, &r.sums.functions[r.ranked[i]]);
	json_close(&j);
	json_key(&j, "functions_without_lines");
	json_array(&j);
	for (size_t i = 0; i < r.plain_chosen && (!o->limit || i < o->limit); i++)
		json_plain(&r, r.plain[i], &j);
	json_close(&j);
	json_close(&j);
	json_end(&j);
	return 0;
}

/* ---- options ------------------------------------------------------------- */

bool lines_parse_columns(const char *text, unsigned *ret)
{
	unsigned bits = 0;

	if (!strcmp(text, "all")) {
		*ret = LINES_ALL_COLUMNS;
		return true;
	}
	for (;;) {
		size_t len = strcspn(text, ","), i = 0;

		while (i < COLUMNS && (strlen(columns[i].name) != len ||
				       strncmp(columns[i].name, text, len) != 0))
			i++;
		if (i == COLUMNS)
			return false;
		bits |= columns[i].bit;
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

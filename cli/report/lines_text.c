/*
 * lines_text.c - the line report as memory_profiler lays it out.
 */
#include "cli/report/lines_report.h"

#include "cli/base/cleanup.h"
#include "cli/base/units.h"
#include "cli/report/cut.h"
#include "cli/report/losses.h"
#include "cli/report/python.h"
#include "cli/report/text.h"

#include <inttypes.h>
#include <string.h>

/* ---- lines ------------------------------------------------------------------ */

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

static void put_header(const struct lines_report *r, const struct lines_options *o,
		       bool lines, FILE *out)
{
	char header[256];
	int at = snprintf(header, sizeof(header), "%6s %12s %12s  %10s",
			  lines ? "Line #" : "", "Mem usage", "Increment",
			  "Occurrences");

	for (size_t i = 0; i < LINES_COLUMNS; i++)
		if (o->columns & lines_columns[i].bit)
			at += snprintf(header + at, sizeof(header) - (size_t)at,
				       " %12s",
				       lines_columns[i].bit == LINES_PEAK
					       ? peak_title(r->sums.view.profile)
					       : lines_columns[i].title);
	at += snprintf(header + at, sizeof(header) - (size_t)at, "   %s",
		       lines ? "Line Contents" : "Function");
	text_style(out, o->colour, TEXT_BOLD);
	fprintf(out, "%s\n", header);
	text_style(out, o->colour, TEXT_PLAIN);
	put_rule(at, out);
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
		lines_is_known(s) ? amount(o, (int64_t)s->last_live).text : "",
		s ? amount(o, lines_increment(s)).text : "", occurrences);
	for (size_t i = 0, shift = 1; i < LINES_COLUMNS; i++) {
		if (!(o->columns & lines_columns[i].bit))
			continue;
		fprintf(out, "%*s %12s", (int)shift, "",
			s ? amount(o, column_value(s, lines_columns[i].bit)).text : "");
		shift = 0;
	}
	fputs("   ", out);
}

static void put_row(struct lines_report *r, const struct lines_options *o,
		    const struct lines_function *f, const struct lines_steps *at,
		    FILE *out)
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
static void put_module(const struct lines_report *r, uint32_t module, FILE *out)
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

static void put_function_name(const struct lines_report *r,
			      const struct lines_options *o,
			      const struct lines_function *f, FILE *out)
{
	const char *name = strings_get(&r->sums.view.profile->strings, f->name);
	char buffer[LINES_NAME];

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

static void put_function(struct lines_report *r, const struct lines_options *o,
			 const struct lines_function *f, FILE *out)
{
	bool sourced = lines_source_known(&r->source, f->file);
	bool named = sourced && lines_names_itself(r, f);
	struct lines_steps at = {0};

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
	while (lines_step(&r->sums, f, o->nonzero || !sourced, &at))
		put_row(r, o, f, &at, out);
	fputc('\n', out);
}

/* ---- functions without lines ------------------------------------------------ */

static size_t plain_shown(const struct lines_report *r, const struct lines_options *o)
{
	size_t limit = o->limit;

	if (!limit)
		limit = o->all || o->function ? SIZE_MAX : LINES_LIMIT;
	return limit < r->plain_chosen ? limit : r->plain_chosen;
}

static void put_plain(const struct lines_report *r, const struct lines_options *o,
		      FILE *out)
{
	size_t shown = plain_shown(r, o);

	if (!shown)
		return;
	fputs("Without line information (compile with -g, do not strip), by function "
	      "or place:\n\n",
	      out);
	put_header(r, o, false, out);
	for (size_t i = 0; i < shown; i++) {
		char name[LINES_NAME];

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

static const char *const sort_phrases[] = {
	[LINES_BY_PEAK] = "by bytes at the peak",
	[LINES_BY_LEAKED] = "by bytes never freed",
	[LINES_BY_ALLOCATED] = "by bytes allocated",
	[LINES_BY_TEMPORARY] = "by bytes of temporary blocks",
	[LINES_BY_PLACE] = "in the order of their files and lines",
};

static void put_heading(const struct lines_report *r, const struct lines_options *o,
			FILE *out)
{
	const struct view *v = &r->sums.view;
	static const char *const amounts[PROFILE_DOMAINS] = {
		[PROFILE_MALLOC] = "live heap",
		[PROFILE_MMAP] = "mapped bytes",
		[PROFILE_POOL] = "live bytes of pools",
		[PROFILE_ARENA] = "arenas",
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

static void put_nothing(const struct lines_report *r, const struct lines_options *o,
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

static bool all_small(const struct lines_report *r, size_t shown)
{
	enum { SMALL = 52428 }; /* shown as 0.0 MiB */

	for (size_t i = 0; i < shown; i++) {
		const struct view_sums *s = &r->sums.functions[r->ranked[i]].sum;

		if (s->allocated.bytes > SMALL || s->freed.bytes > SMALL ||
		    (lines_is_known(s) && s->last_live > SMALL))
			return false;
	}
	return shown > 0;
}

static void put_footing(const struct lines_report *r, const struct lines_options *o,
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

static size_t shown_functions(const struct lines_report *r,
			      const struct lines_options *o)
{
	size_t limit = o->limit;

	if (!limit)
		limit = o->all || o->function || o->file ? SIZE_MAX : LINES_LIMIT;
	return limit < r->chosen ? limit : r->chosen;
}

int lines_text(const struct profile *p, const struct lines_options *o, FILE *out)
{
	_cleanup_(lines_report_done) struct lines_report r;
	int err = lines_report_init(&r, p, o, false);
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

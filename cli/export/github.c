#include "cli/export/github.h"

#include "cli/base/units.h"
#include "cli/report/leaks.h"
#include "cli/report/text.h"

#include <inttypes.h>
#include <string.h>

/* ---- annotations --------------------------------------------------------------- */

/* The runner's escapes; in the value of a property two more. Controls are shown, and a
 * line is always one line. */
static void put_escaped(const char *text, bool property, FILE *out)
{
	char clean[2048];

	for (const char *s = text_clean(text, clean, sizeof(clean)); *s; s++) {
		bool special = *s == '%' || *s == '\r' || *s == '\n' ||
			       (property && (*s == ':' || *s == ','));

		if (special)
			fprintf(out, "%%%02X", (unsigned char)*s);
		else
			fputc(*s, out);
	}
}

static void put_plain(const char *command, const char *title, const char *text,
		      FILE *out)
{
	fprintf(out, "::%s title=", command);
	put_escaped(title, true, out);
	fputs("::", out);
	put_escaped(text, false, out);
	fputc('\n', out);
}

static void put_leak(const struct outcome *o, const struct outcome_leak *l, FILE *out)
{
	char text[512], name[256];
	struct outcome_place place = outcome_place(o, l, name);

	fputs("::error ", out);
	if (place.line) {
		fputs("file=", out);
		put_escaped(place.path, true, out);
		fprintf(out, ",line=%" PRIu32 ",", place.line);
	}
	fprintf(out, "title=heapline%%3A %s leak::", leak_words[l->kind]);
	put_escaped(outcome_sentence(l, text, sizeof(text)), false, out);
	fputs(" (", out);
	put_escaped(place.function, false, out);
	fputs(")\n", out);
}

/* "2 more limits and 7 more leaks: see the log" */
static void put_more(size_t limits, size_t leaks, FILE *out)
{
	char text[128] = "", more[64] = "";

	if (limits)
		snprintf(more, sizeof(more), "%s more limit%s%s",
			 units_count(limits).text, limits == 1 ? "" : "s",
			 leaks ? " and " : "");
	if (leaks)
		snprintf(text, sizeof(text), "%s%s more leak%s: see the log", more,
			 units_count(leaks).text, leaks == 1 ? "" : "s");
	else
		snprintf(text, sizeof(text), "%s: see the log", more);
	if (limits || leaks)
		put_plain("notice", "heapline", text, out);
}

void github_annotations(const struct outcome *o, FILE *out)
{
	size_t errors = 0, limits = 0, leaks = outcome_failures(o);

	if (o->why) {
		put_plain("error", "heapline: not checked", o->why, out);
		errors++;
	}
	for (size_t i = 0; i < o->limit_count; i++) {
		if (!o->limits[i].failed)
			continue;
		if (errors == GITHUB_ERRORS) {
			limits++;
			continue;
		}
		put_plain("error", "heapline: limit exceeded", o->limits[i].text, out);
		errors++;
	}
	for (size_t i = 0; i < o->count && errors < GITHUB_ERRORS; i++)
		if (o->leaks[i].fails) {
			put_leak(o, &o->leaks[i], out);
			errors++;
			leaks--;
		}
	put_more(limits, leaks, out);
}

/* ---- summary ------------------------------------------------------------------- */

/* Text in a cell of Markdown: nothing in it is markup. */
static void put_markdown(const char *text, FILE *out)
{
	char clean[1024];

	for (const char *s = text_clean(text, clean, sizeof(clean)); *s; s++) {
		if (*s == '<')
			fputs("&lt;", out);
		else if (*s == '&')
			fputs("&amp;", out);
		else if (strchr("\\`*_{}[]()#+-.!|>~@:", *s))
			fprintf(out, "\\%c", *s);
		else
			fputc(*s, out);
	}
}

static void put_row(const struct outcome *o, const struct outcome_leak *l, FILE *out)
{
	char name[256];
	struct outcome_place place = outcome_place(o, l, name);

	fprintf(out, "| %s | %s | %s | ", leak_words[l->kind],
		units_count(l->bytes + l->held_bytes).text,
		units_count(l->blocks + l->held_blocks).text);
	put_markdown(place.function, out);
	fputs(" | ", out);
	put_markdown(place.path, out);
	if (place.line)
		fprintf(out, "\\:%" PRIu32, place.line);
	fputs(" |\n", out);
}

static void put_table(const struct outcome *o, FILE *out)
{
	size_t left = outcome_failures(o), rows = 0;

	if (!left)
		return;
	fputs("\n| Leak | Bytes | Blocks | Function | Source |\n"
	      "| --- | ---: | ---: | --- | --- |\n",
	      out);
	for (size_t i = 0; i < o->count && rows < GITHUB_ROWS; i++)
		if (o->leaks[i].fails) {
			put_row(o, &o->leaks[i], out);
			rows++;
		}
	if (left > rows)
		fprintf(out, "\n%s more leaks are not listed.\n",
			units_count(left - rows).text);
}

void github_summary(const struct outcome *o, FILE *out)
{
	fprintf(out, "### heapline: %s\n",
		o->why	    ? "not checked"
		: o->status ? "failed"
			    : "passed");
	if (o->why) {
		fputc('\n', out);
		put_markdown(o->why, out);
		fputc('\n', out);
	}
	if (o->limit_count)
		fputs("\n", out);
	for (size_t i = 0; i < o->limit_count; i++) {
		fprintf(out, "- %s: ", o->limits[i].failed ? "**exceeded**" : "met");
		put_markdown(o->limits[i].text, out);
		fputc('\n', out);
	}
	put_table(o, out);
}

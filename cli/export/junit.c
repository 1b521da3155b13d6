#include "cli/export/junit.h"

#include "cli/base/xml.h"
#include "cli/report/leaks.h"

#include <inttypes.h>

static void begin(FILE *out, const char *class, const char *name)
{
	fprintf(out, "    <testcase classname=\"heapline.%s\" name=\"", class);
	xml_put(out, name);
	fputs("\"", out);
}

/* what: failure or error; NULL: it passed. */
static void put_case(FILE *out, const char *class, const char *name, const char *what,
		     const char *message)
{
	begin(out, class, name);
	if (!what) {
		fputs("/>\n", out);
		return;
	}
	fprintf(out, ">\n      <%s type=\"%s\" message=\"", what, class);
	xml_put(out, message);
	fprintf(out, "\"/>\n    </testcase>\n");
}

static void put_stack(const struct outcome *o, uint32_t stack, FILE *out)
{
	struct frames_walk walk = frames_of(o->profile, stack);
	struct frames_frame frame;
	char name[256];

	for (int i = 0; i < JUNIT_FRAMES && frames_next(&walk, &frame); i++) {
		struct outcome_place place = outcome_frame(o, &frame, name);

		fprintf(out, "#%d ", i);
		xml_put(out, place.function);
		fputs(" at ", out);
		xml_put(out, place.path);
		if (place.line)
			fprintf(out, ":%" PRIu32, place.line);
		fputc('\n', out);
	}
}

static void put_leak(const struct outcome *o, const struct outcome_leak *l, FILE *out)
{
	char text[512], name[256];
	struct outcome_place place = outcome_place(o, l, name);

	fprintf(out, "    <testcase classname=\"heapline.leak.%s\" name=\"",
		leak_words[l->kind]);
	xml_put(out, place.function);
	fprintf(out, " %016" PRIx64 "\" file=\"", l->print);
	xml_put(out, place.path);
	fputs("\"", out);
	if (place.line)
		fprintf(out, " line=\"%" PRIu32 "\"", place.line);
	fprintf(out, ">\n      <failure type=\"%s\" message=\"", leak_words[l->kind]);
	xml_put(out, outcome_sentence(l, text, sizeof(text)));
	fputs("\">", out);
	put_stack(o, l->stack, out);
	fputs("</failure>\n    </testcase>\n", out);
}

void junit_write(const struct outcome *o, FILE *out)
{
	size_t leaks = outcome_failures(o), failed = leaks, errors = o->why != NULL;

	for (size_t i = 0; i < o->limit_count; i++)
		failed += o->limits[i].failed;
	fprintf(out,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<testsuites tests=\"%zu\" failures=\"%zu\" errors=\"%zu\">\n"
		"  <testsuite name=\"heapline\" tests=\"%zu\" failures=\"%zu\" "
		"errors=\"%zu\" skipped=\"0\">\n",
		1 + o->limit_count + leaks, failed, errors, 1 + o->limit_count + leaks,
		failed, errors);
	put_case(out, "checked", "every process was looked at", o->why ? "error" : NULL,
		 o->why);
	for (size_t i = 0; i < o->limit_count; i++)
		put_case(out, "limit", o->limits[i].name,
			 o->limits[i].failed ? "failure" : NULL, o->limits[i].text);
	for (size_t i = 0; i < o->count; i++)
		if (o->leaks[i].fails)
			put_leak(o, &o->leaks[i], out);
	fputs("  </testsuite>\n</testsuites>\n", out);
}

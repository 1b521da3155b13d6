/*
 * timeline_svg.c - the timeline as a picture: one file, without scripts, fonts or
 * anything to be fetched. A cell says its numbers when it is pointed at.
 */
#include "cli/report/timeline.h"

#include "cli/base/cleanup.h"
#include "cli/base/units.h"
#include "cli/profile/totals.h"
#include "cli/report/axis.h"
#include "cli/report/cut.h"
#include "cli/report/text.h"

#include <errno.h>
#include <string.h>

enum {
	WIDTH = 960,
	HEIGHT = 620,
	LEFT = 96,
	RIGHT = 24,
	PLOT = WIDTH - LEFT - RIGHT,
	CELLS = 420,	  /* two pixels each */
	TITLE_BYTES = 80, /* of the command, and one */
};

struct picture {
	const struct profile *profile;
	FILE *out;
	const struct profile_bin *cells;
	size_t count;
	struct timeline_span span;
};

struct panel {
	const char *title;
	int top, height;
	int room; /* above, for the title and what is marked at the top */
	uint64_t max, step;
	struct units_text (*label)(uint64_t value);
};

static const char style[] =
	"<style>\n"
	"text { font: 12px sans-serif; fill: #333; }\n"
	".title { font-size: 16px; font-weight: bold; }\n"
	".panel { font-weight: bold; }\n"
	".page { fill: #fff; }\n"
	".grid { stroke: #ddd; }\n"
	".axis { stroke: #888; }\n"
	".most { fill: #c6dbef; }\n"
	".least { fill: #6baed6; }\n"
	".last { fill: none; stroke: #08519c; stroke-width: 1.2; }\n"
	".rss { fill: #c7e9c0; stroke: #238b45; stroke-width: 1.2; }\n"
	".rate { fill: #fdae6b; }\n"
	".peak { fill: #a50f15; stroke: #a50f15; }\n"
	".cell { fill: #000; fill-opacity: 0; }\n"
	".cell:hover { fill-opacity: 0.12; }\n"
	"</style>\n";

/* Text of a name that nobody vouches for. */
static void put_xml(FILE *out, const char *text)
{
	for (const char *s = text; *s; s++) {
		if (*s == '&')
			fputs("&amp;", out);
		else if (*s == '<')
			fputs("&lt;", out);
		else if (*s == '>')
			fputs("&gt;", out);
		else
			fputc(*s, out);
	}
}

/* Cut to fit the page, in whole characters. */
static void put_name(FILE *out, const char *name)
{
	char clean[TITLE_BYTES];

	put_xml(out, text_clean(name, clean, sizeof(clean)));
	if (strlen(name) >= sizeof(clean))
		fputs("…", out);
}

static double x_of(const struct picture *p, uint64_t ns)
{
	uint64_t start = p->span.start_ns;

	/* A bin may have begun before. */
	return (double)LEFT + (double)PLOT * (double)(ns > start ? ns - start : 0) /
				      (double)(p->span.end_ns - start);
}

static double y_of(const struct panel *panel, uint64_t value)
{
	double part = panel->max ? (double)value / (double)panel->max : 0;

	return panel->top + panel->height * (1 - part);
}

static uint64_t cell_end(const struct picture *p, size_t i)
{
	return i + 1 < p->count ? p->cells[i + 1].at_ns : p->span.end_ns;
}

static uint64_t rate_at(const struct picture *p, size_t i)
{
	return timeline_rate(&p->cells[i], cell_end(p, i) - p->cells[i].at_ns);
}

enum curve { MOST, LEAST, LAST, RSS, RATE };

static uint64_t value_at(const struct picture *p, enum curve curve, size_t i)
{
	switch (curve) {
	case MOST:
		return p->cells[i].max_bytes;
	case LEAST:
		return p->cells[i].min_bytes;
	case LAST:
		return p->cells[i].last_bytes;
	case RSS:
		return p->cells[i].rss_bytes;
	default:
		return rate_at(p, i);
	}
}

/* Steps from cell to cell, down to the axis at both ends if it is an area. */
static void put_curve(const struct picture *p, const struct panel *panel,
		      enum curve curve, const char *class, bool area)
{
	FILE *out = p->out;

	fprintf(out, "<path class=\"%s\" d=\"M%d %.1f", class, LEFT,
		area ? (double)(panel->top + panel->height)
		     : y_of(panel, value_at(p, curve, 0)));
	for (size_t i = 0; i < p->count; i++)
		fprintf(out, "V%.1fH%.1f", y_of(panel, value_at(p, curve, i)),
			x_of(p, cell_end(p, i)));
	if (area)
		fprintf(out, "V%dZ", panel->top + panel->height);
	fputs("\"/>\n", out);
}

static uint64_t greatest(const struct picture *p, enum curve curve)
{
	uint64_t most = 0;

	for (size_t i = 0; i < p->count; i++) {
		uint64_t v = value_at(p, curve, i);

		most = v > most ? v : most;
	}
	return most;
}

static void put_grid(const struct picture *p, const struct panel *panel)
{
	FILE *out = p->out;
	uint64_t step = axis_time_step(p->span.end_ns - p->span.start_ns, 9);
	int bottom = panel->top + panel->height;

	fprintf(out, "<text class=\"panel\" x=\"%d\" y=\"%d\">%s</text>\n", LEFT,
		panel->top - panel->room, panel->title);
	for (uint64_t k = 0; panel->max && k <= panel->max / panel->step; k++) {
		uint64_t v = k * panel->step;
		double y = y_of(panel, v);

		fprintf(out,
			"<path class=\"grid\" d=\"M%d %.1fH%d\"/><text x=\"%d\" "
			"y=\"%.1f\" text-anchor=\"end\">%s</text>\n",
			LEFT, y, WIDTH - RIGHT, LEFT - 6, y + 4,
			v ? panel->label(v).text : "0");
	}
	for (uint64_t k = axis_first(p->span.start_ns, step);
	     k <= (p->span.end_ns - 1) / step; k++) {
		uint64_t t = k * step;
		double x = x_of(p, t);

		fprintf(out,
			"<path class=\"grid\" d=\"M%.1f %dV%d\"/><text x=\"%.1f\" "
			"y=\"%d\" text-anchor=\"middle\">%s</text>\n",
			x, panel->top, bottom, x, bottom + 16,
			t ? units_duration(t).text : "0");
	}
	fprintf(out, "<path class=\"axis\" d=\"M%d %dV%dH%d\" fill=\"none\"/>\n", LEFT,
		panel->top, bottom, WIDTH - RIGHT);
}

static void put_peak(const struct picture *p, const struct panel *panel)
{
	const struct profile *profile = p->profile;
	uint64_t end = p->span.end_ns;
	uint64_t at = profile->tree_peak_at_ns < end ? profile->tree_peak_at_ns : end;
	double x = x_of(p, at), y = y_of(panel, profile->tree_peak.bytes);
	bool right = x < LEFT + PLOT * 7 / 10;

	if (!profile->tree_peak.blocks || !timeline_has_peak(profile))
		return;
	fprintf(p->out,
		"<circle class=\"peak\" cx=\"%.1f\" cy=\"%.1f\" r=\"3.5\"/>"
		"<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">peak %s",
		x, y, right ? x + 8 : x - 8, y - 6, right ? "start" : "end",
		units_size(profile->tree_peak.bytes).text);
	fprintf(p->out, " at %s</text>\n", units_duration(at).text);
}

/* Invisible columns over all panels, whose titles show as tips. */
static void put_tips(const struct picture *p, int top, int bottom)
{
	for (size_t i = 0; i < p->count; i++) {
		const struct profile_bin *b = &p->cells[i];
		double x = x_of(p, b->at_ns);

		fprintf(p->out,
			"<rect class=\"cell\" x=\"%.1f\" y=\"%d\" width=\"%.1f\" "
			"height=\"%d\"><title>%s: heap %s to ",
			x, top, x_of(p, cell_end(p, i)) - x, bottom - top,
			units_duration(b->at_ns).text, units_size(b->min_bytes).text);
		fprintf(p->out, "%s", units_size(b->max_bytes).text);
		if (b->rss_bytes)
			fprintf(p->out, ", resident %s", units_size(b->rss_bytes).text);
		fprintf(p->out, ", %s allocations</title></rect>\n",
			units_count(b->allocs).text);
	}
}

static void put_head(const struct picture *p)
{
	const struct profile *profile = p->profile;
	const char *command =
		profile->process_count
			? strings_get(&profile->strings, profile->processes[0].command)
			: "nothing";
	size_t processes = profile_processes(profile);
	FILE *out = p->out;

	fprintf(out,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
		"viewBox=\"0 0 %d %d\">\n<title>Heap of ",
		WIDTH, HEIGHT, WIDTH, HEIGHT);
	put_name(out, command);
	fprintf(out,
		"</title>\n%s<rect class=\"page\" width=\"%d\" height=\"%d\"/>\n"
		"<text class=\"title\" x=\"%d\" y=\"28\">Heap of ",
		style, WIDTH, HEIGHT, LEFT);
	put_name(out, command);
	fprintf(out, "</text>\n<text x=\"%d\" y=\"48\">%s", LEFT,
		profile->slice.has_range ? cut_period(profile).text
					 : units_duration(p->span.end_ns).text);
	if (processes > 1)
		fprintf(out, ", %zu processes together", processes);
	fputs("; live bytes: light to the most, dark to the least of each moment, "
	      "line: the last</text>\n",
	      out);
}

static struct units_text per_second(uint64_t value)
{
	return units_count(value);
}

static void put_panels(const struct picture *p)
{
	struct panel heap = {
		.title = "Heap (malloc)",
		.top = 100,
		.height = 220,
		.room = 26,
		.max = greatest(p, MOST),
		.label = units_size,
	};
	struct panel rss = {
		.title = "Resident (RSS)",
		.top = 378,
		.height = 70,
		.room = 8,
		.max = greatest(p, RSS),
		.label = units_size,
	};
	struct panel rate = {
		.title = "Allocations per second",
		.top = 506,
		.height = 70,
		.room = 8,
		.max = greatest(p, RATE),
		.label = per_second,
	};

	if (p->profile->tree_peak.bytes > heap.max && timeline_has_peak(p->profile))
		heap.max = p->profile->tree_peak.bytes;
	heap.step = axis_bytes_step(heap.max, 5);
	rss.step = axis_bytes_step(rss.max, 2);
	rate.step = axis_count_step(rate.max, 2);
	put_grid(p, &heap);
	put_curve(p, &heap, MOST, "most", true);
	put_curve(p, &heap, LEAST, "least", true);
	put_curve(p, &heap, LAST, "last", false);
	put_peak(p, &heap);
	put_grid(p, &rss);
	if (rss.max)
		put_curve(p, &rss, RSS, "rss", true);
	else
		fprintf(p->out,
			"<text x=\"%d\" y=\"%d\">not sampled: too short a run</text>\n",
			LEFT + 12, rss.top + rss.height / 2);
	put_grid(p, &rate);
	put_curve(p, &rate, RATE, "rate", true);
	put_tips(p, heap.top, rate.top + rate.height);
}

int timeline_svg(const struct profile *p, const struct timeline_options *o, FILE *out)
{
	size_t count = timeline_fit(p, o->cells ? o->cells : CELLS);
	_cleanup_(freep) struct profile_bin *cells = calloc(count, sizeof(*cells));
	struct picture picture = {p, out, cells, count, timeline_span(p)};
	int r;

	if (!cells)
		return -ENOMEM;
	r = timeline_cells(p, count, cells);
	if (r < 0)
		return r;
	timeline_hold_rss(p, cells, count);
	put_head(&picture);
	put_panels(&picture);
	fputs("</svg>\n", out);
	return 0;
}

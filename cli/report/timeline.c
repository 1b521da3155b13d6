#include "cli/report/timeline.h"

#include "cli/base/cleanup.h"
#include "cli/base/json.h"
#include "cli/base/units.h"
#include "cli/profile/totals.h"
#include "cli/report/axis.h"
#include "cli/report/cut.h"
#include "cli/report/losses.h"
#include "cli/report/moments.h"
#include "cli/report/text.h"

#include <errno.h>
#include <string.h>

/* ---- cells ------------------------------------------------------------------ */

/* a * b / c without overflow; c > 0, b <= c. */
static uint64_t part(uint64_t a, uint64_t b, uint64_t c)
{
	return (uint64_t)((unsigned __int128)a * b / c);
}

/* A stretch of time as one bin describes it. */
struct stretch {
	uint64_t start, end;
	struct profile_bin bin;
};

/* Allocations before `at` of a stretch's. */
static uint64_t allocs_before(const struct stretch *s, uint64_t at)
{
	if (at <= s->start)
		return 0;
	if (at >= s->end)
		return s->bin.allocs;
	return part(s->bin.allocs, at - s->start, s->end - s->start);
}

static void lay(struct profile_bin *cell, bool first, const struct stretch *s,
		uint64_t start, uint64_t end)
{
	if (first || s->bin.min_bytes < cell->min_bytes)
		cell->min_bytes = s->bin.min_bytes;
	if (first || s->bin.max_bytes > cell->max_bytes)
		cell->max_bytes = s->bin.max_bytes;
	cell->last_bytes = s->bin.last_bytes;
	cell->last_blocks = s->bin.last_blocks;
	cell->allocs += allocs_before(s, end) - allocs_before(s, start);
	if (s->bin.rss_bytes > cell->rss_bytes)
		cell->rss_bytes = s->bin.rss_bytes;
}

struct layer {
	struct profile_bin *cells;
	bool *used;
	size_t count, at; /* the cell that the next stretch begins in, or before it */
	struct timeline_span span;
};

static uint64_t cell_start(const struct layer *l, size_t i)
{
	return l->span.start_ns + part(l->span.end_ns - l->span.start_ns, i, l->count);
}

static void lay_stretch(struct layer *l, const struct stretch *s)
{
	while (l->at < l->count && cell_start(l, l->at + 1) <= s->start)
		l->at++;
	for (size_t i = l->at; i < l->count && cell_start(l, i) < s->end; i++) {
		lay(&l->cells[i], !l->used[i], s, cell_start(l, i),
		    cell_start(l, i + 1));
		l->used[i] = true;
	}
}

/* The last bin goes on as long as the one before it did; then nothing happened until
 * the end. */
static void lay_last(struct layer *l, const struct profile *p, uint64_t end_ns)
{
	const struct profile_bin *b = &p->bins[p->bin_count - 1];
	uint64_t length = p->bin_count > 1 ? b->at_ns - b[-1].at_ns : UINT64_MAX;
	struct stretch s = {b->at_ns, end_ns, *b};

	if (length < end_ns - b->at_ns)
		s.end = b->at_ns + length;
	lay_stretch(l, &s);
	if (s.end == end_ns)
		return;
	s.start = s.end;
	s.end = end_ns;
	s.bin.allocs = s.bin.rss_bytes = 0;
	s.bin.min_bytes = s.bin.max_bytes = s.bin.last_bytes;
	lay_stretch(l, &s);
}

static uint64_t end_of(const struct profile *p)
{
	uint64_t end = p->wall_ns ? p->wall_ns : 1;
	uint64_t last = p->bin_count ? p->bins[p->bin_count - 1].at_ns : 0;

	return last < end ? end : last == UINT64_MAX ? last : last + 1;
}

struct timeline_span timeline_span(const struct profile *p)
{
	struct timeline_span span = {0, end_of(p)};

	if (!p->slice.has_range)
		return span;
	span.start_ns = p->slice.from_ns;
	if (p->slice.to_ns < span.end_ns)
		span.end_ns = p->slice.to_ns;
	return span;
}

int timeline_cells(const struct profile *p, size_t count, struct profile_bin *cells)
{
	_cleanup_(freep) bool *used = calloc(count, sizeof(*used));
	struct layer l = {cells, used, count, 0, timeline_span(p)};

	if (!used)
		return -ENOMEM;
	memset(cells, 0, count * sizeof(*cells));
	for (size_t i = 0; i < count; i++)
		cells[i].at_ns = cell_start(&l, i);
	for (size_t i = 0; i + 1 < p->bin_count; i++)
		if (p->bins[i].at_ns < p->bins[i + 1].at_ns)
			lay_stretch(&l, &(struct stretch){p->bins[i].at_ns,
							  p->bins[i + 1].at_ns,
							  p->bins[i]});
	if (p->bin_count)
		lay_last(&l, p, end_of(p));
	return 0;
}

bool timeline_has_peak(const struct profile *p)
{
	struct timeline_span span = timeline_span(p);

	return p->tree_peak_at_ns >= span.start_ns &&
	       (!p->slice.has_range || p->tree_peak_at_ns < span.end_ns);
}

size_t timeline_fit(const struct profile *p, size_t wanted)
{
	struct timeline_span span = timeline_span(p);
	uint64_t length = span.end_ns - span.start_ns;

	if (wanted > TIMELINE_CELLS_MAX)
		wanted = TIMELINE_CELLS_MAX;
	return wanted < length ? wanted : (size_t)length;
}

uint64_t timeline_rate(const struct profile_bin *cell, uint64_t length_ns)
{
	unsigned __int128 rate = (unsigned __int128)cell->allocs * 1000000000;

	rate /= length_ns ? length_ns : 1;
	return rate > UINT64_MAX ? UINT64_MAX : (uint64_t)rate;
}

/* ---- a chart of characters ----------------------------------------------------- */

enum {
	NAME = 48,  /* bytes of the command in the heading, and one */
	LABEL = 12, /* columns left of the plots, at least */
	HEAP_ROWS = 10,
	SMALL_ROWS = 4,
	EIGHTHS = 8, /* heights that a block character can have */
};

struct marks { /* characters of the chart */
	const char *fill, *part[EIGHTHS], *last, *most;
	const char *axis, *tick, *corner, *floor, *floor_tick, *peak;
};

static const struct marks utf8_marks = {
	"█", {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇"},
	"▓", "░",
	"│", "┤",
	"└", "─",
	"┬", "▼",
};

static const struct marks ascii_marks = {
	"#", {" ", "_", "_", "_", "=", "=", "=", "="},
	"|", ":",
	"|", "+",
	"+", "-",
	"+", "v",
};

struct chart {
	const struct timeline_options *options;
	const struct marks *marks;
	const struct profile *profile;
	FILE *out;
	struct profile_bin *cells;
	size_t count;
	struct timeline_span span;
	int label;     /* columns left of the plots */
	bool has_band; /* some cell's minimum and maximum are apart */
};

/* What one cell shows in one plot: filled up to low, then two shades. */
struct bar {
	uint64_t low, middle, high;
};

struct plot {
	const char *title;
	unsigned rows;
	uint64_t max;
	struct bar (*bar)(const struct chart *c, size_t i);
	struct units_text (*label)(const struct chart *c, uint64_t value);
};

static uint64_t cell_length(const struct chart *c, size_t i)
{
	uint64_t end = i + 1 < c->count ? c->cells[i + 1].at_ns : c->span.end_ns;

	return end - c->cells[i].at_ns;
}

static struct bar heap_bar(const struct chart *c, size_t i)
{
	const struct profile_bin *b = &c->cells[i];

	return (struct bar){b->min_bytes, b->last_bytes, b->max_bytes};
}

static struct bar rss_bar(const struct chart *c, size_t i)
{
	uint64_t v = c->cells[i].rss_bytes;

	return (struct bar){v, v, v};
}

static struct bar rate_bar(const struct chart *c, size_t i)
{
	uint64_t v = timeline_rate(&c->cells[i], cell_length(c, i));

	return (struct bar){v, v, v};
}

static struct units_text size_label(const struct chart *c, uint64_t value)
{
	return c->options->bytes ? units_count(value) : units_size(value);
}

/* Short: "353.1 k" from 100,000 on. */
static struct units_text count_label(const struct chart *c, uint64_t value)
{
	static const char letters[] = "kMGTPE";
	double shown = (double)value;
	struct units_text t;
	size_t i = 0;

	(void)c;
	if (value < 100000)
		return units_count(value);
	for (shown /= 1000; shown >= 999.95 && letters[i + 1]; i++)
		shown /= 1000;
	snprintf(t.text, sizeof(t.text), "%.1f %c", shown, letters[i]);
	return t;
}

/* A height in eighths of rows; something is never nothing. */
static unsigned eighths(uint64_t value, const struct plot *plot)
{
	unsigned most = plot->rows * EIGHTHS, height;

	if (!value || !plot->max)
		return 0;
	height = value >= plot->max ? most : (unsigned)part(most, value, plot->max);
	return height ? height : 1;
}

static const char *mark(const struct chart *c, const struct plot *plot, size_t i,
			unsigned row)
{
	struct bar bar = plot->bar(c, i);
	unsigned low = eighths(bar.low, plot), high = eighths(bar.high, plot);
	unsigned base = row * EIGHTHS, middle = eighths(bar.middle, plot);

	if (low >= base + EIGHTHS)
		return c->marks->fill;
	if (high <= base)
		return " ";
	if (low > base && (high < base + EIGHTHS || low - base >= EIGHTHS / 2))
		return c->marks->part[low - base];
	return middle >= base + EIGHTHS / 2 ? c->marks->last : c->marks->most;
}

static void put_title(const struct chart *c, const char *title)
{
	text_style(c->out, c->options->colour, TEXT_BOLD);
	fputs(title, c->out);
	text_style(c->out, c->options->colour, TEXT_PLAIN);
	fputc('\n', c->out);
}

static uint64_t length_of(const struct chart *c)
{
	return c->span.end_ns - c->span.start_ns;
}

/* Of a moment of the span, or the last one for what is behind it. */
static size_t column_of(const struct chart *c, uint64_t ns)
{
	uint64_t at = ns - c->span.start_ns;

	return (size_t)part(c->count, at < length_of(c) ? at : length_of(c) - 1,
			    length_of(c));
}

/* An arrow above the cell that has the peak, and what it was. */
static void put_peak(const struct chart *c)
{
	const struct profile *p = c->profile;
	size_t column = column_of(c, p->tree_peak_at_ns);
	char text[128];
	int len;

	len = snprintf(text, sizeof(text), "peak %s at %s",
		       size_label(c, p->tree_peak.bytes).text,
		       units_duration(p->tree_peak_at_ns).text);
	if (!p->tree_peak.blocks || !timeline_has_peak(p))
		return;
	if (column + 2 + (size_t)len <= c->count)
		fprintf(c->out, "%*s%s %s\n", c->label + (int)column, "",
			c->marks->peak, text);
	else if (column > (size_t)len)
		fprintf(c->out, "%*s%s %s\n", c->label + (int)column - len - 1, "",
			text, c->marks->peak);
	else
		fprintf(c->out, "  %s\n%*s%s\n", text, c->label + (int)column, "",
			c->marks->peak);
}

static void put_plot(const struct chart *c, struct plot plot)
{
	for (size_t i = 0; i < c->count; i++) {
		uint64_t high = plot.bar(c, i).high;

		plot.max = high > plot.max ? high : plot.max;
	}
	fputc('\n', c->out);
	put_title(c, plot.title);
	if (plot.bar == heap_bar)
		put_peak(c);
	for (unsigned row = plot.rows; row-- > 0;) {
		bool labelled = row + 1 == plot.rows || row + 1 == plot.rows / 2;
		uint64_t value = row + 1 == plot.rows ? plot.max : plot.max / 2;

		if (labelled && plot.max)
			fprintf(c->out, "%*s %s", c->label - 2,
				plot.label(c, value).text, c->marks->tick);
		else
			fprintf(c->out, "%*s%s", c->label - 1, "", c->marks->axis);
		for (size_t i = 0; i < c->count; i++)
			fputs(mark(c, &plot, i, row), c->out);
		fputc('\n', c->out);
	}
}

/* "0", "20 ms", ... under their marks, none touching the one before. */
static void put_times(const struct chart *c)
{
	uint64_t step = axis_time_step(length_of(c), (unsigned)(c->count / 14 + 1));
	char *line = calloc(c->count + 1, 1), *ticks = calloc(c->count + 1, 1);
	size_t free_from = 0;

	for (uint64_t k = axis_first(c->span.start_ns, step);
	     line && ticks && k <= (c->span.end_ns - 1) / step; k++) {
		struct units_text t = units_duration(k * step);
		const char *text = k ? t.text : "0";
		size_t column = column_of(c, k * step), len = strlen(text);

		ticks[column] = 1;
		if (column < free_from || column + len > c->count)
			continue;
		memset(line + strlen(line), ' ', column - strlen(line));
		memcpy(line + column, text, len);
		free_from = column + len + 2;
	}
	fprintf(c->out, "%*s %s", c->label - 2, "0", c->marks->corner);
	for (size_t i = 0; ticks && i < c->count; i++)
		fputs(ticks[i] ? c->marks->floor_tick : c->marks->floor, c->out);
	fprintf(c->out, "\n%*s%s\n", c->label, "", line ? line : "");
	free(line);
	free(ticks);
}

static void put_head(const struct chart *c)
{
	const struct profile *p = c->profile;

	const char *command =
		p->process_count ? strings_get(&p->strings, p->processes[0].command)
				 : "nothing";
	size_t processes = profile_processes(p);
	char name[NAME];

	text_style(c->out, c->options->colour, TEXT_BOLD);
	fprintf(c->out, "Timeline of %s%s", text_clean(command, name, sizeof(name)),
		strlen(command) < sizeof(name) ? "" : "...");
	text_style(c->out, c->options->colour, TEXT_PLAIN);
	if (processes > 1)
		fprintf(c->out, " and %zu more process%s", processes - 1,
			processes == 2 ? "" : "es");
	fprintf(c->out, ", %s",
		p->slice.has_range ? cut_period(p).text
				   : units_duration(c->span.end_ns).text);
	fprintf(c->out, "; a column is %s\n",
		units_duration(length_of(c) / c->count).text);
	losses_text(p, c->options->colour, c->out);
}

static void put_legend(const struct chart *c)
{
	if (c->has_band)
		fprintf(c->out, "  %s least in the column's time   %s last   %s most\n",
			c->marks->fill, c->marks->last, c->marks->most);
}

static void put_chart(const struct chart *c)
{
	const struct plot heap = {"Heap (malloc): live bytes, all processes", HEAP_ROWS,
				  0, heap_bar, size_label};
	const struct plot rss = {"Resident (RSS): what the kernel has given them",
				 SMALL_ROWS, 0, rss_bar, size_label};
	const struct plot rate = {"Allocations per second", SMALL_ROWS, 0, rate_bar,
				  count_label};
	bool sampled = false;

	put_head(c);
	put_plot(c, heap);
	put_times(c);
	put_legend(c);
	for (size_t i = 0; i < c->count; i++)
		sampled = sampled || c->cells[i].rss_bytes;
	if (sampled) {
		put_plot(c, rss);
		put_times(c);
	} else {
		fputs("\nResident memory was not sampled: too short a run.\n", c->out);
	}
	put_plot(c, rate);
	put_times(c);
}

/* When the last process ended; UINT64_MAX: one was not seen to. */
static uint64_t end_of_processes(const struct profile *p)
{
	uint64_t end = 0;

	for (size_t i = 0; i < p->process_count; i++) {
		if (p->processes[i].end == PROFILE_RUNNING)
			return UINT64_MAX;
		if (p->processes[i].end_ns > end)
			end = p->processes[i].end_ns;
	}
	return end;
}

void timeline_hold_rss(const struct profile *p, struct profile_bin *cells, size_t count)
{
	uint64_t end = end_of_processes(p), before = 0;

	for (size_t i = 0; i < p->bin_count && count; i++)
		if (p->bins[i].at_ns < cells[0].at_ns && p->bins[i].rss_bytes &&
		    cells[0].at_ns <= end)
			before = p->bins[i].rss_bytes;
	if (count && !cells[0].rss_bytes)
		cells[0].rss_bytes = before;
	for (size_t i = 1; i < count; i++)
		if (!cells[i].rss_bytes && cells[i].at_ns <= end)
			cells[i].rss_bytes = cells[i - 1].rss_bytes;
}

/* Room for the widest label that the sizes need, and the axis. */
static int label_width(const struct chart *c)
{
	const struct profile *p = c->profile;
	uint64_t most = 0;
	int len;

	for (size_t i = 0; i < p->bin_count; i++) {
		const struct profile_bin *b = &p->bins[i];

		most = b->max_bytes > most ? b->max_bytes : most;
		/* Not above it but in a made-up file. */
		most = b->last_bytes > most ? b->last_bytes : most;
		most = b->rss_bytes > most ? b->rss_bytes : most;
	}
	len = (int)strlen(size_label(c, most).text) + 2;
	return len > LABEL ? len : LABEL;
}

static size_t columns_of(const struct chart *c)
{
	const struct timeline_options *o = c->options;
	size_t width = o->width ? o->width : 80;

	width = width < TIMELINE_WIDTH_MIN ? TIMELINE_WIDTH_MIN : width;
	width = width > TIMELINE_WIDTH_MAX ? TIMELINE_WIDTH_MAX : width;
	width -= (size_t)c->label;
	return timeline_fit(c->profile,
			    o->cells && o->cells < width ? o->cells : width);
}

int timeline_text(const struct profile *p, const struct timeline_options *o, FILE *out)
{
	_cleanup_(freep) struct profile_bin *cells = NULL;
	struct chart c = {
		.options = o,
		.marks = o->utf8 ? &utf8_marks : &ascii_marks,
		.profile = p,
		.out = out,
	};
	int r;

	c.label = label_width(&c);
	c.count = columns_of(&c);
	c.cells = cells = calloc(c.count, sizeof(*cells));
	if (!cells)
		return -ENOMEM;
	c.span = timeline_span(p);
	r = timeline_cells(p, c.count, cells);
	if (r < 0)
		return r;
	timeline_hold_rss(p, cells, c.count);
	for (size_t i = 0; i < c.count; i++)
		c.has_band = c.has_band || cells[i].min_bytes != cells[i].max_bytes;
	put_chart(&c);
	return moments_text(p, (size_t)c.label + c.count, o->colour, out);
}

/* ---- JSON ------------------------------------------------------------------------ */

static void json_bin(struct json *j, const struct profile_bin *b)
{
	json_object(j);
	json_put_unsigned(j, "at_ns", b->at_ns);
	json_put_unsigned(j, "min_bytes", b->min_bytes);
	json_put_unsigned(j, "max_bytes", b->max_bytes);
	json_put_unsigned(j, "last_bytes", b->last_bytes);
	json_put_unsigned(j, "last_blocks", b->last_blocks);
	json_put_unsigned(j, "allocations", b->allocs);
	json_key(j, "rss_bytes");
	if (b->rss_bytes)
		json_unsigned(j, b->rss_bytes);
	else
		json_null(j);
	json_close(j);
}

static void json_head(const struct profile *p, struct json *j)
{
	json_put_unsigned(j, "schema", TIMELINE_SCHEMA);
	json_put_string(j, "command",
			p->process_count
				? strings_get(&p->strings, p->processes[0].command)
				: "");
	json_put_unsigned(j, "processes", profile_processes(p));
	json_put_unsigned(j, "start_unix_ns", p->start_unix_ns);
	json_put_unsigned(j, "wall_ns", p->wall_ns);
	json_key(j, "peak");
	json_object(j);
	json_put_unsigned(j, "bytes", p->tree_peak.bytes);
	json_put_unsigned(j, "blocks", p->tree_peak.blocks);
	json_put_unsigned(j, "at_ns", p->tree_peak_at_ns);
	json_close(j);
	losses_json(p, j);
	cut_json(p, j);
}

/* Copies the bins of the span, and returns how many. */
static size_t own_bins(const struct profile *p, struct profile_bin *to)
{
	struct timeline_span span = timeline_span(p);
	size_t n = 0;

	for (size_t i = 0; i < p->bin_count; i++) {
		bool over =
			i + 1 < p->bin_count && p->bins[i + 1].at_ns <= span.start_ns;

		if (!over && (p->bins[i].at_ns < span.end_ns || !p->slice.has_range))
			to[n++] = p->bins[i];
	}
	return n;
}

int timeline_json(const struct profile *p, const struct timeline_options *o, FILE *out)
{
	size_t count = o->cells ? timeline_fit(p, o->cells) : p->bin_count;
	_cleanup_(freep) struct profile_bin *cells = calloc(count + 1, sizeof(*cells));
	struct json j = {.out = out, .spread = 2};
	int r = 0;

	if (!cells)
		return -ENOMEM;
	if (o->cells)
		r = timeline_cells(p, count, cells);
	else
		count = own_bins(p, cells);
	if (r < 0)
		return r;
	json_object(&j);
	json_head(p, &j);
	json_put_unsigned(&j, "end_ns", timeline_span(p).end_ns);
	json_key(&j, "bins");
	json_array(&j);
	for (size_t i = 0; i < count; i++)
		json_bin(&j, &cells[i]);
	json_close(&j);
	moments_json(p, &j);
	json_close(&j);
	json_end(&j);
	return 0;
}

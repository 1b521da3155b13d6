#include "cli/report/top.h"

#include "cli/base/cleanup.h"
#include "cli/base/json.h"
#include "cli/base/units.h"
#include "cli/report/classes.h"
#include "cli/report/cut.h"
#include "cli/report/frames_json.h"
#include "cli/report/losses.h"
#include "cli/report/python.h"
#include "cli/report/text.h"
#include "cli/report/top_rows.h"
#include "cli/report/wrappers.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static const struct {
	const char *name, *title;
} kinds[TOP_KINDS] = {
	[TOP_SITE] = {"site", "Site"},
	[TOP_FUNCTION] = {"function", "Function"},
	[TOP_FILE] = {"file", "File"},
	[TOP_MODULE] = {"module", "Module"},
	[TOP_SIZE] = {"size", "Size"},
	[TOP_THREAD] = {"thread", "Thread"},
	[TOP_LIFETIME] = {"lifetime", "Lifetime"},
	[TOP_DOMAIN] = {"domain", "Domain"},
	[TOP_PROCESS] = {"process", "Process"},
	[TOP_STACK] = {"stack", "Stack"},
};

bool top_parse_by(const char *word, enum top_by *ret)
{
	for (size_t i = 0; i < TOP_KINDS; i++)
		if (!strcmp(word, kinds[i].name)) {
			*ret = (enum top_by)i;
			return true;
		}
	return false;
}

/* ---- parts of every table ------------------------------------------------- */

enum {
	NAME_LEAST = 24, /* columns that a name has on the narrowest terminal */
};

static struct units_text size(const struct top_options *o, uint64_t bytes)
{
	return o->bytes ? units_count(bytes) : units_size(bytes);
}

static int width(const struct top_options *o)
{
	return o->bytes ? 15 : 10;
}

static void put_heading(const struct top_options *o, const struct profile *p,
			const char *order, FILE *out)
{

	text_style(out, o->colour, TEXT_BOLD);
	fprintf(out, "Top of %s by %s, %s\n",
		python_domain(p, o->scope.domain), kinds[o->by].name,
		cut_period(p).text);
	text_style(out, o->colour, TEXT_PLAIN);
	fputs(order, out);
	losses_text(p, o->colour, out);
	wrappers_text(p, out);
	fputc('\n', out);
}

static void put_rule(size_t length, FILE *out)
{
	while (length--)
		fputc('=', out);
	fputc('\n', out);
}

static void put_name(const struct top_options *o, const char *name, size_t used,
		     FILE *out)
{
	size_t columns = o->columns;

	if (columns)
		columns = columns > used + NAME_LEAST ? columns - used : NAME_LEAST;
	text_put_elided(out, name, columns);
	fputc('\n', out);
}

static void json_begin(const struct top_options *o, const struct profile *p,
		       struct json *j)
{
	json_object(j);
	json_put_unsigned(j, "schema", TOP_SCHEMA);
	json_put_string(j, "by", kinds[o->by].name);
	json_put_string(j, "domain", scope_domains[o->scope.domain]);
	json_put_string(j, "sort", view_metric_name(o->sort));
	losses_json(p, j);
	wrappers_json(p, j);
	cut_json(p, j);
}

/* ---- sums ---------------------------------------------------------------- */

/* Columns up to the name's. */
static size_t put_titles(const struct profile *p, const struct top_options *o,
			 FILE *out)
{
	const char *live = p->slice.has_moment ? "Live" : "Peak";
	int w = width(o), used;
	size_t title = strlen(kinds[o->by].title);

	text_style(out, o->colour, TEXT_BOLD);
	used = fprintf(out, "%*s %*s %*s %13s %*s", w, live, w, "Leaked", w,
		       "Allocated", "Allocations", w, "Temporary");
	if (o->by == TOP_FUNCTION)
		used += fprintf(out, " %*s", w, "Inclusive");
	used += fprintf(out, "  ");
	fprintf(out, "%s\n", kinds[o->by].title);
	text_style(out, o->colour, TEXT_PLAIN);
	put_rule((size_t)used + (title > 8 ? title : 8), out);
	return (size_t)used;
}

static void put_sums(const struct top_options *o, const struct view_sums *s, FILE *out)
{
	int w = width(o);

	fprintf(out, "%*s %*s %*s %13s %*s", w, size(o, s->peak.bytes).text, w,
		size(o, s->leaked.bytes).text, w, size(o, s->allocated.bytes).text,
		units_count(s->allocated.blocks).text, w,
		size(o, s->temporary.bytes).text);
}

static void put_inclusive(const struct top_rows *r, const struct top_options *o,
			  const struct view_sums *s, FILE *out)
{
	uint64_t value = s ? view_value(s, o->sort) : 0;

	if (r->inclusive)
		fprintf(out, " %*s", width(o),
			!s			      ? ""
			: o->sort == VIEW_ALLOCATIONS ? units_count(value).text
						      : size(o, value).text);
	fputs("  ", out);
}

/* Whether another of the rows shown would have the same name. */
static bool ambiguous(const struct top_rows *r, size_t shown, size_t at,
		      enum labels_detail detail)
{
	char name[LABELS_TEXT], other[LABELS_TEXT];

	top_rows_name(r, r->order[at], detail, name, sizeof(name));
	for (size_t i = 0; i < shown; i++)
		if (i != at && !strcmp(name, top_rows_name(r, r->order[i], detail,
							   other, sizeof(other))))
			return true;
	return false;
}

static void put_row(const struct top_rows *r, const struct top_options *o, size_t shown,
		    size_t at, size_t used, FILE *out)
{
	enum { COMPARED = 200 }; /* rows; with more, names are given in full */
	uint32_t row = r->order[at];
	enum labels_detail detail = LABELS_SHORT;
	char name[LABELS_TEXT];

	if (shown > COMPARED)
		detail = LABELS_WHOLE;
	while (detail < LABELS_WHOLE && ambiguous(r, shown, at, detail))
		detail++;
	put_sums(o, &r->sums[row], out);
	put_inclusive(r, o, r->inclusive ? &r->inclusive[row] : NULL, out);
	put_name(o, top_rows_name(r, row, detail, name, sizeof(name)), used, out);
}

static void put_totals(const struct top_rows *r, const struct top_options *o,
		       const struct profile *p, size_t shown, FILE *out)
{
	struct view_sums rest = {0};

	for (size_t i = shown; i < r->count; i++)
		view_add(&rest, &r->sums[r->order[i]]);
	if (shown < r->count) {
		put_sums(o, &rest, out);
		put_inclusive(r, o, NULL, out);
		fprintf(out, "... %zu more; -n COUNT shows more\n", r->count - shown);
	}
	text_style(out, o->colour, TEXT_BOLD);
	put_sums(o, &r->total, out);
	put_inclusive(r, o, NULL, out);
	fprintf(out, "total%s\n", o->by == TOP_DOMAIN ? " (malloc)" : "");
	text_style(out, o->colour, TEXT_PLAIN);
	if (r->total.runtime.blocks)
		fprintf(out,
			"\nLive at the end as well: %s in %s block%s, kept by %s; "
			"no leak.\n",
			size(o, r->total.runtime.bytes).text,
			units_count(r->total.runtime.blocks).text,
			r->total.runtime.blocks == 1 ? "" : "s", python_runtime(p));
}

static void put_order(const struct top_rows *r, const struct top_options *o,
		      char *buffer, size_t room)
{
	static const char *const rules[TOP_KINDS] = {
		[TOP_SITE] = "A block counts at the innermost line of the program's "
			     "own code.\n",
		[TOP_FUNCTION] =
			"A block counts at the innermost function of the program's own "
			"code;\nInclusive: what it or anything below it allocated.\n",
		[TOP_FILE] = "A block counts at the innermost line of the program's "
			     "own code.\n",
		[TOP_STACK] = "A stack's row begins with the innermost line of the "
			      "program's own code.\n",
		[TOP_MODULE] = "A block counts at the module that asked libc or its "
			       "like for it.\n",
	};
	const char *rule = rules[o->by] ? rules[o->by] : "";

	snprintf(buffer, room,
		 "%s: bytes live at %s. Leaked: never freed,\nruntime blocks apart. "
		 "Temporary: freed by the thread's next event.\n%s",
		 r->view.profile->slice.has_moment ? "Live" : "Peak",
		 view_peak_phrase(&r->view), rule);
	if (o->by != TOP_DOMAIN)
		snprintf(buffer + strlen(buffer), room - strlen(buffer),
			 "Ordered by %s.\n",
			 view_metric_phrase(&r->view, o->sort).text);
}

static int sums_text(const struct profile *p, const struct top_options *o, FILE *out)
{
	_cleanup_(top_rows_done) struct top_rows r;
	int err = top_rows_init(&r, p, o);
	size_t limit = o->limit ? o->limit : TOP_LIMIT, used;
	char order[512];

	if (err < 0)
		return err;
	put_order(&r, o, order, sizeof(order));
	put_heading(o, p, order, out);
	used = put_titles(p, o, out);
	if (limit > r.count)
		limit = r.count;
	for (size_t i = 0; i < limit; i++)
		put_row(&r, o, limit, i, used, out);
	put_totals(&r, o, p, limit, out);
	return 0;
}

static void json_where(const struct top_rows *r, uint32_t row, struct json *j)
{
	const struct profile *p = r->view.profile;
	const struct frames_frame *f;
	char name[LABELS_TEXT];

	if (r->by == TOP_PROCESS) {
		const struct profile_process *q = &p->processes[row];

		json_key(j, "pid");
		json_signed(j, q->pid);
		json_put_unsigned(j, "serial", q->serial);
		json_put_string(j, "command", strings_get(&p->strings, q->command));
		return;
	}
	if (r->by == TOP_DOMAIN) {
		json_put_string(j, "name", scope_domains[row]);
		return;
	}
	json_put_string(j, "name",
			top_rows_name(r, row, LABELS_FULL, name, sizeof(name)));
	if (r->by == TOP_STACK) {
		frames_json_stack(p, r->stacks[row], j);
		return;
	}
	f = &r->labels.frames[row];
	if (row == LABELS_NONE)
		return;
	if (r->by != TOP_MODULE) {
		json_put_string(j, "file",
				f->code ? strings_get(&p->strings, f->code->file) : "");
		if (r->by == TOP_SITE)
			json_put_unsigned(j, "line", f->code ? f->code->line : 0);
	}
	if (r->by != TOP_MODULE && r->by != TOP_FILE)
		json_put_string(j, "function",
				f->code ? strings_get(&p->strings, f->code->function)
					: "");
	if (r->by != TOP_FILE)
		json_put_string(j, "module", frames_module(p, f->stack));
}

static int sums_json(const struct profile *p, const struct top_options *o, FILE *out)
{
	_cleanup_(top_rows_done) struct top_rows r;
	struct json j = {.out = out, .spread = 3};
	int err = top_rows_init(&r, p, o);

	if (err < 0)
		return err;
	json_begin(o, p, &j);
	json_key(&j, "total");
	json_object(&j);
	view_json(&r.total, &j);
	json_close(&j);
	json_key(&j, "rows");
	json_array(&j);
	for (size_t i = 0; i < r.count && (!o->limit || i < o->limit); i++) {
		json_object(&j);
		json_where(&r, r.order[i], &j);
		view_json(&r.sums[r.order[i]], &j);
		if (r.inclusive) {
			json_key(&j, "inclusive");
			json_object(&j);
			view_json(&r.inclusive[r.order[i]], &j);
			json_close(&j);
		}
		json_close(&j);
	}
	json_close(&j);
	json_close(&j);
	json_end(&j);
	return 0;
}

/* ---- sizes and lifetimes --------------------------------------------------- */

struct histogram {
	struct classes sizes, lives;
	struct classes_bounds bytes;
	struct view_sums total;
};

static int histogram_of(const struct profile *p, const struct scope_options *o,
			struct histogram *ret)
{
	_cleanup_(view_done) struct view v;
	int err = view_init(&v, p, o);

	*ret = (struct histogram){0};
	for (size_t i = 0; !err && i < p->site_count; i++) {
		const struct profile_site *s = &p->sites[i];
		struct view_sums one;

		if (!view_site(&v, i, &one))
			continue;
		view_add(&ret->total, &one);
		classes_add(&ret->sizes, s->sizes, s->sizes_count);
		classes_add(&ret->lives, s->lives, s->lives_count);
		classes_bound(&ret->bytes, s->sizes, s->sizes_count,
			      s->allocated_bytes);
	}
	return err;
}

/* "1.2 MiB", or "1.2 MiB to 1.5 MiB". */
static void put_between(const struct top_options *o, uint64_t least, uint64_t most,
			FILE *out)
{
	struct units_text low = size(o, least), high = size(o, most);
	char text[sizeof(low) + sizeof(high) + 4];

	if (strcmp(low.text, high.text) != 0)
		snprintf(text, sizeof(text), "%s to %s", low.text, high.text);
	else
		snprintf(text, sizeof(text), "%s", low.text);
	fprintf(out, " %*s", 2 * width(o) + 4, text);
}

static void put_class(const struct top_options *o, uint64_t count, uint64_t total,
		      FILE *out)
{
	(void)o;
	fprintf(out, "%13s %8s", units_count(count).text,
		units_percent(count, total).text);
}

static void sizes_text(const struct top_options *o, const struct histogram *h,
		       FILE *out)
{
	int w = 2 * width(o) + 4;
	int used = fprintf(out, "%13s %8s %*s  Size\n", "Allocations", "Share", w,
			   "Allocated");

	put_rule((size_t)used - 1 + 10, out);
	for (unsigned k = 0; k < CLASSES; k++) {
		if (!h->sizes.count[k])
			continue;
		put_class(o, h->sizes.count[k], h->total.allocated.blocks, out);
		put_between(o, h->bytes.least[k], h->bytes.most[k], out);
		fprintf(out, "  %s\n", classes_sizes(k).text);
	}
	put_class(o, h->total.allocated.blocks, h->total.allocated.blocks, out);
	fprintf(out, " %*s  total\n", w, size(o, h->total.allocated.bytes).text);
}

static void lives_text(const struct top_options *o, const struct histogram *h,
		       FILE *out)
{
	uint64_t total = h->total.allocated.blocks;
	uint64_t live = h->total.leaked.blocks + h->total.runtime.blocks;
	int used = fprintf(out, "%13s %8s  Lifetime\n", "Allocations", "Share");

	put_rule((size_t)used - 1 + 10, out);
	for (unsigned k = 0; k < CLASSES; k++) {
		if (!h->lives.count[k])
			continue;
		put_class(o, h->lives.count[k], total, out);
		fprintf(out, "  %s\n", classes_times(k).text);
	}
	if (live) {
		put_class(o, live, total, out);
		fputs("  never freed\n", out);
	}
	put_class(o, total, total, out);
	fputs("  total\n", out);
}

static int histogram_text(const struct profile *p, const struct top_options *o,
			  FILE *out)
{
	struct histogram h;
	int err = histogram_of(p, &o->scope, &h);

	if (err < 0)
		return err;
	put_heading(
		o, p,
		o->by == TOP_SIZE
			? "Bytes as requested. The profile counts blocks by size; "
			  "bytes are given between\nbounds where one stack asked for "
			  "sizes of several rows.\n"
			: "From a block's allocation to its free; a realloc ends "
			  "one and begins another.\n",
		out);
	if (o->by == TOP_SIZE)
		sizes_text(o, &h, out);
	else
		lives_text(o, &h, out);
	return 0;
}

static void json_class(const struct top_options *o, const struct histogram *h,
		       unsigned k, struct json *j)
{
	bool sizes = o->by == TOP_SIZE;
	uint64_t count = sizes ? h->sizes.count[k] : h->lives.count[k];

	if (!count)
		return;
	json_object(j);
	json_put_unsigned(j, sizes ? "least_bytes" : "least_ns", classes_low(k));
	json_put_unsigned(j, sizes ? "most_bytes" : "most_ns", classes_high(k));
	json_put_unsigned(j, "allocations", count);
	if (sizes) {
		json_put_unsigned(j, "allocated_bytes_at_least", h->bytes.least[k]);
		json_put_unsigned(j, "allocated_bytes_at_most", h->bytes.most[k]);
	}
	json_close(j);
}

static int histogram_json(const struct profile *p, const struct top_options *o,
			  FILE *out)
{
	struct json j = {.out = out, .spread = 3};
	struct histogram h;
	int err = histogram_of(p, &o->scope, &h);

	if (err < 0)
		return err;
	json_begin(o, p, &j);
	json_key(&j, "total");
	json_object(&j);
	view_json(&h.total, &j);
	json_close(&j);
	if (o->by == TOP_LIFETIME)
		json_put_unsigned(&j, "never_freed",
				  h.total.leaked.blocks + h.total.runtime.blocks);
	json_key(&j, "rows");
	json_array(&j);
	for (unsigned k = 0; k < CLASSES; k++)
		json_class(o, &h, k, &j);
	json_close(&j);
	json_close(&j);
	json_end(&j);
	return 0;
}

/* ---- threads --------------------------------------------------------------- */

/* Threads of the processes in scope, those with most events first. */
struct threads {
	struct scope scope;
	uint32_t *order;
	size_t count;
	uint64_t events; /* sum */
};

static void threads_done(struct threads *t)
{
	scope_done(&t->scope);
	free(t->order);
}

static int by_events(const void *left, const void *right, void *context)
{
	const struct profile *p = context;
	const struct profile_thread *a = &p->threads[*(const uint32_t *)left];
	const struct profile_thread *b = &p->threads[*(const uint32_t *)right];

	if (a->events != b->events)
		return a->events < b->events ? 1 : -1;
	return a->tid < b->tid ? -1 : a->tid > b->tid;
}

static int threads_init(struct threads *t, const struct profile *p,
			const struct scope_options *o)
{
	int err;

	*t = (struct threads){0};
	err = scope_init(&t->scope, p, o);
	if (err < 0)
		return err;
	t->order = calloc(p->thread_count + 1, sizeof(*t->order));
	if (!t->order)
		return -ENOMEM;
	for (size_t i = 0; i < p->thread_count; i++) {
		struct profile_site probe = {.process_serial =
						     p->threads[i].process_serial};
		size_t process = scope_process(&t->scope, &probe);

		if (process == SIZE_MAX || !t->scope.process[process])
			continue;
		t->order[t->count++] = (uint32_t)i;
		t->events += p->threads[i].events;
	}
	qsort_r(t->order, t->count, sizeof(*t->order), by_events, (void *)p);
	return 0;
}

static void put_thread(const struct top_options *o, const struct profile *p,
		       const struct threads *t, size_t at, FILE *out)
{
	const struct profile_thread *thread = &p->threads[t->order[at]];
	char name[LABELS_TEXT];

	put_class(o, thread->events, t->events, out);
	fputs("  ", out);
	snprintf(name, sizeof(name), "%d %s", (int)thread->tid,
		 strings_get(&p->strings, thread->name));
	put_name(o, name, 24, out);
}

static int threads_text(const struct profile *p, const struct top_options *o, FILE *out)
{
	_cleanup_(threads_done) struct threads t;
	int err = threads_init(&t, p, &o->scope);
	size_t limit = o->limit ? o->limit : TOP_LIMIT, rest = 0;
	int used;

	if (err < 0)
		return err;
	put_heading(
		o, p,
		"This profile does not tell whose blocks are which thread's: it has "
		"no bytes by\nthread, only how many events (allocations and frees) "
		"each made.\n",
		out);
	used = fprintf(out, "%13s %8s  Thread\n", "Events", "Share");
	put_rule((size_t)used - 1 + 10, out);
	if (limit > t.count)
		limit = t.count;
	for (size_t i = 0; i < limit; i++)
		put_thread(o, p, &t, i, out);
	for (size_t i = limit; i < t.count; i++)
		rest += p->threads[t.order[i]].events;
	if (limit < t.count) {
		put_class(o, rest, t.events, out);
		fprintf(out, "  ... %zu more; -n COUNT shows more\n", t.count - limit);
	}
	put_class(o, t.events, t.events, out);
	fputs("  total\n", out);
	return 0;
}

static int threads_json(const struct profile *p, const struct top_options *o, FILE *out)
{
	_cleanup_(threads_done) struct threads t;
	struct json j = {.out = out, .spread = 3};
	int err = threads_init(&t, p, &o->scope);

	if (err < 0)
		return err;
	json_begin(o, p, &j);
	json_put_bool(&j, "bytes_known", false);
	json_put_unsigned(&j, "events", t.events);
	json_key(&j, "rows");
	json_array(&j);
	for (size_t i = 0; i < t.count && (!o->limit || i < o->limit); i++) {
		const struct profile_thread *thread = &p->threads[t.order[i]];

		json_object(&j);
		json_key(&j, "tid");
		json_signed(&j, thread->tid);
		json_put_unsigned(&j, "process_serial", thread->process_serial);
		json_put_string(&j, "name", strings_get(&p->strings, thread->name));
		json_put_unsigned(&j, "events", thread->events);
		json_put_unsigned(&j, "start_ns", thread->start_ns);
		json_put_unsigned(&j, "end_ns", thread->end_ns);
		json_close(&j);
	}
	json_close(&j);
	json_close(&j);
	json_end(&j);
	return 0;
}

/* ---- all ------------------------------------------------------------------- */

int top_text(const struct profile *p, const struct top_options *o, FILE *out)
{
	switch (o->by) {
	case TOP_SIZE:
	case TOP_LIFETIME:
		return histogram_text(p, o, out);
	case TOP_THREAD:
		return threads_text(p, o, out);
	default:
		return sums_text(p, o, out);
	}
}

int top_json(const struct profile *p, const struct top_options *o, FILE *out)
{
	switch (o->by) {
	case TOP_SIZE:
	case TOP_LIFETIME:
		return histogram_json(p, o, out);
	case TOP_THREAD:
		return threads_json(p, o, out);
	default:
		return sums_json(p, o, out);
	}
}

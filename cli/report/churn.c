#include "cli/report/churn.h"

#include "cli/base/array.h"
#include "cli/base/cleanup.h"
#include "cli/base/json.h"
#include "cli/report/cut.h"
#include "cli/report/labels.h"
#include "cli/report/losses.h"
#include "cli/report/python.h"
#include "cli/report/text.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* ---- sites ---------------------------------------------------------------- */

/* A site has two histograms of half a kilobyte each: only those that are shown get
 * them, in a second pass. */
struct count {
	uint64_t allocs, bytes, temporary;
};

struct churn {
	struct view view;
	struct labels labels;
	struct count *counts; /* by label */
	size_t count_room;
	uint32_t *order; /* labels that have allocations, the greatest first */
	size_t count, shown;
	struct churn_site *sites; /* of those shown */
	uint32_t *place;	  /* by label: index + 1 into sites; 0: not shown */
	struct count total;
	struct instances instances; /* if there are Python's sites */
};

static void churn_done(struct churn *c)
{
	view_done(&c->view);
	labels_done(&c->labels);
	instances_done(&c->instances);
	free(c->counts);
	free(c->order);
	free(c->sites);
	free(c->place);
}

static uint32_t label_of(struct churn *c, const struct profile_site *site)
{
	struct frames_frame frame = view_site_frame(&c->view, site->stack);

	return labels_of(&c->labels, &frame);
}

static int count_sites(struct churn *c)
{
	const struct profile *p = c->view.profile;

	for (size_t i = 0; i < p->site_count; i++) {
		const struct profile_site *site = &p->sites[i];
		struct count *count;
		uint32_t label;

		/* In a range of time a temporary may have been allocated before. */
		if ((!site->allocs && !site->temporary.blocks) ||
		    !scope_has(&c->view.scope, site))
			continue;
		label = label_of(c, site);
		if (label == UINT32_MAX ||
		    array_reserve(&c->counts, &c->count_room, c->labels.count) < 0)
			return -ENOMEM;
		count = &c->counts[label];
		count->allocs += site->allocs;
		count->bytes += site->allocated_bytes;
		count->temporary += site->temporary.blocks;
		c->total.allocs += site->allocs;
		c->total.bytes += site->allocated_bytes;
		c->total.temporary += site->temporary.blocks;
	}
	return array_reserve(&c->counts, &c->count_room, c->labels.count);
}

struct ranking {
	const struct churn *churn;
	enum churn_sort sort;
};

static uint64_t rank_value(const struct count *c, enum churn_sort sort)
{
	return sort == CHURN_BY_TEMPORARY   ? c->temporary
	       : sort == CHURN_BY_ALLOCATED ? c->bytes
					    : c->allocs;
}

static int by_rank(const void *left, const void *right, void *context)
{
	const struct ranking *k = context;
	uint32_t i = *(const uint32_t *)left, j = *(const uint32_t *)right;
	uint64_t a = rank_value(&k->churn->counts[i], k->sort);
	uint64_t b = rank_value(&k->churn->counts[j], k->sort);
	char one[LABELS_TEXT], other[LABELS_TEXT];

	if (a != b)
		return a < b ? 1 : -1;
	return strcmp(
		labels_text(&k->churn->labels, i, LABELS_FULL, one, sizeof(one)),
		labels_text(&k->churn->labels, j, LABELS_FULL, other, sizeof(other)));
}

static bool has_any(const struct count *c)
{
	return c->allocs || c->temporary;
}

static int choose(struct churn *c, enum churn_sort sort, size_t limit)
{
	struct ranking ranking = {c, sort};

	c->order = calloc(c->labels.count + 1, sizeof(*c->order));
	c->place = calloc(c->labels.count + 1, sizeof(*c->place));
	if (!c->order || !c->place)
		return -ENOMEM;
	for (size_t i = 0; i < c->labels.count; i++)
		if (has_any(&c->counts[i]))
			c->order[c->count++] = (uint32_t)i;
	qsort_r(c->order, c->count, sizeof(*c->order), by_rank, &ranking);
	c->shown = limit < c->count ? limit : c->count;
	c->sites = calloc(c->shown + 1, sizeof(*c->sites));
	for (size_t i = 0; i < c->shown; i++)
		c->place[c->order[i]] = (uint32_t)i + 1;
	return c->sites ? 0 : -ENOMEM;
}

static void add_site(const struct churn *c, struct churn_site *to,
		     const struct profile_site *site)
{
	to->allocs += site->allocs;
	to->bytes += site->allocated_bytes;
	to->frees += site->frees;
	to->temporary += site->temporary.blocks;
	to->freed_here += site->freed_here;
	classes_add(&to->sizes, site->sizes, site->sizes_count);
	classes_add(&to->lives, site->lives, site->lives_count);
	if (to->python.is)
		churn_python_add(&to->python, c->view.profile, &c->instances, site,
				 scope_peak(&c->view.scope, site));
}

/* What the frame of a label says of it. */
static void name_python(const struct churn *c, struct churn_site *s, uint32_t label)
{
	static const char list[] = "<listcomp>";
	const struct profile *p = c->view.profile;
	const struct frames_frame *f = &c->labels.frames[label];
	const char *name;
	size_t len;

	if (label == LABELS_NONE || !f->code || !frames_is_python(p, f->stack->module))
		return;
	name = strings_get(&p->strings, f->code->function);
	len = strlen(name);
	s->python.is = true;
	s->python.is_list = len >= sizeof(list) - 1 &&
			    !strcmp(name + len - (sizeof(list) - 1), list);
}

static struct table_key line_key(const struct profile_frame *f)
{
	return (struct table_key){f->file, f->line};
}

/* The list comprehensions by their lines, one each. */
static int list_lines(struct churn *c, struct table *ret)
{
	for (size_t i = 0; i < c->shown; i++) {
		struct churn_python *python = &c->sites[i].python;
		uint64_t *at;
		bool is_new;

		if (!python->is_list)
			continue;
		at = table_put(ret, line_key(c->labels.frames[c->order[i]].code),
			       &is_new);
		if (!at)
			return -ENOMEM;
		if (!is_new) /* whose blocks the line freed nobody can tell */
			c->sites[*at - 1].python.is_list = python->is_list = false;
		else
			*at = i + 1;
	}
	return 0;
}

/* Fills line_allocs, line_freed of list comprehensions: their lists belong to the
 * function around them, at the same line. */
static int count_lines(struct churn *c)
{
	_cleanup_(table_done) struct table lines = {0};
	const struct profile *p = c->view.profile;
	int r = list_lines(c, &lines);

	if (r < 0)
		return r;
	for (size_t i = 0; lines.count && i < p->site_count; i++) {
		struct frames_frame f;
		uint64_t *at;

		if (!scope_has(&c->view.scope, &p->sites[i]))
			continue;
		f = view_site_frame(&c->view, p->sites[i].stack);
		at = f.code ? table_get(&lines, line_key(f.code)) : NULL;
		if (!at)
			continue;
		c->sites[*at - 1].python.line_allocs += p->sites[i].allocs;
		c->sites[*at - 1].python.line_freed += p->sites[i].freed_here;
	}
	return 0;
}

static int know_python(struct churn *c)
{
	bool has_python = false;

	for (size_t i = 0; i < c->shown; i++) {
		name_python(c, &c->sites[i], c->order[i]);
		has_python = has_python || c->sites[i].python.is;
	}
	return has_python ? instances_init(&c->instances, c->view.profile) : 0;
}

static int churn_init(struct churn *c, const struct profile *p,
		      const struct churn_options *o, size_t limit)
{
	int err;

	*c = (struct churn){0};
	err = view_init(&c->view, p, &o->scope);
	if (!err)
		err = view_owners(&c->view);
	if (!err)
		err = labels_init(&c->labels, p, LABELS_LINE);
	if (!err)
		err = count_sites(c);
	if (!err)
		err = choose(c, o->sort, limit);
	if (!err)
		err = know_python(c);
	for (size_t i = 0; i < p->site_count && !err; i++) {
		uint32_t label;

		if (!scope_has(&c->view.scope, &p->sites[i]))
			continue;
		label = label_of(c, &p->sites[i]);
		/* One that has frees alone may be new here. */
		if (label == UINT32_MAX)
			err = -ENOMEM;
		else if (label < c->count_room && has_any(&c->counts[label]) &&
			 c->place[label])
			add_site(c, &c->sites[c->place[label] - 1], &p->sites[i]);
	}
	return err ? err : count_lines(c);
}

/* ---- text ---------------------------------------------------------------- */

static const char *const advice_words[CHURN_ADVICES] = {
	[CHURN_RESERVE] = "reserve", [CHURN_REUSE] = "reuse",
	[CHURN_POOL] = "pool",	     [CHURN_GENERATOR] = "generator",
	[CHURN_ARRAY] = "array",     [CHURN_CACHE] = "cache",
};

static struct units_text size(const struct churn_options *o, uint64_t bytes)
{
	return o->bytes ? units_count(bytes) : units_size(bytes);
}

/* Bytes in one second of the recording. */
static uint64_t rate(const struct profile *p, uint64_t bytes)
{
	uint64_t ns = cut_length_ns(p);
	double value = ns ? (double)bytes * 1e9 / (double)ns : 0;

	return value < 0x1p63 ? (uint64_t)value : UINT64_MAX;
}

static struct units_text life(const struct churn_site *s, unsigned percent)
{
	struct units_text t = {"-"};

	if (s->lives.total)
		t = units_duration(
			classes_high(classes_percentile(&s->lives, percent)) + 1);
	return t;
}

static void put_heading(const struct profile *p, const struct churn_options *o,
			FILE *out)
{
	static const char *const orders[] = {
		[CHURN_BY_ALLOCATIONS] = "allocations",
		[CHURN_BY_TEMPORARY] = "temporary blocks",
		[CHURN_BY_ALLOCATED] = "bytes allocated",
	};

	text_style(out, o->colour, TEXT_BOLD);
	fprintf(out, "Churn of %s, %s\n", python_domain(p, o->scope.domain),
		cut_period(p).text);
	text_style(out, o->colour, TEXT_PLAIN);
	fputs("A block counts at the innermost line of the program's own code. "
	      "Temporary: freed by the\nthread's next event. Half, 90 %: of the freed "
	      "blocks lived shorter than that.\n",
	      out);
	fprintf(out, "Per second: of %s, %s. Ordered by %s.\n",
		p->slice.has_range ? "that time" : "the whole recording",
		units_duration(cut_length_ns(p)).text, orders[o->sort]);
	losses_text(p, o->colour, out);
	fputc('\n', out);
}

static size_t put_titles(const struct churn_options *o, FILE *out)
{
	int used;

	text_style(out, o->colour, TEXT_BOLD);
	used = fprintf(out, "%13s %9s %10s %10s %14s %14s  ", "Allocations",
		       "Temporary", "Half", "90 %", "Mean size", "Per second");
	fputs("Site\n", out);
	text_style(out, o->colour, TEXT_PLAIN);
	for (int i = 0; i < used + 8; i++)
		fputc('=', out);
	fputc('\n', out);
	return (size_t)used;
}

static void put_figures(const struct churn_options *o, uint64_t allocs,
			uint64_t temporary, uint64_t bytes, uint64_t per_second,
			const struct churn_site *s, FILE *out)
{
	fprintf(out, "%13s %9s %10s %10s %14s %14s  ", units_count(allocs).text,
		units_percent(temporary, allocs).text, s ? life(s, 50).text : "",
		s ? life(s, 90).text : "", allocs ? size(o, bytes / allocs).text : "",
		size(o, per_second).text);
}

/* In lines of the terminal's width, or of 88 columns, below the site's allocations. */
static void put_advice(const struct churn_options *o, enum churn_advice advice,
		       const char *reason, FILE *out)
{
	enum { INDENT = 15, LEAST = 40, USUAL = 88 };
	int wanted = o->columns && o->columns < USUAL ? (int)o->columns : USUAL;
	int at = fprintf(out, "%*s%s:", INDENT, "", advice_words[advice]);

	wanted = wanted > INDENT + LEAST ? wanted : INDENT + LEAST;
	while (*reason) {
		int len = (int)strcspn(reason, " ");

		if (at + 1 + len > wanted)
			at = fprintf(out, "\n%*s", INDENT, "") - 1;
		else
			at += fprintf(out, " ");
		at += fprintf(out, "%.*s", len, reason);
		reason += len;
		reason += *reason == ' ';
	}
	fputc('\n', out);
}

static void put_site(const struct churn *c, const struct churn_options *o, size_t at,
		     size_t used, FILE *out)
{
	enum { NAME_LEAST = 24 };
	const struct churn_site *s = &c->sites[at];
	char name[LABELS_TEXT], reason[512];
	size_t columns = o->columns;
	enum churn_advice advice;

	put_figures(o, s->allocs, s->temporary, s->bytes,
		    rate(c->view.profile, s->bytes), s, out);
	if (columns)
		columns = columns > used + NAME_LEAST ? columns - used : NAME_LEAST;
	labels_text(&c->labels, c->order[at], LABELS_SHORT, name, sizeof(name));
	text_put_elided(out, name, columns);
	fputc('\n', out);
	advice = churn_advise(s, reason, sizeof(reason));
	if (advice)
		put_advice(o, advice, reason, out);
}

int churn_text(const struct profile *p, const struct churn_options *o, FILE *out)
{
	_cleanup_(churn_done) struct churn c;
	int err = churn_init(&c, p, o, o->limit ? o->limit : CHURN_LIMIT);
	struct count rest;
	size_t used;

	if (err < 0)
		return err;
	put_heading(p, o, out);
	used = put_titles(o, out);
	rest = c.total;
	for (size_t i = 0; i < c.shown; i++) {
		put_site(&c, o, i, used, out);
		rest.allocs -= c.sites[i].allocs;
		rest.bytes -= c.sites[i].bytes;
		rest.temporary -= c.sites[i].temporary;
	}
	if (c.shown < c.count) {
		put_figures(o, rest.allocs, rest.temporary, rest.bytes,
			    rate(p, rest.bytes), NULL, out);
		fprintf(out, "... %zu more; -n COUNT shows more\n", c.count - c.shown);
	}
	text_style(out, o->colour, TEXT_BOLD);
	put_figures(o, c.total.allocs, c.total.temporary, c.total.bytes,
		    rate(p, c.total.bytes), NULL, out);
	fputs("total\n", out);
	text_style(out, o->colour, TEXT_PLAIN);
	return 0;
}

/* ---- JSON ---------------------------------------------------------------- */

static void json_classes(struct json *j, const char *name, const struct classes *c)
{
	json_key(j, name);
	json_array(j);
	for (unsigned i = 0; i < CLASSES; i++) {
		if (!c->count[i])
			continue;
		json_object(j);
		json_put_unsigned(j, "least", classes_low(i));
		json_put_unsigned(j, "most", classes_high(i));
		json_put_unsigned(j, "count", c->count[i]);
		json_close(j);
	}
	json_close(j);
}

static void json_site(const struct churn *c, size_t at, struct json *j)
{
	const struct profile *p = c->view.profile;
	const struct frames_frame *f = &c->labels.frames[c->order[at]];
	const struct churn_site *s = &c->sites[at];
	char name[LABELS_TEXT], reason[512];
	enum churn_advice advice = churn_advise(s, reason, sizeof(reason));

	json_object(j);
	json_put_string(
		j, "name",
		labels_text(&c->labels, c->order[at], LABELS_FULL, name, sizeof(name)));
	json_put_string(j, "file",
			f->code ? strings_get(&p->strings, f->code->file) : "");
	json_put_unsigned(j, "line", f->code ? f->code->line : 0);
	json_put_unsigned(j, "allocations", s->allocs);
	json_put_unsigned(j, "allocated_bytes", s->bytes);
	json_put_unsigned(j, "frees", s->frees);
	json_put_unsigned(j, "temporary", s->temporary);
	json_put_unsigned(j, "freed_here", s->freed_here);
	json_put_unsigned(j, "bytes_per_second", rate(p, s->bytes));
	json_put_unsigned(j, "values", s->python.values);
	json_put_unsigned(j, "repeated", s->python.repeated);
	json_classes(j, "sizes", &s->sizes);
	json_classes(j, "lifetimes_ns", &s->lives);
	json_key(j, "advice");
	if (advice)
		json_string(j, advice_words[advice]);
	else
		json_null(j);
	json_put_string(j, "reason", reason);
	json_close(j);
}

int churn_json(const struct profile *p, const struct churn_options *o, FILE *out)
{
	_cleanup_(churn_done) struct churn c;
	struct json j = {.out = out, .spread = 3};
	/* The rest is a tail of trifles, in half a kilobyte each. */
	int err = churn_init(&c, p, o, o->limit ? o->limit : CHURN_JSON_LIMIT);

	if (err < 0)
		return err;
	json_object(&j);
	json_put_unsigned(&j, "schema", CHURN_SCHEMA);
	json_put_string(&j, "domain", scope_domains[o->scope.domain]);
	json_put_unsigned(&j, "wall_ns", p->wall_ns);
	losses_json(p, &j);
	cut_json(p, &j);
	json_key(&j, "total");
	json_object(&j);
	json_put_unsigned(&j, "allocations", c.total.allocs);
	json_put_unsigned(&j, "allocated_bytes", c.total.bytes);
	json_put_unsigned(&j, "temporary", c.total.temporary);
	json_put_unsigned(&j, "sites", c.count);
	json_close(&j);
	json_key(&j, "sites");
	json_array(&j);
	for (size_t i = 0; i < c.shown; i++)
		json_site(&c, i, &j);
	json_close(&j);
	json_close(&j);
	json_end(&j);
	return 0;
}

/* ---- options ------------------------------------------------------------- */

bool churn_parse_sort(const char *word, enum churn_sort *ret)
{
	static const char *const names[] = {
		[CHURN_BY_ALLOCATIONS] = "allocations",
		[CHURN_BY_TEMPORARY] = "temporary",
		[CHURN_BY_ALLOCATED] = "allocated",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(word, names[i])) {
			*ret = (enum churn_sort)i;
			return true;
		}
	return false;
}

/*
 * lines_json.c - the line report for scripts: see docs/json.md.
 */
#include "cli/report/lines_report.h"

#include "cli/base/cleanup.h"
#include "cli/base/json.h"
#include "cli/report/cut.h"
#include "cli/report/estimate.h"
#include "cli/report/losses.h"

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
static void json_figures(const struct lines_report *r, struct json *j,
			 const struct view_sums *s)
{
	const struct profile *p = r->sums.view.profile;
	static const struct view_sums none;
	const struct view_sums *v = s ? s : &none, *frees = p->free_stacks ? s : NULL;

	put_value(j, "mem_usage", lines_is_known(s) ? s : NULL, v->last_live);
	json_key(j, "increment");
	if (s)
		json_signed(j, lines_increment(s));
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

static void json_function(const struct lines_report *r, const struct lines_options *o,
			  struct json *j, const struct lines_function *f)
{
	const struct profile *p = r->sums.view.profile;
	const struct strings *s = &p->strings;
	struct lines_steps at = {0};

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
	while (lines_step(&r->sums, f, o->nonzero, &at)) {
		json_object(j);
		json_put_unsigned(j, "line", at.number);
		json_figures(r, j, at.line ? &at.line->sum : NULL);
		json_close(j);
	}
	json_close(j);
	json_close(j);
}

static void json_plain(const struct lines_report *r, uint32_t label, struct json *j)
{
	const struct profile *p = r->sums.view.profile;
	const struct frames_frame *f = &r->sums.labels.frames[label];
	char place[LINES_NAME];

	json_object(j);
	json_put_string(j, "name", frames_name(p, f, place, sizeof(place)));
	json_put_string(j, "module", frames_module(p, f->stack));
	json_put_bool(j, "own", r->sums.plain[label].own);
	json_figures(r, j, &r->sums.plain[label].sum);
	json_close(j);
}

int lines_json(const struct profile *p, const struct lines_options *o, FILE *out)
{
	_cleanup_(lines_report_done) struct lines_report r;
	struct json j = {.out = out, .spread = 4};
	int err = lines_report_init(&r, p, o, true);

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

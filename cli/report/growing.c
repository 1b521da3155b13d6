#include "cli/report/growing.h"

#include "cli/base/cleanup.h"
#include "cli/base/json.h"
#include "cli/base/units.h"
#include "cli/profile/totals.h"
#include "cli/report/estimate.h"
#include "cli/report/frames.h"
#include "cli/report/frames_json.h"
#include "cli/report/stack_text.h"
#include "cli/report/text.h"

#include <errno.h>
#include <string.h>

enum { SHOWN = 10, AGES = 12, TEXT = 1024, JSON_LIST_AT = 2 };

static uint64_t rounded(double value)
{
	return value > 0 ? (uint64_t)(value + 0.5) : 0;
}

static struct units_text size(const struct growing_options *o, uint64_t bytes)
{
	struct units_text t = o->bytes ? units_count(bytes) : units_size(bytes);

	if (o->bytes)
		strcat(t.text, " B");
	return t;
}

static const struct growth_moment *first(const struct growth *g,
					 const struct growing_options *o)
{
	return &g->moments[o->skip];
}

static uint64_t length_ns(const struct growth *g, const struct growing_options *o)
{
	return g->moments[g->count - 1].at_ns - first(g, o)->at_ns;
}

/* ---- text -------------------------------------------------------------------- */

static void put_heading(const struct growth *g, size_t found, const struct profile *p,
			const struct growing_options *o, FILE *out)
{
	size_t windows = g->count - 1 - o->skip;

	estimate_text(p, o->colour, out);
	text_style(out, o->colour, TEXT_BOLD);
	if (!found)
		fputs("No site grew", out);
	else
		fprintf(out, "%s %s grew", units_count(found).text,
			found == 1 ? "site" : "sites");
	text_style(out, o->colour, TEXT_PLAIN);
	fprintf(out, " in each of %zu windows, %s in all, after %s of warm-up\n",
		windows, units_duration(length_ns(g, o)).text,
		units_duration(first(g, o)->at_ns - g->moments[0].at_ns).text);
	if (o->allowed)
		fprintf(out, "(by more than %s in each)\n", size(o, o->allowed).text);
	if (o->mark) {
		fprintf(out, "Operations in them: %s of ",
			units_count(growth_operations(g, o->skip)).text);
		text_put(out, o->mark);
		fputc('\n', out);
	}
}

static void put_site(const struct growth_site *s, struct frames_owners *owners,
		     struct profile_serials *serials, const struct growing_options *o,
		     FILE *out)
{
	const struct profile *p = serials->profile;
	size_t process = profile_serials_find(serials, s->serial);
	char site[TEXT];

	fputc('\n', out);
	text_style(out, o->colour, TEXT_WARNING);
	fprintf(out, "+%s", size(o, s->gained).text);
	text_style(out, o->colour, TEXT_PLAIN);
	fprintf(out, "  %s/s", size(o, rounded(s->per_second)).text);
	if (s->per_operation > 0)
		fprintf(out, "  %.1f B an operation", s->per_operation);
	fprintf(out, "  %s blocks live  ", units_count(s->blocks).text);
	text_style(out, o->colour, TEXT_BOLD);
	text_put(out, frames_site(owners, s->stack, site, sizeof(site)));
	text_style(out, o->colour, TEXT_PLAIN);
	if (p->process_count > 1 && process < p->process_count)
		fprintf(out, "  (process %d)", (int)p->processes[process].pid);
	fputc('\n', out);
}

/* By age: what each window added and nobody freed, the latest last. */
static void put_kept(const struct growth *g, const struct growth_site *s,
		     const struct growing_options *o, FILE *out)
{
	size_t windows = g->count - 1, from = windows > AGES ? windows - AGES : 0;

	if (!g->kept)
		return;
	fprintf(out, "  never freed, by window%s: ", from ? ", of the last" : "");
	for (size_t k = from; k < windows; k++)
		fprintf(out, "%s%s", k > from ? "  " : "",
			size(o, g->kept[s->row * g->most + k]).text);
	fputc('\n', out);
}

int growing_text(const struct growth *g, size_t found, const struct profile *p,
		 const struct growing_options *o, FILE *out)
{
	_cleanup_(frames_owners_closep) struct frames_owners *owners =
		frames_owners_open(p);
	_cleanup_(profile_serials_done) struct profile_serials serials = {0};
	size_t limit = o->limit ? o->limit : SHOWN;

	if (!owners || profile_serials_init(&serials, p) < 0)
		return -ENOMEM;
	put_heading(g, found, p, o, out);
	for (size_t i = 0; i < found && i < limit; i++) {
		put_site(&g->sites[i], owners, &serials, o, out);
		put_kept(g, &g->sites[i], o, out);
		stack_text(p, g->sites[i].stack, out);
	}
	if (found > limit)
		fprintf(out, "\nand %s more\n", units_count(found - limit).text);
	return 0;
}

/* ---- JSON -------------------------------------------------------------------- */

static void put_json_kept(const struct growth *g, const struct growth_site *s,
			  struct json *j)
{
	json_key(j, "never_freed_bytes");
	if (!g->kept) {
		json_null(j);
		return;
	}
	json_array(j);
	for (size_t k = 0; k + 1 < g->count; k++)
		json_unsigned(j, g->kept[s->row * g->most + k]);
	json_close(j);
}

static void put_json_site(const struct growth *g, const struct growth_site *s,
			  struct frames_owners *owners, struct profile_serials *serials,
			  struct json *j)
{
	const struct profile *p = serials->profile;
	size_t process = profile_serials_find(serials, s->serial);
	struct frames_frame chief = {0};

	frames_chief(owners, s->stack, &chief);
	json_object(j);
	frames_json(p, &chief, j);
	json_put_unsigned(j, "line", chief.code ? chief.code->line : 0);
	json_put_unsigned(j, "process_serial", s->serial);
	json_key(j, "pid");
	json_signed(j, process < p->process_count ? p->processes[process].pid : 0);
	json_put_unsigned(j, "gained_bytes", s->gained);
	json_put_unsigned(j, "least_bytes", s->least);
	json_put_unsigned(j, "live_blocks", s->blocks);
	json_put_unsigned(j, "bytes_per_second", rounded(s->per_second));
	json_key(j, "bytes_per_1000_operations");
	if (s->per_operation > 0)
		json_unsigned(j, rounded(s->per_operation * 1000));
	else
		json_null(j);
	put_json_kept(g, s, j);
	frames_json_stack(p, s->stack, j);
	json_close(j);
}

static void put_windows(const struct growth *g, const struct growing_options *o,
			struct json *j)
{
	json_key(j, "windows");
	json_array(j);
	for (size_t i = 1; i < g->count; i++) {
		json_object(j);
		json_put_unsigned(j, "from_ns", g->moments[i - 1].at_ns);
		json_put_unsigned(j, "to_ns", g->moments[i].at_ns);
		json_put_bool(j, "warm_up", i <= o->skip);
		json_put_unsigned(j, "operations",
				  g->moments[i].operations -
					  g->moments[i - 1].operations);
		json_close(j);
	}
	json_close(j);
}

int growing_json(const struct growth *g, size_t found, const struct profile *p,
		 const struct growing_options *o, FILE *out)
{
	_cleanup_(frames_owners_closep) struct frames_owners *owners =
		frames_owners_open(p);
	_cleanup_(profile_serials_done) struct profile_serials serials = {0};
	struct json j = {.out = out, .spread = JSON_LIST_AT};

	if (!owners || profile_serials_init(&serials, p) < 0)
		return -ENOMEM;
	json_object(&j);
	json_put_unsigned(&j, "schema", 1);
	json_put_unsigned(&j, "growing", found);
	json_put_unsigned(&j, "max_growth_bytes", o->allowed);
	json_key(&j, "mark");
	if (o->mark)
		json_string(&j, o->mark);
	else
		json_null(&j);
	put_windows(g, o, &j);
	json_key(&j, "sites");
	json_array(&j);
	for (size_t i = 0; i < found && (!o->limit || i < o->limit); i++)
		put_json_site(g, &g->sites[i], owners, &serials, &j);
	json_close(&j);
	json_close(&j);
	json_end(&j);
	return 0;
}

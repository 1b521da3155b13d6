#include "cli/report/tree.h"

#include "cli/base/array.h"
#include "cli/base/cleanup.h"
#include "cli/base/json.h"
#include "cli/base/units.h"
#include "cli/report/cut.h"
#include "cli/report/losses.h"
#include "cli/report/python.h"
#include "cli/report/text.h"
#include "cli/report/tree_rows.h"

#include <errno.h>
#include <string.h>

enum {
	NAME_LEAST = 24, /* columns that a name has on the narrowest terminal */
	STEP = 3,	 /* columns of a branch */
	STEPS_MOST = 30, /* branches drawn at most: the innermost */
};

/* What is drawn left of a row, kept from row to row. */
struct drawing {
	const struct tree_options *options;
	FILE *out;
	bool *more;    /* by branch: rows are still to come there */
	size_t *steps; /* by depth: branches down to there */
	size_t more_room, steps_room;
	size_t numbers; /* columns of the numbers */
};

static struct units_text amount(const struct tree_options *o, uint64_t value)
{
	return o->bytes || o->metric == VIEW_ALLOCATIONS ? units_count(value)
							 : units_size(value);
}

static size_t steps_shown(const struct drawing *d)
{
	size_t columns = d->options->columns;

	if (!columns)
		return STEPS_MOST;
	if (columns <= d->numbers + NAME_LEAST + 2 * STEP)
		return 2;
	columns = (columns - d->numbers - NAME_LEAST) / STEP;
	return columns < STEPS_MOST ? columns : STEPS_MOST;
}

/* Draws the branches left of a row; returns their columns. */
static size_t put_branches(struct drawing *d, const struct tree_row *row, size_t steps)
{
	static const char *const ascii[] = {"   ", "|  ", "|- ", "`- "};
	static const char *const drawn[] = {"   ", "\u2502  ", "\u251c\u2500 ",
					    "\u2514\u2500 "};
	const char *const *parts = d->options->ascii ? ascii : drawn;
	size_t most = steps_shown(d), first = steps > most ? steps - most : 0;

	if (first)
		fputs(".. ", d->out);
	for (size_t i = first; i < steps; i++) {
		bool own = i + 1 == steps && !row->only;

		fputs(parts[own ? (row->last ? 3 : 2) : d->more[i]], d->out);
	}
	return (steps - first + !!first) * STEP;
}

/* Notes where the row is in the tree: a row alone at its level is drawn right below
 * the one it belongs to. */
static int note_row(struct drawing *d, const struct tree_row *row, size_t *ret_steps)
{
	size_t steps;

	if (array_reserve(&d->steps, &d->steps_room, row->depth + 1) < 0)
		return -ENOMEM;
	steps = row->depth ? d->steps[row->depth - 1] : 0;
	if (!row->only)
		steps++;
	d->steps[row->depth] = steps;
	if (array_reserve(&d->more, &d->more_room, steps + 1) < 0)
		return -ENOMEM;
	if (!row->only)
		d->more[steps - 1] = !row->last;
	*ret_steps = steps;
	return 0;
}

static void put_name(struct drawing *d, const struct tree_rows *t,
		     const struct tree_row *row, size_t used)
{
	static const char both[] = " [partly inlined]", all[] = " [inlined]";
	const char *mark = !row->inlined ? "" : row->called ? both : all;
	const char *again = row->recursive ? " [recursive]" : "";
	size_t columns = d->options->columns;
	char name[LABELS_TEXT];

	used += strlen(mark) + strlen(again);
	if (columns)
		columns = columns > used + NAME_LEAST ? columns - used : NAME_LEAST;
	labels_text(&t->labels, row->label, LABELS_SHORT, name, sizeof(name));
	text_put_elided(d->out, name, columns);
	fprintf(d->out, "%s%s\n", mark, again);
}

static int put_row(struct drawing *d, const struct tree_rows *t,
		   const struct tree_row *row)
{
	const struct tree_options *o = d->options;
	int width = o->bytes ? 17 : 13;
	size_t steps, used = d->numbers;

	if (note_row(d, row, &steps) < 0)
		return -ENOMEM;
	fprintf(d->out, "%*s %7s", width, amount(o, row->value).text,
		units_percent(row->value, t->total).text);
	if (!o->bottom_up)
		fprintf(d->out, " %*s", width,
			row->self ? amount(o, row->self).text : "");
	fputs("  ", d->out);
	used += put_branches(d, row, steps);
	if (row->folded)
		fprintf(d->out, "... %zu more\n", row->folded);
	else
		put_name(d, t, row, used);
	return 0;
}

static void put_heading(const struct tree_rows *t, const struct tree_options *o,
			FILE *out)
{

	text_style(out, o->colour, TEXT_BOLD);
	fprintf(out, "Tree of %s, %s, %s\n",
		python_domain(t->view.profile, o->scope.domain),
		o->bottom_up ? "from the allocations up" : "from the top down",
		cut_period(t->view.profile).text);
	text_style(out, o->colour, TEXT_PLAIN);
	fprintf(out, "Numbers: %s.\n", view_metric_phrase(&t->view, o->metric).text);
	fputs(o->bottom_up
		      ? "From the functions that asked libc or the C++ runtime for "
			"memory: below each are\nthose that called it; a name without "
			"a branch of its own called the one above it.\n"
		      : "Below a function are those that it called; a name without a "
			"branch of its own\nwas called by the one above it. Self: "
			"without what other functions allocated.\n",
	      out);
	losses_text(t->view.profile, o->colour, out);
	fputc('\n', out);
}

static size_t put_titles(const struct tree_options *o, FILE *out)
{
	int width = o->bytes ? 17 : 13, used;
	const char *title = o->metric == VIEW_ALLOCATIONS ? "Allocations" : "Bytes";

	text_style(out, o->colour, TEXT_BOLD);
	used = fprintf(out, "%*s %7s", width, title, "Share");
	if (!o->bottom_up)
		used += fprintf(out, " %*s", width, "Self");
	used += fprintf(out, "  ");
	fputs("Function\n", out);
	text_style(out, o->colour, TEXT_PLAIN);
	for (int i = 0; i < used + 8; i++)
		fputc('=', out);
	fputc('\n', out);
	return (size_t)used;
}

/* Whether a row above all others says no more than that a program was started: all is
 * below it, and it is libc's. */
static bool is_start_up(const struct tree_rows *t, const struct tree_row *row)
{
	const struct frames_frame *f = &t->labels.frames[row->label];

	if (!row->only || row->folded || row->self || !f->stack)
		return false;
	if (frames_owner(t->view.owners, f) == FRAMES_BASE)
		return true;
	return f->code &&
	       !strcmp(strings_get(&t->view.profile->strings, f->code->function),
		       "_start");
}

/* Writes a row, unless no more than start-up was seen so far. */
static int take_row(struct drawing *d, const struct tree_rows *t,
		    const struct tree_row *row, const struct tree_told *told,
		    bool *started)
{
	int err = told ? told->row(told->context, t, row) : 0;
	size_t steps;

	if (err < 0)
		return err;
	*started = *started || !is_start_up(t, row);
	return *started ? put_row(d, t, row) : note_row(d, row, &steps);
}

int tree_text(const struct profile *p, const struct tree_options *o, FILE *out)
{
	return tree_text_told(p, o, NULL, out);
}

int tree_text_told(const struct profile *p, const struct tree_options *o,
		   const struct tree_told *told, FILE *out)
{
	_cleanup_(tree_rows_done) struct tree_rows t;
	struct drawing d = {.options = o, .out = out};
	struct tree_row row;
	bool started = o->bottom_up;
	int err = tree_rows_init(&t, p, o);

	if (err < 0)
		return err;
	put_heading(&t, o, out);
	d.numbers = put_titles(o, out);
	while ((err = tree_rows_next(&t, &row)) > 0) {
		err = take_row(&d, &t, &row, told, &started);
		if (err < 0)
			break;
	}
	text_style(out, o->colour, TEXT_BOLD);
	fprintf(out, "%*s %7s", o->bytes ? 17 : 13, amount(o, t.total).text,
		units_percent(t.total, t.total).text);
	if (!o->bottom_up)
		fprintf(out, " %*s", o->bytes ? 17 : 13, "");
	fputs("  total\n", out);
	text_style(out, o->colour, TEXT_PLAIN);
	free(d.more);
	free(d.steps);
	return err;
}

/* ---- JSON ---------------------------------------------------------------- */

static void json_node(const struct tree_rows *t, const struct tree_row *row,
		      struct json *j)
{
	const struct profile *p = t->view.profile;
	const struct frames_frame *f = &t->labels.frames[row->label];
	char name[LABELS_TEXT];

	json_put_string(
		j, "name",
		labels_text(&t->labels, row->label, LABELS_FULL, name, sizeof(name)));
	if (f->stack) {
		json_put_string(j, "function",
				f->code ? strings_get(&p->strings, f->code->function)
					: "");
		json_put_string(j, "file",
				f->code ? strings_get(&p->strings, f->code->file) : "");
		if (t->options->lines)
			json_put_unsigned(j, "line", f->code ? f->code->line : 0);
		json_put_string(j, "module", frames_module(p, f->stack));
	}
	if (row->recursive)
		json_put_bool(j, "recursive", true);
	if (row->inlined)
		json_put_string(j, "inlined", row->called ? "partly" : "always");
}

static void json_row(const struct tree_rows *t, const struct tree_row *row,
		     struct json *j)
{
	json_object(j);
	json_put_unsigned(j, "depth", row->depth);
	if (row->folded)
		json_put_unsigned(j, "folded", row->folded);
	else
		json_node(t, row, j);
	json_put_unsigned(j, "value", row->value);
	if (!t->options->bottom_up && !row->folded)
		json_put_unsigned(j, "self", row->self);
	json_close(j);
}

int tree_json(const struct profile *p, const struct tree_options *o, FILE *out)
{
	_cleanup_(tree_rows_done) struct tree_rows t;
	struct json j = {.out = out, .spread = 2};
	struct tree_row row;
	int err = tree_rows_init(&t, p, o);

	if (err < 0)
		return err;
	json_object(&j);
	json_put_unsigned(&j, "schema", TREE_SCHEMA);
	json_put_string(&j, "domain", scope_domains[o->scope.domain]);
	json_put_string(&j, "metric", view_metric_name(o->metric));
	json_put_string(&j, "direction", o->bottom_up ? "bottom-up" : "top-down");
	losses_json(p, &j);
	cut_json(p, &j);
	json_put_unsigned(&j, "total", t.total);
	json_key(&j, "nodes");
	json_array(&j);
	while ((err = tree_rows_next(&t, &row)) > 0)
		json_row(&t, &row, &j);
	json_close(&j);
	json_close(&j);
	json_end(&j);
	return err;
}

#include "cli/export/html_changes.h"

#include "cli/base/cleanup.h"
#include "cli/base/json.h"
#include "cli/report/changes.h"
#include "cli/report/types.h"

#include <errno.h>
#include <string.h>

enum { LISTED_LEAST = 50, WHY = 300 };

/* While it is made. */
struct making {
	const struct html_changes_options *o;
	struct changes_options changes;
	const struct held *held[2];
	bool cut;
	char leak_why[WHY], block_why[WHY], type_why[WHY]; /* "": it is there */
};

static size_t rows_of(size_t limit)
{
	size_t rows = limit / HTML_CHANGE_BYTES;

	return rows < LISTED_LEAST   ? LISTED_LEAST
	       : rows < HTML_CHANGES ? rows
				     : HTML_CHANGES;
}

/* ---- leaks -------------------------------------------------------------------- */

static int find_leaks(void *making, int which, struct findings *ret)
{
	const struct making *m = making;

	return m->o->find(m->o->context, which, PROFILE_MALLOC, ret);
}

static int write_leaks(void *context, FILE *out)
{
	struct making *m = context;
	const struct changes_leaks both = {
		.profile = {m->o->profile[0], m->o->profile[1]},
		.kinds = LEAKS_ALL,
		.find = find_leaks,
		.context = m,
	};

	return changes_leaks(&both, &m->changes, true, out);
}

/* ---- graphs --------------------------------------------------------------------- */

static int write_blocks(void *context, FILE *out)
{
	const struct making *m = context;

	return changes_blocks_json(m->held[0], m->held[1], &m->changes, out);
}

static int write_types(void *context, FILE *out)
{
	const struct making *m = context;
	struct types_options all = {.limit = 0};

	return types_growth_json(m->held[0], m->held[1], &all, out);
}

static void say_why(char why[WHY], int err, const char *cause)
{
	snprintf(why, WHY, "%s",
		 err != -ENODATA ? html_heap_reason(err)
		 : cause	 ? cause
				 : "the profile has no snapshot of a heap");
}

static int make_graphs(struct html_heap *x, struct making *m, bool typed)
{
	char *why = typed ? m->type_why : m->block_why;
	struct held h[2] = {{.profile = NULL}, {.profile = NULL}};
	int r = 0;

	for (int k = 0; k < 2 && !r; k++) {
		const struct held_options o = {
			.path = m->o->path[k], .typed = typed, .forwards = true};
		const char *cause = NULL;

		r = held_open(&h[k], m->o->profile[k], &o, &cause);
		m->held[k] = &h[k];
		if (r < 0)
			say_why(why, r, cause);
	}
	if (!r)
		r = html_heap_part(x, typed ? "pair.type" : "pair.block",
				   typed ? write_types : write_blocks, m);
	for (int k = 0; k < 2; k++)
		held_done(&h[k]);
	if (r && !*why)
		say_why(why, r, NULL);
	return r == -ENOMEM ? r : 0;
}

/* ---- all ------------------------------------------------------------------------ */

static int write_heap(void *context, FILE *out)
{
	const struct making *m = context;
	struct json j = {.out = out, .spread = 1};

	json_object(&j);
	json_put_bool(&j, "cut", m->cut);
	json_put_string(&j, "leak", m->leak_why);
	json_put_string(&j, "block", m->block_why);
	json_put_string(&j, "type", m->type_why);
	json_close(&j);
	json_end(&j);
	return 0;
}

static int make_all(struct html_heap *x, struct making *m)
{
	int r = html_heap_part(x, "pair.leak", write_leaks, m);

	if (r == -ENOMEM)
		return r;
	if (r < 0)
		say_why(m->leak_why, r, NULL);
	r = make_graphs(x, m, false);
	return r < 0 ? r : make_graphs(x, m, true);
}

int html_changes_init(struct html_heap *x, const struct html_changes_options *o)
{
	struct making m = {.o = o,
			   .changes = {.limit = rows_of(o->limit),
				       .paths = {o->path[0], o->path[1]}}};
	bool there = o->find && o->path[0] && o->path[1];
	int r = 0;

	*x = (struct html_heap){0};
	m.cut = html_heap_is_part(o->profile[0]) || html_heap_is_part(o->profile[1]);
	if (there && !m.cut)
		r = make_all(x, &m);
	return r < 0 ? r : html_heap_part(x, "pair.heap", write_heap, &m);
}

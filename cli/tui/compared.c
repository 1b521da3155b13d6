#include "cli/tui/compared.h"

#include "cli/report/changes.h"
#include "cli/report/text.h"
#include "cli/report/types.h"

#include <errno.h>

static const struct profile *profile_of(const struct views *v, int k)
{
	return k ? v->options->other : v->profile;
}

static const char *path_of(const struct views *v, int k)
{
	return k ? v->options->other_path : v->options->path;
}

/* The verb has neither --process nor --domain. */
static struct scope_options scope_of(const struct views *v)
{
	struct scope_options scope = v->options->scope;

	scope.domain = PROFILE_MALLOC;
	scope.pid = 0;
	return scope;
}

static int make_code(struct views *v, FILE *out)
{
	const struct diff_options o = {.scope = scope_of(v),
				       .metric = v->diff_metric,
				       .by = v->diff_by,
				       .limit = COMPARED_ROWS,
				       .bytes = v->options->bytes,
				       .colour = true,
				       .paths = {path_of(v, 0), path_of(v, 1)}};

	return diff_text(profile_of(v, 0), profile_of(v, 1), &o, out);
}

static struct changes_options changes_options_of(const struct views *v)
{
	return (struct changes_options){.limit = COMPARED_ROWS,
					.bytes = v->options->bytes,
					.colour = true,
					.paths = {path_of(v, 0), path_of(v, 1)}};
}

/* ---- leaks -------------------------------------------------------------------- */

static int find_leaks(void *views, int which, struct findings *ret)
{
	const struct views *v = views;
	struct scope_options scope = scope_of(v);

	return v->options->find(v->options->context, which, &scope, ret);
}

static int make_leaks(struct views *v, FILE *out)
{
	struct changes_options o = changes_options_of(v);
	const struct changes_leaks both = {
		.profile = {profile_of(v, 0), profile_of(v, 1)},
		.scope = scope_of(v),
		.find = find_leaks,
		.context = v,
	};

	return changes_leaks(&both, &o, false, out);
}

/* ---- snapshots ------------------------------------------------------------------ */

static void put_why(int k, const char *why, FILE *out)
{
	fprintf(out, "There is nothing to compare: %c: ", 'A' + k);
	text_put(out, why ? why : "the profile has no snapshot of a heap");
	fputs(".\n\nRecord both with `heapline run --snapshot-at-exit PROGRAM`, or ask "
	      "processes that run:\n`heapline snapshot PID`.\n",
	      out);
}

static int put_graphs(const struct views *v, const struct held h[2], FILE *out)
{
	struct types_options types = {
		.limit = COMPARED_ROWS, .bytes = v->options->bytes, .colour = true};
	struct changes_options changes = changes_options_of(v);

	return v->diff_by == DIFF_BY_TYPE
		       ? types_growth_text(&h[0], &h[1], &types, out)
		       : changes_blocks_text(&h[0], &h[1], &changes, out);
}

static int make_graphs(struct views *v, FILE *out)
{
	struct held h[2] = {{.profile = NULL}, {.profile = NULL}};
	const char *why = NULL;
	int err = 0, k;

	for (k = 0; k < 2 && !err; k++) {
		const struct held_options o = {.path = path_of(v, k),
					       .typed = v->diff_by == DIFF_BY_TYPE,
					       .forwards = true};

		err = held_open(&h[k], profile_of(v, k), &o, &why);
	}
	if (!err)
		err = put_graphs(v, h, out);
	for (int i = 0; i < 2; i++)
		held_done(&h[i]);
	if (err != -ENODATA)
		return err;
	put_why(k - 1, why, out);
	return 0;
}

int compared_make(struct views *v, FILE *out)
{
	switch (v->diff_by) {
	case DIFF_BY_LEAK:
		return make_leaks(v, out);
	case DIFF_BY_TYPE:
	case DIFF_BY_BLOCK:
		return make_graphs(v, out);
	default:
		return make_code(v, out);
	}
}

void compared_turn(struct views *v)
{
	const struct scope_options *s = &v->options->scope;

	do
		v->diff_by = (enum diff_by)((v->diff_by + 1) % DIFF_BYS);
	while ((s->focus || s->ignore) &&
	       (v->diff_by == DIFF_BY_TYPE || v->diff_by == DIFF_BY_BLOCK));
}

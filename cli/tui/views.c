#include "cli/tui/views.h"

#include "cli/base/array.h"
#include "cli/base/cleanup.h"
#include "cli/report/blocks.h"
#include "cli/report/chain.h"
#include "cli/report/leaks.h"
#include "cli/report/refs.h"
#include "cli/report/text.h"
#include "cli/report/timeline.h"
#include "cli/report/tree_rows.h"
#include "cli/tui/compared.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { /* what is listed at most: of a screen, more is no view */
       FUNCTIONS = 200,
       ROWS = 1000,
       LISTED = 200,
       REFS_DEPTH = 3,
       REFS_DEPTH_MOST = 20,
};

static const struct {
	double percent;
	const char *text;
} details[VIEWS_DETAILS] = {
	{TREE_MIN_PERCENT, NULL}, {0.1, "0.1"}, {0.01, "0.01"}, {0.001, "0.001"}};

static const char *const tops[TOP_KINDS] = {"site",	"function", "file",
					    "module",	"size",	    "thread",
					    "lifetime", "domain",   "process"};

static const char *const refs_verbs[] = {
	[VIEWS_BACKREFS] = "backrefs", [VIEWS_REFS] = "refs", [VIEWS_PATH] = "path"};

static const char *const line_sorts[] = {[LINES_BY_PEAK] = "peak",
					 [LINES_BY_LEAKED] = "leaked",
					 [LINES_BY_ALLOCATED] = "allocated",
					 [LINES_BY_TEMPORARY] = "temporary",
					 [LINES_BY_PLACE] = "line"};

void views_init(struct views *v, const struct profile *p, const struct tui_options *o)
{
	*v = (struct views){.profile = p,
			    .options = o,
			    .lines_sort = LINES_BY_PEAK,
			    .refs_depth = REFS_DEPTH};
}

static void tree_done(struct views *v)
{
	free(v->items);
	free(v->names);
	v->items = NULL;
	v->names = NULL;
	v->item_count = v->item_room = v->name_bytes = 0;
}

void views_drop(struct views *v, enum tui_kind kind)
{
	v->view[kind == TUI_FLAME ? TUI_TREE : kind].made = false;
}

void views_done(struct views *v)
{
	for (int i = 0; i < TUI_KINDS; i++) {
		document_done(&v->view[i].document);
		free(v->view[i].shown);
	}
	tree_done(v);
	if (v->has_findings)
		findings_done(&v->findings);
	*v = (struct views){0};
}

/* ---- lines, top, timeline --------------------------------------------------- */

static int make_lines(struct views *v, FILE *out)
{
	struct lines_options o = {.scope = v->options->scope,
				  .sort = v->lines_sort,
				  .columns = v->lines_more ? LINES_ALL_COLUMNS : 0,
				  .all = v->lines_all,
				  .bytes = v->options->bytes,
				  .colour = true,
				  .limit = FUNCTIONS};

	return lines_text(v->profile, &o, out);
}

static int make_top(struct views *v, FILE *out)
{
	struct top_options o = {.scope = v->options->scope,
				.by = v->by,
				.sort = v->top_metric,
				.limit = ROWS,
				.columns = v->columns,
				.bytes = v->options->bytes,
				.colour = true};

	return top_text(v->profile, &o, out);
}

static int make_timeline(struct views *v, FILE *out)
{
	struct timeline_options o = {.width = v->columns,
				     .utf8 = text_utf8(),
				     .bytes = v->options->bytes,
				     .colour = true};

	return timeline_text(v->profile, &o, out);
}

/* ---- the tree ---------------------------------------------------------------- */

/* The rows from the top to the one at hand, while they come. */
struct gathering {
	struct views *views;
	struct document *document;
	FILE *names;
	struct branch {
		uint32_t item;
		uint64_t next; /* where the next one under it starts */
	} * branches;	       /* by depth + 1; the first is the total */
	size_t depth, room;    /* branches in use */
};

/* The rows below that depth are complete. */
static void close_items(struct gathering *g, size_t depth)
{
	for (; g->depth > depth; g->depth--)
		g->views->items[g->branches[g->depth].item].end =
			(uint32_t)g->views->item_count;
}

static void put_item_name(struct gathering *g, const struct tree_rows *t,
			  const struct tree_row *row)
{
	char name[LABELS_TEXT];

	if (row->folded)
		fprintf(g->names, "... %zu more", row->folded);
	else
		text_put(g->names, labels_text(&t->labels, row->label, LABELS_SHORT,
					       name, sizeof(name)));
	fputc('\0', g->names);
}

static int gather_row(void *context, const struct tree_rows *t,
		      const struct tree_row *row)
{
	struct gathering *g = context;
	struct views *v = g->views;
	struct branch *above;
	struct views_item *item;

	v->total = t->total;
	close_items(g, row->depth);
	if (array_reserve(&g->branches, &g->room, row->depth + 2) < 0 ||
	    array_reserve(&v->items, &v->item_room, v->item_count + 1) < 0 ||
	    document_mark(g->document, (uint32_t)v->item_count) < 0)
		return -ENOMEM;
	above = &g->branches[row->depth];
	item = &v->items[v->item_count];
	*item = (struct views_item){
		.value = row->value,
		.start = above->next,
		.depth = (uint32_t)row->depth,
		.parent = row->depth ? above->item : DOCUMENT_NONE,
		.name = (size_t)ftello(g->names),
	};
	above->next += row->value;
	above[1] = (struct branch){(uint32_t)v->item_count, item->start};
	g->depth = row->depth + 1;
	v->item_count++;
	put_item_name(g, t, row);
	return 0;
}

static int make_tree(struct views *v, FILE *out)
{
	struct tree_options o = {.scope = v->options->scope,
				 .metric = v->tree_metric,
				 .bottom_up = v->bottom_up,
				 .min_percent = details[v->tree_detail].percent,
				 .columns = v->columns,
				 .ascii = !text_utf8(),
				 .bytes = v->options->bytes,
				 .colour = true};
	struct gathering g = {.views = v, .document = &v->view[TUI_TREE].document};
	struct tree_told told = {gather_row, &g};
	int err = -ENOMEM;

	tree_done(v);
	v->total = 0;
	g.names = open_memstream(&v->names, &v->name_bytes);
	if (g.names && !array_reserve(&g.branches, &g.room, 1))
		err = tree_text_told(v->profile, &o, &told, out);
	close_items(&g, 0);
	if (g.names && ferror(g.names))
		err = -ENOMEM;
	if (g.names && fclose(g.names))
		err = -ENOMEM;
	free(g.branches);
	if (err < 0)
		tree_done(v);
	return err;
}

struct views_item *views_item(struct views *v, size_t line)
{
	const struct document *d = &v->view[TUI_TREE].document;
	uint32_t mark = line < d->count ? d->lines[line].mark : DOCUMENT_NONE;

	/* The last line is the total's, and no row. */
	return mark < v->item_count && line + 1 < d->count ? &v->items[mark] : NULL;
}

/* ---- leaks ------------------------------------------------------------------ */

struct telling {
	struct document *document;
	const struct findings *findings;
};

static void tell(void *context, const struct finding *f)
{
	const struct telling *t = context;

	document_mark(t->document, (uint32_t)(f - t->findings->items));
}

static int make_leaks(struct views *v, FILE *out)
{
	struct leaks_options o = {.scope = v->options->scope,
				  .path = v->options->path,
				  .kinds = v->leaks_all ? LEAKS_ALL : 0,
				  .bytes = v->options->bytes,
				  .colour = true,
				  .limit = LISTED};
	struct telling t = {&v->view[TUI_LEAKS].document, &v->findings};
	struct leaks l = {.snapshot = FINDING_NONE};
	int err = 0;

	if (!v->has_findings) {
		err = v->options->find(v->options->context, 0, &o.scope, &v->findings);
		v->has_findings = !err;
		if (err)
			findings_done(&v->findings);
	}
	if (!err)
		err = leaks_open(&l, v->profile, &v->findings, &o);
	l.told = tell;
	l.told_context = &t;
	if (!err)
		err = leaks_text(&l, out);
	leaks_done(&l);
	return err;
}

/* ---- references ---------------------------------------------------------------- */

static int refs_of(const struct views *v, const struct held *h, FILE *out)
{
	struct refs_options refs = {.what = v->what,
				    .back = v->refs == VIEWS_BACKREFS,
				    .depth = v->refs_depth};
	struct chain_options chain = {.what = v->what};
	struct blocks_options blocks = {.level = -1, .limit = LISTED};

	if (!*v->what)
		return blocks_text(h, &blocks, out);
	return v->refs == VIEWS_PATH ? chain_text(h, &chain, out)
				     : refs_text(h, &refs, out);
}

static int make_refs(struct views *v, FILE *out)
{
	_cleanup_(held_done) struct held h = {0};
	struct held_options o = {.path = v->options->path,
				 .pid = v->options->scope.pid};
	const char *why = NULL;
	int err = held_open(&h, v->profile, &o, &why);

	if (!err)
		return refs_of(v, &h, out);
	if (err != -ENODATA)
		return err;
	fputs("There are no references to show: ", out);
	text_put(out, why ? why : "the profile has no snapshot of a heap");
	fputs(".\n\nRecord with `heapline run --snapshot-at-exit PROGRAM`, or ask "
	      "a process that runs:\n`heapline snapshot PID`.\n",
	      out);
	return 0;
}

/* ---- all of them ------------------------------------------------------------- */

static int (*const makers[TUI_KINDS])(struct views *v, FILE *out) = {
	[TUI_LINES] = make_lines,   [TUI_TREE] = make_tree,
	[TUI_TOP] = make_top,	    [TUI_TIMELINE] = make_timeline,
	[TUI_LEAKS] = make_leaks,   [TUI_REFS] = make_refs,
	[TUI_DIFF] = compared_make,
};

static void put_why(const struct views *v, int err, FILE *out)
{
	switch (err) {
	case -ESRCH:
		fprintf(out, "The profile has no process %d.\n",
			(int)v->options->scope.pid);
		break;
	case -ENXIO:
		fputs("No live block of the snapshot is meant by ", out);
		text_put(out, v->what);
		fputs(".\nAn address is one of a block at the snapshot; a site a "
		      "function, file or file:line on its stack.\nEnter asks for "
		      "another.\n",
		      out);
		break;
	case -ESPIPE:
		fputs("The graph cannot be read out of a pipe: save the profile to a "
		      "file first.\n",
		      out);
		break;
	case -EBADMSG:
		fputs("The snapshot is damaged.\n", out);
		break;
	default:
		fprintf(out, "This view could not be made: %s.\n", strerror(-err));
	}
}

int views_make(struct views *v, enum tui_kind kind)
{
	struct views_view *view;
	FILE *out;
	int err;

	if (kind == TUI_FLAME)
		kind = TUI_TREE;
	view = &v->view[kind];
	if (view->made && (view->columns == v->columns || kind == TUI_LINES ||
			   kind == TUI_LEAKS || kind == TUI_REFS || kind == TUI_DIFF))
		return 0;
	out = document_begin(&view->document);
	if (!out)
		return -ENOMEM;
	err = makers[kind](v, out);
	if (err < 0) {
		out = document_begin(&view->document);
		if (!out)
			return -ENOMEM;
		put_why(v, err, out);
	}
	view->made = true;
	view->columns = v->columns;
	err = document_end(&view->document);
	return err ? err : views_show(v, kind);
}

int views_show(struct views *v, enum tui_kind kind)
{
	struct views_view *view = &v->view[kind];
	size_t was = view->cursor < view->shown_count ? view->shown[view->cursor] : 0;
	size_t count = view->document.count;
	uint32_t until = 0; /* items before are folded away */

	if (array_room(&view->shown, &view->shown_room, count + 1) < 0)
		return -ENOMEM;
	view->shown_count = view->cursor = 0;
	for (size_t i = 0; i < count; i++) {
		const struct views_item *item =
			kind == TUI_TREE ? views_item(v, i) : NULL;

		if (item && (size_t)(item - v->items) < until)
			continue;
		if (item && item->folded)
			until = item->end;
		if (i <= was)
			view->cursor = view->shown_count;
		view->shown[view->shown_count++] = i;
	}
	return 0;
}

/* ---- what they are asked with --------------------------------------------------- */

static int turn(int is, int first, int count, bool backwards)
{
	return first + (is - first + (backwards ? count - 1 : 1)) % count;
}

const char *views_sort(struct views *v, enum tui_kind kind, bool backwards)
{
	switch (kind) {
	case TUI_LINES:
		v->lines_sort = (enum lines_sort)turn((int)v->lines_sort, LINES_BY_PEAK,
						      LINES_BY_PLACE, backwards);
		break;
	case TUI_TREE:
	case TUI_FLAME:
		v->tree_metric = (enum view_metric)turn((int)v->tree_metric, 0,
							VIEW_METRICS, backwards);
		break;
	case TUI_TOP:
		v->top_metric = (enum view_metric)turn((int)v->top_metric, 0,
						       VIEW_METRICS, backwards);
		break;
	case TUI_DIFF:
		if (!compared_sorts(v))
			return "the greatest change comes first";
		v->diff_metric = (enum diff_metric)turn((int)v->diff_metric, 0,
							DIFF_METRICS, backwards);
		break;
	case TUI_LEAKS:
		return "leaks come the worst first";
	default:
		return "there is nothing to sort here";
	}
	views_drop(v, kind);
	return NULL;
}

const char *views_mode(struct views *v, enum tui_kind kind)
{
	switch (kind) {
	case TUI_LINES:
		v->lines_all = !v->lines_all;
		break;
	case TUI_TREE:
	case TUI_FLAME:
		v->bottom_up = !v->bottom_up;
		break;
	case TUI_TOP:
		v->by = (enum top_by)((v->by + 1) % TOP_KINDS);
		break;
	case TUI_LEAKS:
		v->leaks_all = !v->leaks_all;
		break;
	case TUI_DIFF:
		compared_turn(v);
		break;
	case TUI_REFS:
		if (!*v->what)
			return "name a block first: Enter asks for one";
		v->refs = (enum views_refs)((v->refs + 1) % VIEWS_REFS_MODES);
		break;
	default:
		return "there is one way to show it";
	}
	views_drop(v, kind);
	return NULL;
}

const char *views_detail(struct views *v, enum tui_kind kind, bool more)
{
	switch (kind) {
	case TUI_LINES:
		if (v->lines_more == more)
			return more ? "all columns are shown" : "these are the least";
		v->lines_more = more;
		break;
	case TUI_TREE:
	case TUI_FLAME:
		if (v->tree_detail == (more ? VIEWS_DETAILS - 1 : 0))
			return more ? "nothing smaller is shown"
				    : "nothing larger is folded";
		v->tree_detail += more ? 1u : -1u;
		break;
	case TUI_REFS:
		if (!*v->what || v->refs == VIEWS_PATH ||
		    v->refs_depth == (more ? REFS_DEPTH_MOST : 1))
			return "it is as deep as it goes";
		v->refs_depth += more ? 1u : (size_t)-1;
		break;
	default:
		return "all that there is is shown";
	}
	views_drop(v, kind);
	return NULL;
}

void views_state(const struct views *v, enum tui_kind kind, FILE *out)
{
	switch (kind) {
	case TUI_LINES:
		fprintf(out, "sort: %s, %s", line_sorts[v->lines_sort],
			v->lines_all ? "all code" : "own code");
		break;
	case TUI_TREE:
	case TUI_FLAME:
		fprintf(out, "sort: %s, %s, from %g %%",
			view_metric_name(v->tree_metric),
			v->bottom_up ? "bottom up" : "top down",
			details[v->tree_detail].percent);
		break;
	case TUI_TOP:
		fprintf(out, "sort: %s, by %s", view_metric_name(v->top_metric),
			tops[v->by]);
		break;
	case TUI_LEAKS:
		fputs(v->leaks_all ? "all kinds" : "leaks", out);
		break;
	case TUI_REFS:
		fputs(*v->what ? refs_verbs[v->refs] : "all blocks", out);
		break;
	case TUI_DIFF:
		if (compared_sorts(v))
			fprintf(out, "sort: %s, ", diff_metric_word(v->diff_metric));
		fprintf(out, "by %s", diff_by_word(v->diff_by));
		break;
	default:
		fputs("heap over time", out);
	}
}

static void put_refs_twin(const struct views *v, FILE *out)
{
	if (!*v->what) {
		fprintf(out, "blocks -n %d", LISTED);
		return;
	}
	fputs(refs_verbs[v->refs], out);
	if (v->refs != VIEWS_PATH && v->refs_depth != REFS_DEPTH)
		fprintf(out, " --depth %zu", v->refs_depth);
	fputc(' ', out);
	text_put_word(out, v->what);
}

static void put_tree_twin(const struct views *v, FILE *out)
{
	fputs("tree", out);
	if (v->tree_metric)
		fprintf(out, " --sort %s", view_metric_name(v->tree_metric));
	if (v->bottom_up)
		fputs(" --bottom-up", out);
	if (v->tree_detail)
		fprintf(out, " --min %s", details[v->tree_detail].text);
}

void views_twin(const struct views *v, enum tui_kind kind, FILE *out)
{
	fputs("heapline ", out);
	switch (kind) {
	case TUI_LINES:
		fprintf(out, "lines --sort %s%s%s -n %d", line_sorts[v->lines_sort],
			v->lines_all ? " --all" : "",
			v->lines_more ? " --columns all" : "", FUNCTIONS);
		break;
	case TUI_TREE:
	case TUI_FLAME:
		put_tree_twin(v, out);
		break;
	case TUI_TOP:
		fprintf(out, "top --by %s --sort %s -n %d", tops[v->by],
			view_metric_name(v->top_metric), ROWS);
		break;
	case TUI_LEAKS:
		fprintf(out, "leaks%s -n %d", v->leaks_all ? " --kind all" : "",
			LISTED);
		break;
	case TUI_REFS:
		put_refs_twin(v, out);
		break;
	case TUI_DIFF:
		fprintf(out, "diff --by %s", diff_by_word(v->diff_by));
		if (compared_sorts(v))
			fprintf(out, " --sort %s", diff_metric_word(v->diff_metric));
		fprintf(out, " -n %d", COMPARED_ROWS);
		break;
	default:
		fputs("timeline", out);
	}
	fprintf(out, "%s%s ", v->options->words[kind] ? v->options->words[kind] : "",
		v->options->bytes && kind != TUI_REFS ? " --bytes" : "");
	text_put_word(out, v->options->path);
	if (kind == TUI_DIFF) {
		fputc(' ', out);
		text_put_word(out, v->options->other_path);
	}
}

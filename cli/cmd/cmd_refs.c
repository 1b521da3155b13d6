/*
 * cmd_refs.c - heapline refs and backrefs [OPTIONS] ADDRESS|SITE [PROFILE]
 */
#include "cli/base/quantity.h"
#include "cli/cmd/graph.h"
#include "cli/cmd/picture.h"
#include "cli/cmd/verb.h"
#include "cli/report/refs.h"

enum option { SNAPSHOT, DEPTH, MANY, ONLY, HIDE, MIN, HIGHLIGHT, DOT, SVG, TYPE };

static const struct option_spec options[] = {
	[SNAPSHOT] = GRAPH_SNAPSHOT,
	[DEPTH] = {.name = "depth",
		   .argument = "COUNT",
		   .help = "blocks away at most (3)"},
	[MANY] = {.name = "too-many",
		  .argument = "COUNT",
		  .help = "references shown of one block (10)"},
	[ONLY] = {.name = "only",
		  .argument = "BLOCK",
		  .help = "of what is around it, such blocks alone (repeatable)"},
	[HIDE] = {.name = "hide",
		  .argument = "BLOCK",
		  .help = "no such blocks (repeatable)"},
	[MIN] = {.name = "min", .argument = "SIZE", .help = "no smaller ones"},
	[HIGHLIGHT] = {.name = "highlight",
		       .argument = "BLOCK",
		       .help = "point out such blocks (repeatable)"},
	[DOT] = {.name = "dot", .help = "in the words of Graphviz's dot"},
	[SVG] = {.name = "svg",
		 .argument = "FILE",
		 .help = "a picture into FILE, if Graphviz is installed (- is standard "
			 "output)"},
	[TYPE] = GRAPH_TYPE,
	{0},
};

struct own {
	struct refs_options options;
	const char *snapshot, *svg;
	char what[GRAPH_WHAT]; /* of --type; or "" */
	bool dot;
	int failed; /* to draw: an exit status */
};

struct asked { /* what is to be drawn */
	const struct held *held;
	const struct refs_options *options;
};

static const char *take(void *own, size_t i, const char *value)
{
	struct own *o = own;

	switch ((enum option)i) {
	case SNAPSHOT:
		o->snapshot = value;
		return NULL;
	case DEPTH:
		return graph_count(value, 60, &o->options.depth);
	case MANY:
		return graph_count(value, 1000000, &o->options.many);
	case ONLY:
		return chosen_add(&o->options.only, value);
	case HIDE:
		return chosen_add(&o->options.hide, value);
	case MIN:
		return quantity_parse_size(value, &o->options.least) < 0
			       ? "write bytes, or a number with K, M or G"
			       : NULL;
	case HIGHLIGHT:
		return chosen_add(&o->options.highlight, value);
	case DOT:
		o->dot = true;
		return NULL;
	case SVG:
		o->svg = value;
		return *value ? NULL : "name a file, or -";
	case TYPE:
		return graph_type(value, o->what);
	}
	return NULL;
}

static bool named(const void *own)
{
	return *((const struct own *)own)->what;
}

const struct reader_spec refs_spec = {
	.verb = "refs",
	.about = "Shows what a block points at, what that points at, and so on. "
		 "\n" GRAPH_ABOUT_OPERAND,
	.options = options,
	.take = take,
	.counts = "blocks of the site (1)",
	.lacks = GRAPH_LACKS,
	.uncut = GRAPH_UNCUT,
	.operand = GRAPH_OPERAND,
	.named = named,
};

const struct reader_spec backrefs_spec = {
	.verb = "backrefs",
	.about = "Shows what points at a block, variables and stacks too, what points "
		 "at "
		 "that, and so on.\n" GRAPH_ABOUT_OPERAND,
	.options = options,
	.take = take,
	.counts = "blocks of the site (1)",
	.lacks = GRAPH_LACKS,
	.uncut = GRAPH_UNCUT,
	.operand = GRAPH_OPERAND,
	.named = named,
};

static int write_dot(void *context, FILE *out)
{
	const struct asked *a = context;

	return refs_dot(a->held, a->options, out);
}

static int report(const struct reader *r, const struct held *h, void *own)
{
	struct own *o = own;
	struct asked asked = {h, &o->options};

	o->options.what = *o->what ? o->what : r->operand;
	o->options.blocks = r->limit;
	if (o->svg)
		return picture_draw(o->svg, r->out, write_dot, &asked, &o->failed);
	if (o->dot)
		return refs_dot(h, &o->options, r->out);
	return r->json ? refs_json(h, &o->options, r->out)
		       : refs_text(h, &o->options, r->out);
}

static int run(const struct graph_verb *verb, int argc, char **argv)
{
	struct own own = {.options.back = !verb->forwards};
	int status = graph_run(verb, argc, argv, &own, &own.snapshot);

	return status ? status : own.failed;
}

int cmd_refs(int argc, char **argv)
{
	static const struct graph_verb verb = {
		.spec = &refs_spec, .report = report, .forwards = true};

	return run(&verb, argc, argv);
}

int cmd_backrefs(int argc, char **argv)
{
	static const struct graph_verb verb = {.spec = &backrefs_spec,
					       .report = report};

	return run(&verb, argc, argv);
}

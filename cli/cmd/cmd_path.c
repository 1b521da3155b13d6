/*
 * cmd_path.c - heapline path [OPTIONS] ADDRESS|SITE [PROFILE]
 */
#include "cli/cmd/graph.h"
#include "cli/cmd/verb.h"
#include "cli/report/chain.h"

enum option { SNAPSHOT, AVOID, PATHS, TYPE };

static const struct option_spec options[] = {
	[SNAPSHOT] = GRAPH_SNAPSHOT,
	[AVOID] = {.name = "avoid",
		   .argument = "BLOCK",
		   .help = "no way through such a block (repeatable)"},
	[PATHS] = {.name = "paths",
		   .argument = "COUNT",
		   .help = "ways of each block, with no block in common (1)"},
	[TYPE] = GRAPH_TYPE,
	{0},
};

struct own {
	struct chain_options options;
	const char *snapshot;
	char what[GRAPH_WHAT]; /* of --type; or "" */
};

static const char *take(void *own, size_t i, const char *value)
{
	struct own *o = own;

	switch ((enum option)i) {
	case SNAPSHOT:
		o->snapshot = value;
		return NULL;
	case AVOID:
		return chosen_add(&o->options.avoid, value);
	case PATHS:
		return graph_count(value, 1000, &o->options.paths);
	case TYPE:
		return graph_type(value, o->what);
	}
	return NULL;
}

static bool named(const void *own)
{
	return *((const struct own *)own)->what;
}

const struct reader_spec path_spec = {
	.verb = "path",
	.about = "Says why a block is still there: the shortest way to it from a "
		 "variable, a stack or\nwhatever holds it. " GRAPH_ABOUT_OPERAND,
	.options = options,
	.take = take,
	.counts = "blocks of the site (1)",
	.lacks = GRAPH_LACKS,
	.uncut = GRAPH_UNCUT,
	.operand = GRAPH_OPERAND,
	.named = named,
};

static int report(const struct reader *r, const struct held *h, void *own)
{
	struct own *o = own;

	o->options.what = *o->what ? o->what : r->operand;
	o->options.blocks = r->limit;
	return r->json ? chain_json(h, &o->options, r->out)
		       : chain_text(h, &o->options, r->out);
}

static const struct graph_verb verb = {.spec = &path_spec, .report = report};

int cmd_path(int argc, char **argv)
{
	struct own own = {0};

	return graph_run(&verb, argc, argv, &own, &own.snapshot);
}

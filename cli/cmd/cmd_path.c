/*
 * cmd_path.c - heapline path [OPTIONS] ADDRESS|SITE [PROFILE]
 */
#include "cli/cmd/graph.h"
#include "cli/cmd/verb.h"
#include "cli/report/chain.h"

#include <stdlib.h>

enum option { SNAPSHOT, PATHS };

static const struct option_spec options[] = {
	[SNAPSHOT] = GRAPH_SNAPSHOT,
	[PATHS] = {.name = "paths",
		   .argument = "COUNT",
		   .help = "ways of each block, with no block in common (1)"},
	{0},
};

struct own {
	struct chain_options options;
	const char *snapshot;
};

static const char *take(void *own, size_t i, const char *value)
{
	struct own *o = own;
	char *end;
	long n;

	switch ((enum option)i) {
	case SNAPSHOT:
		o->snapshot = value;
		return NULL;
	case PATHS:
		n = strtol(value, &end, 10);
		if (*end || n < 1 || n > 1000)
			return "a number from 1 to 1000";
		o->options.paths = (size_t)n;
		return NULL;
	}
	return NULL;
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
};

int cmd_path(int argc, char **argv)
{
	struct own own = {0};
	struct reader r;
	struct held h;
	int status;

	if (!reader_open(&r, &path_spec, argc, argv, &own, &status) ||
	    !graph_open(&r, &h, own.snapshot, &status))
		return status;
	own.options.what = r.operand;
	own.options.blocks = r.limit;
	return graph_close(&r, &h,
			   r.json ? chain_json(&h, &own.options, r.out)
				  : chain_text(&h, &own.options, r.out));
}

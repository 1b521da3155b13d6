/*
 * cmd_blocks.c - heapline blocks [OPTIONS] [PROFILE]
 */
#include "cli/base/quantity.h"
#include "cli/cmd/graph.h"
#include "cli/cmd/verb.h"
#include "cli/report/blocks.h"

enum option { SNAPSHOT, HELD, MIN, TYPE };

static const struct option_spec options[] = {
	[SNAPSHOT] = GRAPH_SNAPSHOT,
	[HELD] = {.name = "held",
		  .argument = "WORD",
		  .help = "only those held so: sure, inside, weak, exited, ignored "
			  "or no",
		  .words = BLOCKS_HELD_WORDS},
	[MIN] = {.name = "min", .argument = "SIZE", .help = "only blocks of that size"},
	[TYPE] = {.name = "type",
		  .argument = "TYPE",
		  .help = "only objects of that type, and their parts (* and ? match)"},
	{0},
};

struct own {
	struct blocks_options options;
	const char *snapshot;
};

static const char *take(void *own, size_t i, const char *value)
{
	struct own *o = own;

	switch ((enum option)i) {
	case SNAPSHOT:
		o->snapshot = value;
		return NULL;
	case HELD:
		return blocks_parse_held(value, &o->options.level)
			       ? NULL
			       : "sure, inside, weak, exited, ignored or no";
	case TYPE:
		o->options.type = value;
		return NULL;
	case MIN:
		return quantity_parse_size(value, &o->options.least) < 0
			       ? "write bytes, or a number with K, M or G"
			       : NULL;
	}
	return NULL;
}

static bool named(const void *own)
{
	return ((const struct own *)own)->options.type;
}

const struct reader_spec blocks_spec = {
	.verb = "blocks",
	.about = "Lists the live blocks of a snapshot by where they were allocated and "
		 "how surely something\nholds them. Of `heapline run "
		 "--snapshot-at-exit` "
		 "or `heapline snapshot`.",
	.options = options,
	.take = take,
	.counts = "rows (20; of JSON all blocks)",
	.lacks = GRAPH_LACKS,
	.uncut = GRAPH_UNCUT,
	.named = named,
};

static int report(const struct reader *r, const struct held *h, void *own)
{
	struct own *o = own;

	o->options.limit = r->limit;
	return r->json ? blocks_json(h, &o->options, r->out)
		       : blocks_text(h, &o->options, r->out);
}

static const struct graph_verb verb = {
	.spec = &blocks_spec, .report = report, .forwards = true};

int cmd_blocks(int argc, char **argv)
{
	struct own own = {.options.level = -1};

	return graph_run(&verb, argc, argv, &own, &own.snapshot);
}

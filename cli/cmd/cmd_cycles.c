/*
 * cmd_cycles.c - heapline cycles [OPTIONS] [PROFILE]
 */
#include "cli/cmd/graph.h"
#include "cli/cmd/verb.h"
#include "cli/report/blocks.h"

enum option { SNAPSHOT, ALL };

static const struct option_spec options[] = {
	[SNAPSHOT] = GRAPH_SNAPSHOT,
	[ALL] = {.name = "all", .help = "rings that something surely holds, too"},
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
		break;
	case ALL:
		o->options.all = true;
		break;
	}
	return NULL;
}

const struct reader_spec cycles_spec = {
	.verb = "cycles",
	.about = "Shows blocks that hold each other in a ring, and that nothing else "
		 "surely holds. Of\n`heapline run --snapshot-at-exit` or `heapline "
		 "snapshot`.",
	.options = options,
	.take = take,
	.counts = "rings (20)",
	.lacks = GRAPH_LACKS,
	.uncut = GRAPH_UNCUT,
};

static int report(const struct reader *r, const struct held *h, void *own)
{
	struct own *o = own;

	o->options.limit = r->limit;
	return r->json ? cycles_json(h, &o->options, r->out)
		       : cycles_text(h, &o->options, r->out);
}

static const struct graph_verb verb = {
	.spec = &cycles_spec, .report = report, .forwards = true};

int cmd_cycles(int argc, char **argv)
{
	struct own own = {.options.level = -1};

	return graph_run(&verb, argc, argv, &own, &own.snapshot);
}

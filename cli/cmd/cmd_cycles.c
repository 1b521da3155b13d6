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

int cmd_cycles(int argc, char **argv)
{
	struct own own = {.options.level = -1};
	struct reader r;
	struct held h;
	int status;

	if (!reader_open(&r, &cycles_spec, argc, argv, &own, &status) ||
	    !graph_open(&r, &h, own.snapshot, &status))
		return status;
	own.options.limit = r.limit;
	return graph_close(&r, &h,
			   r.json ? cycles_json(&h, &own.options, r.out)
				  : cycles_text(&h, &own.options, r.out));
}

/*
 * cmd_roots.c - heapline roots [OPTIONS] [PROFILE]
 */
#include "cli/cmd/graph.h"
#include "cli/cmd/verb.h"
#include "cli/report/block.h"

static const struct option_spec options[] = {GRAPH_SNAPSHOT, {0}};

static const char *take(void *own, size_t i, const char *value)
{
	(void)i;
	*(const char **)own = value;
	return NULL;
}

const struct reader_spec roots_spec = {
	.verb = "roots",
	.about =
		"Shows what holds blocks: variables, stacks, registers, thread-local "
		"storage and mappings,\nand how many blocks are held. Of `heapline run "
		"--snapshot-at-exit`.",
	.options = options,
	.take = take,
	.counts = "places (20; of JSON all roots)",
	.lacks = GRAPH_LACKS,
	.uncut = GRAPH_UNCUT,
};

int cmd_roots(int argc, char **argv)
{
	const char *snapshot = NULL;
	struct reader r;
	struct held h;
	int status;

	if (!reader_open(&r, &roots_spec, argc, argv, &snapshot, &status) ||
	    !graph_open(&r, &h, snapshot, &status))
		return status;
	return graph_close(&r, &h,
			   r.json ? roots_json(&h, r.limit, r.out)
				  : roots_text(&h, r.limit, r.out));
}

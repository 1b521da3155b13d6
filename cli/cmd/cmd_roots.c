/*
 * cmd_roots.c - heapline roots [OPTIONS] [PROFILE]
 */
#include "cli/cmd/graph.h"
#include "cli/cmd/verb.h"
#include "cli/report/block.h"

static const struct option_spec options[] = {GRAPH_SNAPSHOT, {0}};

const struct reader_spec roots_spec = {
	.verb = "roots",
	.about =
		"Shows what holds blocks: variables, stacks, registers, thread-local "
		"storage and mappings,\nand how many blocks are held. Of `heapline run "
		"--snapshot-at-exit`.",
	.options = options,
	.take = graph_take,
	.counts = "places (20; of JSON all roots)",
	.lacks = GRAPH_LACKS,
	.uncut = GRAPH_UNCUT,
};

static int report(const struct reader *r, const struct held *h, void *own)
{
	(void)own;
	return r->json ? roots_json(h, r->limit, r->out)
		       : roots_text(h, r->limit, r->out);
}

static const struct graph_verb verb = {
	.spec = &roots_spec, .report = report, .forwards = true};

int cmd_roots(int argc, char **argv)
{
	const char *snapshot = NULL;

	return graph_run(&verb, argc, argv, &snapshot, &snapshot);
}

/*
 * cmd_at.c - heapline at [OPTIONS] ADDRESS|SITE [PROFILE]
 */
#include "cli/cmd/graph.h"
#include "cli/cmd/verb.h"
#include "cli/report/block.h"

static const struct option_spec options[] = {GRAPH_SNAPSHOT, {0}};

const struct reader_spec at_spec = {
	.verb = "at",
	.about = "Shows a block: its size, its age, who allocated it, who holds "
		 "it.\n" GRAPH_ABOUT_OPERAND,
	.options = options,
	.take = graph_take,
	.counts = "blocks of the site (10)",
	.lacks = GRAPH_LACKS,
	.uncut = GRAPH_UNCUT,
	.operand = GRAPH_OPERAND,
};

static int report(const struct reader *r, const struct held *h, void *own)
{
	const struct block_options o = {r->operand, r->path, r->limit};

	(void)own;
	return r->json ? block_json(h, &o, r->out) : block_text(h, &o, r->out);
}

int cmd_at(int argc, char **argv)
{
	const char *snapshot = NULL;

	return graph_run(&at_spec, argc, argv, &snapshot, &snapshot, report);
}

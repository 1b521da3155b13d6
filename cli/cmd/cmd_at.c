/*
 * cmd_at.c - heapline at [OPTIONS] ADDRESS|SITE [PROFILE]
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

const struct reader_spec at_spec = {
	.verb = "at",
	.about = "Shows a block: its size, its age, who allocated it, who holds "
		 "it.\n" GRAPH_ABOUT_OPERAND,
	.options = options,
	.take = take,
	.counts = "blocks of the site (10)",
	.lacks = GRAPH_LACKS,
	.uncut = GRAPH_UNCUT,
	.operand = GRAPH_OPERAND,
};

int cmd_at(int argc, char **argv)
{
	const char *snapshot = NULL;
	struct reader r;
	struct held h;
	size_t most;
	int status;

	if (!reader_open(&r, &at_spec, argc, argv, &snapshot, &status) ||
	    !graph_open(&r, &h, snapshot, &status))
		return status;
	most = r.limit ? r.limit : 10;
	return graph_close(&r, &h,
			   r.json ? block_json(&h, r.operand, most, r.out)
				  : block_text(&h, r.operand, most, r.out));
}

/*
 * cmd_at.c - heapline at [OPTIONS] ADDRESS|SITE [PROFILE]
 */
#include "cli/cmd/graph.h"
#include "cli/cmd/verb.h"
#include "cli/report/block.h"

enum option { SNAPSHOT, TYPE };

static const struct option_spec options[] = {
	[SNAPSHOT] = GRAPH_SNAPSHOT,
	[TYPE] = GRAPH_TYPE,
	{0},
};

struct own {
	const char *snapshot;
	char what[GRAPH_WHAT]; /* of --type; or "" */
};

static const char *take(void *own, size_t i, const char *value)
{
	struct own *o = own;

	if ((enum option)i == TYPE)
		return graph_type(value, o->what);
	o->snapshot = value;
	return NULL;
}

static bool named(const void *own)
{
	return *((const struct own *)own)->what;
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
	.named = named,
};

static int report(const struct reader *r, const struct held *h, void *own)
{
	const struct own *mine = own;
	const struct block_options o = {*mine->what ? mine->what : r->operand, r->path,
					r->limit};

	return r->json ? block_json(h, &o, r->out) : block_text(h, &o, r->out);
}

static const struct graph_verb verb = {.spec = &at_spec, .report = report};

int cmd_at(int argc, char **argv)
{
	struct own own = {0};

	return graph_run(&verb, argc, argv, &own, &own.snapshot);
}

/*
 * cmd_tree.c - heapline tree [OPTIONS] [PROFILE]
 */
#include "cli/cmd/reader.h"
#include "cli/cmd/verb.h"
#include "cli/report/tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum option { BOTTOM_UP, MIN, DEPTH, LINES };

static const struct option_spec options[] = {
	[BOTTOM_UP] = {.name = "bottom-up", .help = "from the allocations up to main"},
	[MIN] = {.name = "min",
		 .argument = "PERCENT",
		 .help = "fold what has less of the total (1); 0: nothing"},
	[DEPTH] = {.name = "depth",
		   .argument = "LEVELS",
		   .help = "fold what is deeper"},
	[LINES] = {.name = "lines", .help = "tell the lines of a function apart"},
	{0},
};

struct own {
	struct tree_options options;
};

/* "1", "0.25", "5%". */
static bool parse_percent(const char *text, double *ret)
{
	size_t len = strspn(text, "0123456789.");
	char *end;
	double value;

	if (!len || len > 12 || *text == '.')
		return false;
	value = strtod(text, &end);
	if (end != text + len || (*end && strcmp(end, "%") != 0) || value > 100)
		return false;
	*ret = value;
	return true;
}

static bool parse_depth(const char *text, size_t *ret)
{
	unsigned long long value;
	char *end;

	if (*text < '1' || *text > '9')
		return false;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (*end || errno)
		return false;
	*ret = (size_t)value;
	return true;
}

static const char *take(void *own, size_t i, const char *value)
{
	struct own *o = own;

	switch ((enum option)i) {
	case BOTTOM_UP:
		o->options.bottom_up = true;
		return NULL;
	case MIN:
		return parse_percent(value, &o->options.min_percent)
			       ? NULL
			       : "a percentage is a number from 0 to 100";
	case DEPTH:
		return parse_depth(value, &o->options.depth)
			       ? NULL
			       : "a depth is a number above 0";
	case LINES:
		o->options.lines = true;
		return NULL;
	}
	return NULL;
}

static bool sort(void *own, const char *word)
{
	struct own *o = own;

	return view_parse_metric(word, &o->options.metric);
}

const struct reader_spec tree_spec = {
	.verb = "tree",
	.about = "Shows which functions call which to allocate, as a tree from the top "
		 "down, or from\nthe allocations up; small parts are folded, and their "
		 "sums shown.",
	.sorts = VIEW_SORTS,
	.sort_words = VIEW_SORT_WORDS,
	.sort = sort,
	.options = options,
	.take = take,
	.counts = "nodes under one",
};

int cmd_tree(int argc, char **argv)
{
	struct own own = {.options.min_percent = TREE_MIN_PERCENT};
	struct reader r;
	int status;

	if (!reader_open(&r, &tree_spec, argc, argv, &own, &status))
		return status;
	own.options.scope = r.scope;
	own.options.limit = r.limit;
	own.options.bytes = r.bytes;
	own.options.colour = r.colour;
	own.options.columns = text_columns();
	own.options.ascii = !text_utf8();
	return reader_close(&r, r.json ? tree_json(r.profile, &own.options, r.out)
				       : tree_text(r.profile, &own.options, r.out));
}

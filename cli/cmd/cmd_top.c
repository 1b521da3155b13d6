/*
 * cmd_top.c - heapline top [OPTIONS] [PROFILE]
 */
#include "cli/cmd/graph.h"
#include "cli/cmd/verb.h"
#include "cli/report/top.h"
#include "cli/report/types.h"

#include <string.h>

enum option { BY, SNAPSHOT, SINCE };

static const struct option_spec options[] = {
	[BY] = {.name = "by",
		.argument = "WHAT",
		.help = TOP_WORDS,
		.words = "site stack function file module size thread lifetime "
			 "domain process type referrer"},
	[SNAPSHOT] = {.name = "snapshot",
		      .argument = "NAME",
		      .help = "of --by type, referrer: by name, or number from 1 (the "
			      "last one)"},
	[SINCE] = {.name = "since",
		   .argument = "NAME",
		   .help = "of --by type: growth since that snapshot"},
	{0},
};

struct own {
	struct top_options options;
	bool by_type, by_referrer; /* of a snapshot */
	const char *snapshot, *since;
};

static const char *take(void *own, size_t i, const char *value)
{
	struct own *o = own;

	switch ((enum option)i) {
	case SNAPSHOT:
		o->snapshot = value;
		return NULL;
	case SINCE:
		o->since = value;
		return NULL;
	case BY:
		o->by_referrer = !strcmp(value, "referrer");
		o->by_type = o->by_referrer || !strcmp(value, "type");
		if (o->by_type)
			return NULL;
		return top_parse_by(value, &o->options.by) ? NULL : TOP_WORDS;
	}
	return NULL;
}

static bool sort(void *own, const char *word)
{
	struct own *o = own;

	return view_parse_metric(word, &o->options.sort);
}

/* What a profile keeps of sizes and lifetimes, and of threads' events, it keeps of the
 * whole: NULL, or a clause on why the table cannot be had of the part asked for. */
static const char *refuse(const void *own, const struct slice_options *o)
{
	const struct own *mine = own;
	enum top_by by = mine->options.by;
	bool timed = o->has_range || o->moment != SLICE_AT_DEFAULT;

	if (!mine->by_type && (mine->snapshot || mine->since))
		return "--snapshot is of --by type and referrer, --since of --by type";
	if (mine->by_referrer && mine->since)
		return "--since is of --by type";
	if (mine->by_type && (timed || o->threads || o->has_sizes))
		return "types are of all blocks at the moment of their --snapshot";
	if (by == TOP_SIZE && (timed || o->threads))
		return "sizes are kept of the whole recording: only --size cuts them";
	if (by == TOP_LIFETIME && (timed || o->threads || o->has_sizes))
		return "lifetimes are kept of the whole recording alone";
	if (by == TOP_THREAD && (timed || o->threads || o->has_sizes))
		return "events of threads are kept of the whole recording alone";
	return NULL;
}

const struct reader_spec top_spec = {
	.verb = "top",
	.about =
		"Shows who has most, in one table: by the lines that asked for memory, "
		"or by\nstack, function, file, module, size, thread, lifetime, domain, "
		"process, type of\nobject or referrer.",
	.sorts = VIEW_SORTS,
	.sort_words = VIEW_SORT_WORDS,
	.sort = sort,
	.options = options,
	.take = take,
	.counts = "rows (20)",
	.refuse = refuse,
};

static int report_types(const struct reader *r, const struct held *h, void *own)
{
	struct types_options o = {
		.limit = r->limit, .bytes = r->bytes, .colour = r->colour};

	(void)own;
	return r->json ? types_json(h, &o, r->out) : types_text(h, &o, r->out);
}

static int report_referrers(const struct reader *r, const struct held *h, void *own)
{
	struct types_options o = {
		.limit = r->limit, .bytes = r->bytes, .colour = r->colour};

	(void)own;
	return r->json ? types_referrers_json(h, &o, r->out)
		       : types_referrers_text(h, &o, r->out);
}

int cmd_top(int argc, char **argv)
{
	struct own own = {0};
	struct reader r;
	int status, result, unread;

	if (!reader_open(&r, &top_spec, argc, argv, &own, &status))
		return status;
	if (own.by_type) {
		result = own.since ? graph_read_pair(&r, NULL, own.since, own.snapshot,
						     graph_types_growth, &unread)
				   : graph_read(&r, NULL, own.snapshot,
						!own.by_referrer,
						own.by_referrer ? report_referrers
								: report_types,
						&unread);
		status = reader_close(&r, result);
		return unread ? unread : status;
	}
	own.options.scope = r.scope;
	own.options.limit = r.limit;
	own.options.bytes = r.bytes;
	own.options.colour = r.colour;
	own.options.columns = text_columns();
	return reader_close(&r, r.json ? top_json(r.profile, &own.options, r.out)
				       : top_text(r.profile, &own.options, r.out));
}

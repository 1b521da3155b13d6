/*
 * cmd_diff.c - heapline diff [OPTIONS] A B
 */
#include "cli/base/message.h"
#include "cli/cmd/gate.h"
#include "cli/cmd/graph.h"
#include "cli/cmd/verb.h"
#include "cli/report/changes.h"

#include <errno.h>
#include <string.h>

enum option { BY, KIND };

static const struct option_spec options[] = {
	[BY] = {.name = "by",
		.argument = "WORD",
		.help = "rows: line (the default), function, site, module; type, leak "
			"or block",
		.words = "line function site module type leak block"},
	[KIND] = {.name = "kind",
		  .argument = "KIND",
		  .help = "by leak: these alone, apart by commas, or all",
		  .words = LEAKS_KIND_WORDS},
	{0},
};

struct own {
	struct diff_options options;
	bool has_by;
	uint32_t kinds; /* of leaks; 0: the usual ones */
	struct gate gate;
};

static const char *take(void *own, size_t i, const char *value)
{
	struct own *o = own;

	if (i == KIND) {
		if (!o->has_by)
			o->options.by = DIFF_BY_LEAK;
		return leaks_parse_kinds(value, &o->kinds) ? NULL : LEAKS_KIND_LIST;
	}
	o->has_by = true;
	return diff_parse_by(value, &o->options.by)
		       ? NULL
		       : "line, function, site, module, type, leak or block";
}

static bool sort(void *own, const char *word)
{
	struct own *o = own;

	return diff_parse_metric(word, &o->options.metric);
}

/* A snapshot is of a moment of its own. */
static const char *refuse(const void *own, const struct slice_options *o)
{
	const struct own *mine = own;
	bool cut = o->has_range || o->moment != SLICE_AT_DEFAULT || o->threads ||
		   o->has_sizes;

	if (mine->kinds && mine->options.by != DIFF_BY_LEAK)
		return "--kind is of --by leak";
	if (cut && mine->options.by == DIFF_BY_LEAK)
		return "a leak is judged of all of a recording";
	return cut && mine->options.by >= DIFF_BY_TYPE
		       ? "blocks and types are of the moment of their snapshot"
		       : NULL;
}

const struct reader_spec diff_spec = {
	.verb = "diff",
	.about = "Compares two recordings: the code whose part of a metric is new, "
		 "gone, "
		 "grown or\nshrunk in B, matched by name, so that a rebuilt program "
		 "aligns with its former self.",
	.sorts = "peak (the default), leaked, allocated, allocations or temporary",
	.sort_words = "peak leaked allocated allocations temporary",
	.sort = sort,
	.options = options,
	.take = take,
	.counts = "rows (20; of JSON all, unless by site or block)",
	.lacks = "pd",
	.profiles = 2,
	.refuse = refuse,
};

/* ---- of snapshots ------------------------------------------------------------ */

static struct changes_options changes_options_of(const struct reader *r)
{
	return (struct changes_options){.limit = r->limit,
					.bytes = r->bytes,
					.colour = r->colour,
					.paths = {r->files[0].path, r->files[1].path}};
}

static int report_blocks(const struct reader *r, const struct held *a,
			 const struct held *b, void *own)
{
	struct changes_options o = changes_options_of(r);

	(void)own;
	return r->json ? changes_blocks_json(a, b, &o, r->out)
		       : changes_blocks_text(a, b, &o, r->out);
}

static int diff_graphs(struct reader *r, enum diff_by by)
{
	int unread, result, status;

	if (r->has_focus || r->has_ignore) {
		reader_close(r, 0);
		message_error("--focus and --ignore choose stacks, and %s are shown "
			      "whole",
			      by == DIFF_BY_TYPE ? "types" : "blocks");
		message_help("leave them out, or compare --by leak");
		return VERB_USAGE;
	}
	result = by == DIFF_BY_TYPE
			 ? graph_read_pair(r, NULL, NULL, NULL, graph_types_growth,
					   &unread)
			 : graph_read_blocks(r, NULL, report_blocks, &unread);
	status = reader_close(r, result);
	return unread ? unread : status;
}

/* ---- of leaks ---------------------------------------------------------------- */

struct asking {
	struct gate *gate;
	const struct reader *reader;
	uint32_t kinds;
};

static int find_leaks(void *context, int which, struct findings *ret)
{
	struct asking *a = context;
	const struct reader_file *file = &a->reader->files[which];
	const struct findings_options o = {.path = file->path,
					   .unlisted = ~a->kinds,
					   .young_ns = FINDINGS_YOUNG_NS};

	return gate_find(a->gate, file->profile, &o, ret);
}

static int report_leaks(const struct reader *r, struct own *own)
{
	struct changes_options o = changes_options_of(r);
	struct asking asking = {&own->gate, r, leaks_kinds(own->kinds)};
	const struct changes_leaks both = {
		.profile = {r->files[0].profile, r->files[1].profile},
		.scope = r->scope,
		.kinds = own->kinds,
		.find = find_leaks,
		.context = &asking,
	};

	return changes_leaks(&both, &o, r->json, r->out);
}

static int diff_leaks(struct reader *r, struct own *own)
{
	int status = gate_load(&own->gate), result;

	if (status >= 0) {
		reader_close(r, 0);
		return status;
	}
	result = report_leaks(r, own);
	if (result != -EBADMSG && result != -ESPIPE)
		return reader_close(r, result);
	reader_close(r, 0);
	return graph_say(result);
}

/* ---- of code ------------------------------------------------------------------- */

/* Takes the sites' figures and lets the sites go, which are most of a profile. */
static int take_sides(struct reader *r, const struct diff_options *o,
		      struct diff_side *sides)
{
	int result = 0;

	for (int k = 0; !result && k < 2; k++) {
		result = diff_side_take(r->files[k].profile, o, &sides[k]);
		profile_drop_sites(r->files[k].profile);
	}
	return result;
}

static int diff_code(struct reader *r, const struct own *own)
{
	struct diff_options o = own->options;
	struct diff_side sides[2] = {{.count = 0}, {.count = 0}};
	const struct profile *a = r->files[0].profile, *b = r->files[1].profile;
	int result;

	o.scope = r->scope;
	o.limit = r->limit;
	o.bytes = r->bytes;
	o.colour = r->colour;
	for (int k = 0; k < 2; k++)
		o.paths[k] = r->files[k].path;
	result = take_sides(r, &o, sides);
	o.sides = sides;
	if (!result)
		result = r->json ? diff_json(a, b, &o, r->out)
				 : diff_text(a, b, &o, r->out);
	for (int k = 0; k < 2; k++)
		diff_side_done(&sides[k]);
	return reader_close(r, result);
}

static int run(struct own *own, int argc, char **argv)
{
	struct reader r;
	int status;

	if (!reader_open(&r, &diff_spec, argc, argv, own, &status))
		return status;
	switch (own->options.by) {
	case DIFF_BY_TYPE:
	case DIFF_BY_BLOCK:
		return diff_graphs(&r, own->options.by);
	case DIFF_BY_LEAK:
		return diff_leaks(&r, own);
	default:
		return diff_code(&r, own);
	}
}

int cmd_diff(int argc, char **argv)
{
	struct own own = {0};
	int status;

	gate_init(&own.gate);
	status = run(&own, argc, argv);
	gate_done(&own.gate);
	return status;
}

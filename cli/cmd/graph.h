/*
 * graph.h - what the verbs that read a snapshot's heap graph share.
 */
#pragma once

#include "cli/cmd/reader.h"
#include "cli/report/held.h"

#define GRAPH_LACKS "FIdtazT" /* common options that make no sense for them */
#define GRAPH_UNCUT ": a heap graph is of all blocks at the moment of its --snapshot"
#define GRAPH_OPERAND "ADDRESS|SITE"
#define GRAPH_ABOUT_OPERAND                                                            \
	"ADDRESS is one of a block (0x...); SITE a function, file or file:line that\n" \
	"allocated. Of `heapline run --snapshot-at-exit`."

#define GRAPH_SNAPSHOT                                                                 \
	{                                                                              \
		.name = "snapshot", .argument = "NAME",                                \
		.help = "by name, or number from 1 (the last one)"                     \
	}

/* Objects of a type instead of the operand. */
#define GRAPH_TYPE                                                                     \
	{                                                                              \
		.name = "type", .argument = "TYPE",                                    \
		.help = "objects of that type instead (* and ? match)"                 \
	}

enum { GRAPH_WHAT = 512 };

/* What held_find() is asked for, of the option's value. NULL, or what is wrong. */
const char *graph_type(const char *value, char what[GRAPH_WHAT]);

/* What the verb then does. 0 or -errno; -ENXIO: the operand names no block. */
typedef int graph_report(const struct reader *r, const struct held *h, void *own);

struct graph_verb {
	const struct reader_spec *spec;
	graph_report *report;
	bool forwards; /* it does not ask who points at a block (held_options) */
};

/* The whole verb: its command line (*snapshot, somewhere in own, is set by its take()),
 * the profile, the graph, the report. The exit status. */
int graph_run(const struct graph_verb *verb, int argc, char **argv, void *own,
	      const char *const *snapshot);

/* The same of a reader that is open, and of types (held_options): the report alone. 0 or
 * -errno; a graph that could not be had was told, *ret_status is its exit status (else
 * 0). forwards: as of a graph_verb. */
int graph_read(const struct reader *r, void *own, const char *snapshot, bool forwards,
	       graph_report *report, int *ret_status);

typedef int graph_pair_report(const struct reader *r, const struct held *a,
			      const struct held *b, void *own);

/* The same of two snapshots: of the reader's two profiles, or of its one. NULL: the
 * last ones. */
int graph_read_pair(const struct reader *r, void *own, const char *a, const char *b,
		    graph_pair_report *report, int *ret_status);

/* The same of the last snapshots of two profiles, of blocks and not of types. */
int graph_read_blocks(const struct reader *r, void *own, graph_pair_report *report,
		      int *ret_status);

/* A report of two: how types grew, as the reader's options have it; own is not looked
 * at. */
int graph_types_growth(const struct reader *r, const struct held *a,
		       const struct held *b, void *own);

/* A take() of verbs whose only option is GRAPH_SNAPSHOT, whose own is *snapshot. */
const char *graph_take(void *own, size_t i, const char *value);

/* A count of an option, 1 to most. NULL, or what is wrong with it. */
const char *graph_count(const char *value, size_t most, size_t *ret);

/* Says why a graph could not be read. The exit status. */
int graph_say(int err);

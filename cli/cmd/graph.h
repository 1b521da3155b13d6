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

/* After reader_open(): reads the graph. false: why not was said, the reader is closed,
 * *ret_status is the exit status. Else graph_close() ends both. */
bool graph_open(struct reader *r, struct held *h, const char *snapshot,
		int *ret_status);

/* Says why a graph could not be read. The exit status. */
int graph_say(int err);

/* result: of the report; -ENXIO: the operand names no block. */
int graph_close(struct reader *r, struct held *h, int result);

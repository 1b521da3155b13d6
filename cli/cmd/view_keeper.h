/*
 * view_keeper.h - processes that keep profiles open and have children answer: each
 * question is a verb's own function in a child of its own, which ends with it. So the
 * answer is the verb's to the byte, questions run side by side, and one that fails, or
 * a profile that breaks a report, breaks nothing else.
 *
 *	server --socket--> keeper --fork--> a question
 *	                     \--fork--> keeper of a graph, or of all parts --> ...
 *
 * A question writes its results to a file (a memfd of the server's), messages to
 * another, and what is done into a pipe. A keeper, and all below it, dies with who
 * started it.
 */
#pragma once

#include "cli/cmd/reader.h"
#include "cli/cmd/view_words.h"
#include "cli/export/columns.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct keeper {
	int socket; /* -1: there is none */
	bool whole; /* it has all parts of its profiles at hand */
};

struct keeper_profiles {
	const char *paths[READER_PROFILES];
	size_t count;
	const char *source_paths; /* as of struct reader_file */
};

/* The columns of a page: the first ones of a large profile, without times and of few
 * nodes; or all. */
enum keeper_level { KEEPER_FIRST, KEEPER_WHOLE };

/* Nodes that a page gets, for the smallest are folded. */
enum { KEEPER_NODES = 50000, KEEPER_NODES_WHOLE = 1000000 };

/* One of these comes out of the pipe for each column, and one at the end; none at the
 * end: it broke. */
struct keeper_word {
	bool end;
	int32_t status; /* at the end: exit status of the verb */
	char name[COLUMNS_NAME], form[8];
	uint64_t count, at, len; /* where it is in the results */
};

struct keeper_files { /* that a question writes to; the caller's */
	int out, messages, done;
};

/* Starts the keeper of profiles, and waits until they are open; what goes wrong is said.
 * -1, or the exit status of a failure. */
int keeper_open(struct keeper *k, const struct keeper_profiles *p);

/* Another one, of k's children, which has open beside: all parts of the profiles; or
 * the graph that the words are about. It may be asked while it opens that. 0 or -errno.
 */
int keeper_open_parts(const struct keeper *k, struct keeper *ret);
int keeper_open_graph(const struct keeper *k, const struct view_words *w,
		      struct keeper *ret);

/* Each begins a question. 0 or -errno. */
int keeper_ask(const struct keeper *k, const struct view_words *w,
	       const struct keeper_files *f);
int keeper_columns(const struct keeper *k, enum keeper_level level,
		   const struct keeper_files *f);

void keeper_close(struct keeper *k);

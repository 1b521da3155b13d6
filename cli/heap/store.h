/*
 * store.h - heap graphs as they are kept in a profile: pieces of a few megabytes, each
 * a number of rows of one kind, column by column (docs/format.md).
 *
 * The pieces of a graph come in order: names, modules, areas, functions, blocks, edges,
 * roots, which blocks are inherited, ignored, or mappings, who allocated them,
 * of which types they are, and which are chunks of pools. Behind them may come the
 * contents of blocks (contents.h), which are not read with it.
 * What is read back was written by anybody: a graph that is not sound is refused.
 */
#pragma once

#include "cli/base/bytes.h"
#include "cli/heap/graph.h"
#include "cli/heap/roots.h"
#include "cli/profile/profile.h"

/* Hands all pieces to put(), whose failure ends it. blocks' sites are written as they
 * are. 0, -ENOMEM or that. */
int heap_store(const struct heap_graph *g, const struct heap_roots *roots,
	       int (*put)(void *context, const void *data, size_t len), void *context);

struct heap_list { /* blocks */
	uint32_t *items;
	size_t count, room;
};

struct heap_stored { /* a graph that was read back */
	struct heap_graph graph;
	struct heap_roots roots; /* the names of areas */
	/* Owned: those with that flag. */
	struct heap_list ignored, mapped, chunks;
	size_t threads; /* of graph.threads, that were read */
};

/* Adds a piece. 0, -ENOMEM, -EBADMSG. */
int heap_store_take(struct heap_stored *s, struct bytes_reader *in);

/* After the last piece. 0, -ENOMEM, or -EBADMSG: the pieces do not make a graph. */
int heap_store_end(struct heap_stored *s);

/* The graph of p->snapshots[i], from the file that p was read from. 0, -ENOMEM,
 * -EBADMSG, -ESPIPE, -errno. */
int heap_store_load(const char *path, const struct profile *p, size_t i,
		    struct heap_stored *ret);

void heap_stored_done(struct heap_stored *s);

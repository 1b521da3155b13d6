/*
 * contents.h - the first bytes of each block, as they were at a snapshot. They may be
 * somebody's secrets: kept only where they were asked for.
 *
 * Of each block as many bytes are kept as keep the sum for all in HEAP_CONTENTS_ALL:
 * 256, or half of that, and so on down to 16; where even these are too many, blocks at
 * the highest addresses have none. A piece of them begins with its kind and rows, as
 * those of store.h, and comes behind these:
 *
 *	HEAP_CONTENTS_PIECE | rows | number of the first block | (length, bytes)...
 *
 * Each but the last has HEAP_CONTENTS_ROWS rows.
 */
#pragma once

#include "cli/base/bytes.h"
#include "cli/heap/graph.h"
#include "cli/profile/profile.h"

enum {
	HEAP_CONTENTS_MOST = 256, /* bytes of a block */
	HEAP_CONTENTS_LEAST = 16,
	HEAP_CONTENTS_ALL = 64 << 20,
	HEAP_CONTENTS_ROWS = 8 << 10,
	HEAP_CONTENTS_PIECE = 12, /* beside the kinds of store.c */
};

struct heap_contents {
	struct bytes bytes; /* pieces, one behind the other */
	size_t *ends;
	size_t count, room;
};

/* Reads them, of blocks that are sealed. 0, -ENOMEM, or the source's failure. */
int heap_contents_take(struct heap_contents *c, const struct heap_blocks *b,
		       const struct heap_source *source);

/* Hands the pieces to put(), whose failure ends it. */
int heap_contents_store(const struct heap_contents *c,
			int (*put)(void *context, const void *data, size_t len),
			void *context);

void heap_contents_done(struct heap_contents *c);

struct heap_contents_of { /* a block */
	unsigned char bytes[HEAP_CONTENTS_MOST];
	size_t len; /* 0: there was nothing to be read */
};

/* Looks for a block's in a piece of a file. 0; -ENODATA: it is not there; -EBADMSG. */
int heap_contents_find(struct bytes_reader in, uint32_t block,
		       struct heap_contents_of *ret);

struct heap_contents_reader { /* of p->snapshots[snapshot], from the file of p */
	const char *path;
	const struct profile *p;
	size_t snapshot;
	struct bytes piece; /* the last that was read ... */
	size_t number;	    /* ... 1 + its number among the snapshot's */
};

/* 0; -ENODATA: they were not kept; -ENOMEM, -EBADMSG, -ESPIPE, -errno. */
int heap_contents_get(struct heap_contents_reader *r, uint32_t block,
		      struct heap_contents_of *ret);

void heap_contents_reader_done(struct heap_contents_reader *r);

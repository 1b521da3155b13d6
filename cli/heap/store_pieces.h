/*
 * store_pieces.h - pieces of a heap graph, as store.c and store_types.c share them.
 */
#pragma once

#include "cli/base/bytes.h"
#include "cli/heap/graph.h"
#include "cli/profile/file.h"

#include <errno.h>

enum piece {
	PIECE_NAMES = 1,
	PIECE_MODULES = 2,
	PIECE_AREAS = 3,
	PIECE_BLOCKS = 4,
	PIECE_EDGES = 5,
	PIECE_ROOTS = 6,
	PIECE_INHERITED = 7,
	PIECE_FUNCTIONS = 8,
	PIECE_IGNORED = 9,
	PIECE_MAPPINGS = 10,
	PIECE_THREADS = 11,
	/* 12: contents.h */
	PIECE_TYPES = 13,
	PIECE_WHAT = 14,
	PIECE_FIELDS = 15,
	PIECE_LABELS = 16,
	PIECE_CALLED = 17,
	PIECE_CHUNKS = 21,
};

enum {
	ROWS = 64 << 10, /* a piece; at most six columns of ten bytes */
	NAMES_BYTES = 1 << 20,
	NAME_MAX_BYTES = 4096,
	COLUMNS_MAX = 6,
};

_Static_assert(ROWS *COLUMNS_MAX *BYTES_VARINT_MAX < PROFILE_PIECE_MAX, "it fits");

/* Zigzag of the difference from the row before. */
static inline uint64_t store_delta(uint64_t v, uint64_t *before)
{
	uint64_t code = bytes_zigzag(v - *before);

	*before = v;
	return code;
}

static inline uint64_t store_undelta(struct bytes_reader *in, uint64_t *before)
{
	return *before += bytes_unzigzag(bytes_get_varint(in));
}

struct store_out {
	struct bytes b;
	int (*put)(void *context, const void *data, size_t len);
	void *context;
};

static inline void store_begin(struct store_out *o, enum piece kind, size_t rows)
{
	bytes_reset(&o->b);
	bytes_put_varint(&o->b, kind);
	bytes_put_varint(&o->b, rows);
}

static inline int store_end(struct store_out *o)
{
	return o->b.failed ? -ENOMEM : o->put(o->context, o->b.data, o->b.len);
}

/* What is known of blocks: all pieces of it. 0, -ENOMEM or that of put(). */
int store_put_types(struct store_out *o, const struct heap_graph *g);

/* n rows of one of these pieces. 0, -ENOMEM, -EBADMSG. */
int store_take_types(struct heap_graph *g, enum piece kind, struct bytes_reader *in,
		     size_t n);

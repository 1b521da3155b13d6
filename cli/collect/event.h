/*
 * event.h - one event of a traced thread: a checked, private copy of a wire slot.
 */
#pragma once

#include "cli/collect/live.h"
#include "preload/wire.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

/* A failed realloc's end, as the ledger sees it: the old block lies there again. */
#define EVENT_RESTORE WIRE_TYPES

/* An allocation and, right behind it in its ring, the block's free. */
#define EVENT_PAIR (WIRE_TYPES + 2)

/* What is left of an EVENT_PAIR in its window while its block lives, but in no table: see
 * ledger_merge(). */
#define EVENT_HELD (WIRE_TYPES + 1)

struct event_held {
	uint64_t born_ns;
	uint32_t site, place; /* the block's; in ledger.held */
};

struct event {		  /* one cache line, in a window */
	uint64_t address; /* 48 bits */
	union {
		uint64_t stamp;
		uint64_t born_ns; /* once it is kept */
	};
	uint64_t size;
	uint32_t stack; /* wire node, below WIRE_NODES and what was handed out */
	union {
		uint32_t freed_by; /* of an EVENT_PAIR: the free's stack */
		uint32_t pool;	   /* of a chunk's event: see event_pool() */
	};
	union {
		uint32_t gap; /* of an EVENT_PAIR: how much later the free's stamp is */
		uint32_t thread; /* its number, from 1; once the ledger has it */
	};
	uint16_t ring;
	uint8_t type;	/* enum wire_type, or one of those above */
	bool temporary; /* a free right after the allocation, in its thread */

	union {
		struct live_way way; /* found out by ledger_look_ahead() */
		struct event_held held;
	};
};

/* The pool of a chunk's event: its low half is a word of its own, its high 16 bits are
 * above the size. */
#define EVENT_POOL_SIZE (1ull << 48)

static inline uint64_t event_pool(uint64_t size, uint32_t pool)
{
	return size >> 48 << 32 | pool;
}

static_assert(sizeof(struct event) == 64, "one line");

/* Of an EVENT_PAIR, or of the allocation that was made of it, the free is left. */
static inline void event_free(struct event *ev)
{
	ev->type = WIRE_FREE;
	ev->stamp += ev->gap;
	ev->stack = ev->freed_by;
	ev->size = 0;
}

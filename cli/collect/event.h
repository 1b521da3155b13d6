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

/* What is left of a WIRE_PAIR in its window while its block lives, but in no table: see
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
		uint32_t freed_by; /* of a WIRE_PAIR: the free's stack */
		uint32_t pool;	   /* of a chunk's event: see wire_pool() */
	};
	union {
		uint32_t gap; /* of a WIRE_PAIR: how much later the free's stamp is */
		uint32_t thread; /* its number, from 1; once the ledger has it */
	};
	uint16_t ring;
	uint8_t type;	/* enum wire_type, EVENT_RESTORE or EVENT_HELD */
	bool temporary; /* a free right after the allocation, in its thread */

	union {
		struct live_way way; /* found out by ledger_look_ahead() */
		struct event_held held;
	};
};

static_assert(sizeof(struct event) == 64, "one line");

/* Of a WIRE_PAIR, or of the allocation that was made of it, the free is left. */
static inline void event_free(struct event *ev)
{
	ev->type = WIRE_FREE;
	ev->stamp += ev->gap;
	ev->stack = ev->freed_by;
	ev->size = 0;
}

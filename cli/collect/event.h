/*
 * event.h - one event of a traced thread: a checked, private copy of a wire slot.
 */
#pragma once

#include "preload/wire.h"

#include <stdbool.h>
#include <stdint.h>

/* A failed realloc's end, as the ledger sees it: the old block lies there again. */
#define EVENT_RESTORE WIRE_TYPES

struct event {
	uint64_t address; /* 48 bits */
	uint64_t stamp;
	uint64_t size;
	uint32_t stack; /* wire node, below WIRE_NODES and what was handed out */
	uint16_t ring;
	uint8_t type; /* enum wire_type, or EVENT_RESTORE */
	bool temporary; /* a free right after the allocation, in its thread */
	bool pair; /* an allocation; the next event of the batch is its free, ... */
	bool paired; /* ... which is this one */
	uint32_t site;	/* of the stack, if it was looked for and known; else 0 */
	uint32_t seen;	/* of its block, see live_look() */
	uint32_t victim; /* site of the block that it frees, as a guess; else 0 */
};

/*
 * pointer.h - what pointers between objects are called, as the program would write it:
 * `.items`, `['k']`, `[3]`; and whole chains of them: `app.cache['k'].items[3]`.
 */
#pragma once

#include "cli/heap/chains.h"
#include "cli/report/held.h"

/* What an edge is called, "" if that is not known, or is the way to a part of an object
 * alone. Raw. Returns the buffer. */
const char *pointer_label(const struct held *h, uint32_t edge, char *buffer,
			  size_t room);

/* The chain in the program's words, from its last module or first object on; "" if it
 * has none. Raw, malloc'ed; NULL without memory. */
char *pointer_chain(const struct held *h, const struct heap_chain *c);

enum { POINTER_TEXT = 640 }; /* room that suffices for any label */

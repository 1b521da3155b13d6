/*
 * immortal.h - Python's objects that are never freed.
 *
 * From 3.12 on, interned strings, small numbers and much else has a count that does not
 * change (PEP 683): no one frees it, and when the interpreter is taken down it forgets
 * where it was. A block is taken for one if it begins with an object's head of that
 * count, alone or behind what the collector of garbage and the type keep in front:
 *
 *	[2 words] [2 words] count: 32 bits, type
 */
#pragma once

#include "cli/heap/graph.h"

/* Whether immortal objects of that version (major << 8 | minor) are known. */
static inline bool heap_immortal_knows(uint32_t version)
{
	return version >= 0x30c && version <= 0x30d;
}

/* The first words of a block. */
static inline bool heap_is_immortal(const uint64_t *words, size_t n)
{
	for (size_t at = 0; at + 2 <= n && at <= 4; at += 2)
		if (words[at] == UINT32_MAX && words[at + 1] > UINT16_MAX &&
		    words[at + 1] % HEAP_WORD == 0 && !(words[at + 1] >> 47))
			return true;
	return false;
}

/*
 * unit.h - one compilation unit of DWARF, indexed: which function, and which functions
 * inlined into it, own an address, and at which lines.
 *
 * The unit's tree is walked once, whatever the number of addresses asked for. An index
 * belongs to one unit and is closed before the next one opens: memory is bounded by
 * the largest unit.
 */
#pragma once

#include "cli/symbol/scopes.h"
#include "cli/symbol/segments.h"

#include <elfutils/libdw.h>
#include <stdbool.h>

#define UNIT_MAX_DEPTH 1024	   /* of nested entries; deeper ones are not seen */
#define UNIT_MAX_SPANS (8u << 20)  /* ranges in a unit; further ones are not seen */
#define UNIT_MAX_WORK (1ull << 28) /* entries walked, each times its depth */

struct unit_function {	      /* one function, all its instances in the unit together */
	Dwarf_Die die;	      /* its abstract instance if it has one */
	const char *file;     /* NULL: unknown */
	uint32_t first, last; /* lines; 0: unknown */
	char *qualified;      /* from unit_qualified(), owned */
};

struct unit_node { /* code of a function: its own, or inlined somewhere */
	Dwarf_Die die;
	uint32_t parent; /* index + 1 of the node it is inlined into; 0: none */
	uint32_t function;
	const char *call_file; /* if inlined: from where */
	uint32_t call_line;
	bool inlined;
};

struct unit {
	Dwarf_Die die;	  /* of the split unit, if it is split */
	bool lacks_split; /* it is, but its file is not there */
	Dwarf_Files *files;
	struct unit_node *nodes;
	struct unit_function *functions;
	size_t node_count, node_room, function_count, function_room;
	struct segments segments; /* owners are indexes of nodes */
	struct scopes *scopes;	  /* of this unit, and of others it refers to */
	size_t scopes_count, scopes_room;
};

struct unit_place {
	const char *file; /* NULL: unknown */
	uint32_t line;	  /* 0: unknown */
};

/* Indexes the unit of a DIE from dwarf_get_units(). Code outside [text_start,
 * text_end), in the addresses of the DWARF, was discarded by the linker and is left
 * out. 0 or -ENOMEM. */
int unit_open(const Dwarf_Die *die, uint64_t text_start, uint64_t text_end,
	      struct unit *ret);

/* The innermost function at an address, or NULL. Its callers are its parents. */
const struct unit_node *unit_find(const struct unit *u, uint64_t address);

/* File and line of an address, as the line table has it. */
struct unit_place unit_line(struct unit *u, uint64_t address);

/* The directory of the compilation, "" if unknown. */
const char *unit_dir(struct unit *u);

/* The name of a function that has no linkage name, with the namespaces and classes
 * that it is in; "" if it has no name at all. Lives until unit_close(). */
const char *unit_qualified(struct unit *u, uint32_t function);

/* True if functions of this unit's language have linkage names. */
bool unit_mangles(struct unit *u);

void unit_close(struct unit *u);

/*
 * scopes.h - the namespaces and classes that functions of one unit are declared in,
 * for those without a linkage name: compilers give none to what is always inlined.
 */
#pragma once

#include "cli/base/table.h"

#include <elfutils/libdw.h>

#define SCOPES_MAX_DEPTH 256 /* of nested ones; deeper ones are not seen */

struct scope {
	const char *name; /* owned by libdw */
	uint32_t parent;  /* index + 1; 0: the unit itself */
};

struct scopes {
	void *unit; /* where the unit's own entry is, to know it again */
	struct scope *items;
	size_t count, room;
	uint64_t search; /* done in type units */
	struct table of; /* address of a function's entry -> scope + 1 */
};

/* Reads the scopes of the unit that die is in. 0 or -ENOMEM. */
int scopes_open(Dwarf_Die *die, struct scopes *ret);

/* "outer::inner::name" of a function of the unit, for the caller to free. NULL without
 * memory. */
char *scopes_qualify(const struct scopes *s, const Dwarf_Die *die, const char *name);

void scopes_done(struct scopes *s);

/*
 * objects.h - the variables of an ELF file: names of its data, from its symbol table or
 * that of its separate debug file, else from its dynamic one.
 */
#pragma once

#include "cli/symbol/debugfile.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct objects_item {
	uint64_t start, end; /* the file's own addresses */
	char *name;	     /* owned, as linked: not demangled */
};

struct objects { /* ascending by start */
	struct objects_item *items;
	size_t count, room;
	bool thread_local;
};

/* Reads those of the file at path below the root of root_fd, if it has that build-id
 * (len 0: whatever it has). 0; -ESTALE: it is another file now; -errno. */
int objects_open(int root_fd, const char *path, const struct debugfile_id *id,
		 struct objects *ret);

/* The same of thread-local ones, whose addresses are offsets in the module's. */
int objects_open_tls(int root_fd, const char *path, const struct debugfile_id *id,
		     struct objects *ret);

/* The variable around an address, or NULL. */
const struct objects_item *objects_find(const struct objects *o, uint64_t address);

void objects_done(struct objects *o);

/*
 * module.h - one ELF file with its debug information, wherever that is: addresses of
 * the file to functions, inlined ones too, and lines.
 *
 * Everything is at the file's own addresses (pc minus the load bias). The file is read
 * through a descriptor held from the start, so it may be deleted or replaced, and by
 * read(2), so it may be truncated under us. Modules are independent of each other, but
 * one module belongs to one thread.
 */
#pragma once

#include "cli/symbol/debugserver.h"
#include "cli/symbol/unit.h"

#define MODULE_STAMP 256
#define MODULE_MAX_FRAMES 1024 /* of one address; outer ones are left out beyond */

struct module;

struct module_frame {	  /* dir and file live until module_close() */
	const char *name; /* "" unknown; lives as long as the sink runs */
	bool linkage;	  /* name is a linkage name, mangled perhaps */
	const char *dir;  /* of the compilation; "" unknown. file is relative to it */
	const char *file; /* "" unknown */
	uint32_t line;	  /* 0: unknown */
	uint32_t first, last; /* lines of the function, if it is in file; else 0 */
};

/* What an address stands for: frames, the innermost first, at least one. index is the
 * caller's. A failure ends module_resolve(). */
typedef int module_sink(void *arg, size_t index, const struct module_frame *frames,
			size_t count);

/* The same for who looks at more than names: with the unit that the address is in, and
 * the innermost function there (NULL: none). In the unit's DWARF, addresses are the
 * file's and bias. */
typedef int module_visitor(void *arg, size_t index, const struct module_frame *frames,
			   size_t count, const struct unit_node *innermost,
			   const struct unit *unit, uint64_t bias);

/* Takes over fd, an ELF file opened from path in the root of root_fd (which must stay
 * open). 0 or -errno; -ENOEXEC for what is no ELF file. fd is closed on failure. */
int module_open(int fd, int root_fd, const char *path, struct module **ret);

/* Where else to ask for debug information that is not here; d outlives the module. */
void module_ask_server(struct module *m, struct debugserver *d);

/* NULL is fine. */
void module_close(struct module *m);

/* len 0 if it has none. */
const struct debugfile_id *module_id(const struct module *m);

/* Names the files that the answers come from, by size and time: as long as it is the
 * same, so are they. False from module_is_split(), after a lookup: there are others. */
void module_stamp(struct module *m, char ret[MODULE_STAMP]);
bool module_is_split(const struct module *m);

/* Units of .dwo files that lookups wanted, and that were not there. */
size_t module_lacking(const struct module *m);

/* Gives back memory and descriptors that lookups take; the next one loads it again. */
void module_unload(struct module *m);

/* Bytes of the files that a lookup reads; it takes some five times that in memory. */
uint64_t module_weight(struct module *m);

/* Looks up count addresses, in an order of its own; damaged or missing debug
 * information gives unknown frames. 0, -ENOMEM, or the sink's failure. */
int module_resolve(struct module *m, const uint64_t *addresses, size_t count,
		   module_sink *sink, void *arg);

/* As module_resolve(). What the visitor sees lives as long as it runs. */
int module_visit(struct module *m, const uint64_t *addresses, size_t count,
		 module_visitor *visitor, void *arg);

/*
 * locals.h - the variables of functions at work: which of them a word of a stack, or a
 * register, belongs to.
 */
#pragma once

#include "cli/symbol/location.h"
#include "cli/symbol/module.h"

struct locals_place {	      /* of a variable, or of a piece of one */
	const char *function; /* that declares it; "" unknown */
	bool linkage;	      /* it is a linkage name, mangled perhaps */
	const char *name;
	bool in_register;
	uint64_t at;	 /* address, or number of the register, in DWARF's order */
	uint64_t bytes;	 /* of memory */
	uint64_t offset; /* of the piece in the variable */
	uint32_t depth;	 /* the larger, the further in: of two places, the truer */
};

/* A variable of frames[index], or, with place NULL, the function that the frame is of;
 * "" unknown. Strings live as long as the call. A failure ends it all. */
typedef int locals_sink(void *arg, size_t index, const char *function, bool linkage,
			const struct locals_place *place);

/* Tells of count frames whose code is in the module, which the process has at bias.
 * Damaged debug information tells less. 0, -ENOMEM or the sink's failure. */
int locals_find(struct module *m, uint64_t bias, const struct location_frame *const *f,
		size_t count, locals_sink *sink, void *arg);

/*
 * location.h - where the expressions of DWARF say that things are, in one frame of a
 * stack whose registers are known as far as they can be.
 *
 * Expressions come from files, so anything may be in them: each operation is done once
 * (branches, calls and what needs types are not understood), on a stack of fixed size.
 */
#pragma once

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	LOCATION_REGISTERS = 17, /* of x86-64 as DWARF numbers them; the last: pc */
	LOCATION_SP = 7,
	LOCATION_PC = 16,
	LOCATION_PIECES = 32, /* of one variable; further ones are not seen */
};

struct location_frame { /* one frame; registers as its function has them */
	uint64_t registers[LOCATION_REGISTERS];
	uint32_t known; /* bit by register */
	bool called;	/* pc is a return address */
	uint64_t cfa;	/* the stack pointer of the caller; 0: not known */
	/* Where a register's value is kept; 0: in the thread's own register. */
	uint64_t saved[LOCATION_REGISTERS];
	size_t module; /* of whoever walks; SIZE_MAX: none */
};

struct location_memory { /* of the process; read == NULL: it is gone */
	void *context;
	bool (*read)(void *context, uint64_t address, void *to, size_t len);
};

struct location_context {
	const struct location_frame *frame;
	const struct location_memory *memory;
	uint64_t bias;	      /* address - bias: as DWARF has it */
	const Dwarf_Op *base; /* of DW_OP_fbreg; or none */
	size_t base_count;
};

enum location_kind {
	LOCATION_NOWHERE = 0, /* also: not understood */
	LOCATION_MEMORY,
	LOCATION_REGISTER,
	LOCATION_VALUE, /* it has no place */
};

struct location_piece {
	enum location_kind kind;
	uint64_t value;	 /* address, register, or the value itself */
	uint64_t offset; /* in the variable */
	uint64_t bytes;	 /* 0: all of it */
};

/* Pieces of what is described, in order. 0: nothing is known. */
size_t location_find(const struct location_context *c, const Dwarf_Op *ops,
		     size_t count, struct location_piece pieces[LOCATION_PIECES]);

/* The value of an expression that describes none but yields one. */
bool location_value(const struct location_context *c, const Dwarf_Op *ops, size_t count,
		    uint64_t *ret);

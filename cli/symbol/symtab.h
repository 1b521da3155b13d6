/*
 * symtab.h - function names from the symbol tables of one module, for code without
 * DWARF: .symtab, else .dynsym and the mini-debuginfo of .gnu_debugdata.
 */
#pragma once

#include "cli/symbol/segments.h"

#include <elfutils/libdwfl.h>

struct symbol {
	uint64_t start, end; /* the file's own addresses */
	const char *name;    /* owned by the Elf */
	uint32_t rank;	     /* of names for one place, the least is taken */
};

struct symtab {
	struct symbol *items;
	size_t count, room;
	struct segments segments; /* owners are indexes of items */
};

/* Reads them; bias is what the module's addresses exceed the file's by. 0 or -errno;
 * no symbols at all are no error. */
int symtab_open(Dwfl_Module *dwfl, Dwarf_Addr bias, struct symtab *ret);

/* The function around an address, or NULL. A stripped static function is not blamed on
 * its neighbour: symbols have sizes; those without reach to the next symbol, or to the
 * end of their section. */
const struct symbol *symtab_find(const struct symtab *t, uint64_t address);

void symtab_done(struct symtab *t);

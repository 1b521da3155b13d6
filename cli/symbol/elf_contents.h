/*
 * elf_contents.h - what a program is made of, as far as it matters to recording and
 * naming its heap: its debug information, its allocator, its libraries.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum {
	ELF_CONTENTS_NEEDED = 128, /* libraries listed at most */
	ELF_CONTENTS_NAME = 128,
};

struct elf_contents {
	char build_id[2 * 64 + 1]; /* hex; "" for none */
	bool has_lines;		   /* .debug_info in the file itself */
	bool has_symbols;	   /* .symtab */
	bool has_mini_debug;	   /* .gnu_debugdata: names of functions, compressed */
	char debug_file[4096];	   /* the separate debug file that is found; "" */

	const char *allocator; /* linked into it: "jemalloc", ...; NULL: none known */
	bool allocator_hidden; /* it is called by names of its own, not by malloc's */
	bool own_malloc;       /* defines malloc for itself alone, unexported */
	const char *sanitizer; /* "AddressSanitizer", ...; NULL: none */
	bool is_go;

	char needed[ELF_CONTENTS_NEEDED][ELF_CONTENTS_NAME]; /* libraries, by name */
	size_t needed_count;
};

/* Fills *ret but for debug_file. 0; -ENOEXEC for what is no ELF file; -errno of open. */
int symbols_elf_contents(const char *path, struct elf_contents *ret);

/* The same with debug_file, which is looked for in several folders. */
int symbols_elf_contents_and_debug(const char *path, struct elf_contents *ret);

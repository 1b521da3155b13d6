/*
 * dynsym.h - the symbols that a loaded object exports, read where it is mapped: without
 * dlsym(), which takes the loader's lock and may allocate.
 *
 * The object must stay loaded meanwhile: whoever asks has its code on the stack.
 */
#pragma once

#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dynsym {
	uintptr_t bias;
	const ElfW(Phdr) * segments;
	size_t segment_count;
	const ElfW(Sym) * symbols;
	const char *names;
	size_t names_bytes;
	const uint32_t *hash; /* DT_GNU_HASH's */
};

/* 0; -ENOENT: it exports nothing by name, or only by the old kind of hash table;
 * -EBADMSG: what it says of itself is outside of what is mapped. */
int dynsym_open(uintptr_t bias, const ElfW(Phdr) * segments, size_t segment_count,
		struct dynsym *ret);

/* Address of what the object itself defines under that name; 0: nothing. */
uintptr_t dynsym_find(const struct dynsym *d, const char *name);

/* Whether [at, at + bytes) is in the object's writable data, and stays writable. */
bool dynsym_is_writable(const struct dynsym *d, uintptr_t at, size_t bytes);

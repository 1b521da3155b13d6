/*
 * elf_facts.h - what stands in the way of preloading a library into a program, found
 * before it is started, so that `run` can say it in words.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define ELF_FACTS_PATH 4096
#define ELF_FACTS_MAX_SCRIPTS 4 /* scripts that name scripts, as the kernel has it */

enum elf_kind_fact {
	ELF_FACTS_NOT_ELF = 0, /* neither ELF nor script */
	ELF_FACTS_ELF,
	ELF_FACTS_DAMAGED, /* begins as ELF and goes on as something else */
};

struct elf_facts {
	/* Of the program that the kernel would run: for a script, its interpreter's,
	 * found through up to ELF_FACTS_MAX_SCRIPTS scripts. */
	char path[ELF_FACTS_PATH];
	unsigned scripts; /* how many were passed on the way; 0: path is as given */

	enum elf_kind_fact kind;
	unsigned bits;	  /* 32 or 64 */
	bool big_endian;
	uint16_t machine; /* EM_X86_64, ... */
	uint16_t type;	  /* ET_EXEC, ET_DYN, ... */
	bool is_static;	  /* no loader runs: nothing can be preloaded */
	bool is_static_pie; /* the same, position independent */
	char interpreter[ELF_FACTS_PATH]; /* the loader; "" for none */
	bool is_musl;	  /* the loader is musl's: another libc than the shim's */

	/* The loader ignores LD_PRELOAD of paths: exec would change our identity.
	 * Relative to the caller's effective user and groups, and to the mount. */
	bool is_setuid, is_setgid, has_capabilities;

	bool defines_malloc; /* as a dynamic symbol: others are bound to it */
	bool needs_libc;     /* has a DT_NEEDED at all */
	/* One of them is an allocator whose operators new reach no malloc. */
	bool needs_allocator;
	bool needs_asan;     /* one is AddressSanitizer's runtime */
	bool is_library;     /* has a DT_SONAME: a library, or the loader itself */
};

/* Fills *ret. 0, also for what is no ELF file (kind says so); -ELOOP too many scripts;
 * -errno of open: -ENOENT, -EACCES, ...; -EINVAL for what is not a regular file, with
 * ret->path the one it happened to. */
int symbols_elf_check(const char *path, struct elf_facts *ret);

/* Whether a library, by its path or name, is an allocator known to bring C++'s operators
 * new and delete of its own. */
bool symbols_is_allocator(const char *library);

/* Whether a library, or one of a list, is AddressSanitizer's runtime, as it knows itself
 * (LLVM's asan_linux.cpp, IsDynamicRTName()). */
bool symbols_is_asan(const char *libraries);

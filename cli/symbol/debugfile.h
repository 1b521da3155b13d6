/*
 * debugfile.h - separate debug files of this machine, by build-id and by
 * .gnu_debuglink.
 */
#pragma once

#include <libelf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DEBUGFILE_MAX_ID 64 /* bytes of a build-id; real ones have 20 */

struct debugfile_id {
	size_t len; /* 0: none */
	unsigned char bytes[DEBUGFILE_MAX_ID];
};

/* The build-id of an ELF file; len 0 if it has none. */
struct debugfile_id debugfile_id_of(Elf *elf);

/* Reads lower-case or upper-case hex; len 0 if it is none. */
struct debugfile_id debugfile_id_parse(const char *hex);

bool debugfile_same_id(const struct debugfile_id *a, const struct debugfile_id *b);

/* Opens .build-id/xx/rest and suffix (".debug", or "" for the stripped file itself)
 * below /usr/lib/debug, of the process's root first, then of ours. Only a file that
 * has this build-id is taken. Returns a descriptor or -errno. */
int debugfile_by_id(int root_fd, const struct debugfile_id *id, const char *suffix);

/* Opens the file that `path` links to by name: beside it, in .debug below, and under
 * /usr/lib/debug. It must have the same build-id, or, if path has none, the CRC.
 * Returns a descriptor or -errno. */
int debugfile_by_link(int root_fd, const char *path, const char *link, uint32_t crc,
		      const struct debugfile_id *id);

/* Opens the file of DWARF that several debug files share (dwz): by its build-id, else
 * by the name they have for it, relative to themselves. Returns a descriptor or
 * -errno. */
int debugfile_shared(int root_fd, const char *debug_path, const char *name,
		     const struct debugfile_id *id);

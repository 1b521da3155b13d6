/*
 * exec_elf.h - what a program's file says of who loads it and what with: for exec.c, on
 * its conditions. The file may be anything, and change meanwhile.
 */
#pragma once

#include "preload/hidden.h"
#include "preload/wire.h"

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>

/* As pread(), but for errno: bytes, or -errno. */
long exec_elf_read(long fd, void *to, size_t len, uint64_t at);

/* The kind of the program that begins with e, by what is in it. strict: what needs
 * AddressSanitizer's runtime cannot be followed. */
enum wire_exec exec_elf_kind(long fd, const char *path, const Elf64_Ehdr *e,
			     bool strict);

/* Whether a file's name, or a list of names, has that runtime. */
bool exec_elf_is_asan(const char *names);

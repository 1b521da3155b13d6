/*
 * exec.h - a program that is about to be executed: whether we can be preloaded into
 * it, and the environment that does so. The family of exec asks in a vfork child too,
 * where memory is the parent's: nothing here allocates but on request, takes a lock or
 * changes errno.
 */
#pragma once

#include "preload/wire.h"

#include <stddef.h>

/* What execve(path, ..., envp) would run. A file that cannot be read is expected to
 * come. */
enum wire_exec exec_kind(const char *path, char *const *envp);

/* Where execvp(file) would find it, as far as can be told: into ret, of room bytes; or
 * file itself. Returns what is to be looked at. */
const char *exec_search(const char *file, char *ret, size_t room);

/* Bytes of an environment that follows kind's program with us in it, or without us
 * where we would only be complained about; 0: envp will do as it is. */
size_t exec_environment_bytes(char *const *envp, enum wire_exec kind);

/* Makes it in that many bytes, aligned for pointers. It points into envp. */
char **exec_environment(char *const *envp, enum wire_exec kind, void *room);

/* Learns our own path. In the constructor. */
void exec_init(void);

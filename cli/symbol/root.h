/*
 * root.h - opening files as another process sees them: paths resolved inside its root
 * directory, symbolic links too, and nothing but regular files.
 */
#pragma once

#include <sys/stat.h>

/* A descriptor of a process's root directory ("/proc/PID/root", or any directory) for
 * root_open(); -1 in *ret if it is our own root ("" and NULL are). It stays good after
 * the process ended. 0 or -errno. */
int root_hold(const char *root, int *ret);

/* Opens a regular file for reading; never blocks, on whatever the path names. root_fd
 * is from root_hold(). Returns the descriptor, its stat in *ret_stat (may be NULL), or
 * -errno; -EINVAL for what is not a regular file. */
int root_open(int root_fd, const char *path, struct stat *ret_stat);

/* Opens the path made of up to three parts put together. As root_open(). */
int root_open_joined(int root_fd, const char *a, const char *b, const char *c);

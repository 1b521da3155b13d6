/*
 * target.h - the program to be recorded: where it is, and whether it can be.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct target {
	char path[4096]; /* what execv() gets */
	char shim[4096]; /* libheapline.so, or -cxx.so, as LD_PRELOAD takes it */
};

/* Finds a program as execvp() would, and our shim. 0, or the exit code to leave with
 * (enum in launch.h) after the reason and a remedy were said: not there, not
 * executable, or of a kind that cannot be preloaded (static, 32-bit, setuid). own_new:
 * the shim's form that records operators new itself; without it, where the program or
 * LD_PRELOAD names an allocator that is known to need it. */
int target_find(const char *name, bool own_new, struct target *ret);

/* The file that a program's name stands for, as execvp() finds it. 0; or the exit code,
 * with the errno in *ret_err, and nothing said. */
int target_path(const char *name, char *ret, size_t room, int *ret_err);

/* Where our shim is. 0; or, with one clause in why: -ENOENT not beside the binary,
 * -EINVAL a path that LD_PRELOAD cannot hold, -EIO no /proc. */
int target_shim(char *ret, size_t room, char *why, size_t why_room);

/* The same for a file that is loaded when a verb needs it: "heapline-view.so". */
int target_module(const char *name, char *ret, size_t room, char *why, size_t why_room);

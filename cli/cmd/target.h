/*
 * target.h - the program to be recorded: where it is, and whether it can be.
 */
#pragma once

#include <stdbool.h>

struct target {
	char path[4096]; /* what execv() gets */
	char shim[4096]; /* libheapline.so, as LD_PRELOAD takes it */
};

/* Finds a program as execvp() would, and our shim. 0, or the exit code to leave with
 * (enum in launch.h) after the reason and a remedy were said: not there, not
 * executable, or of a kind that cannot be preloaded (static, 32-bit, setuid). */
int target_find(const char *name, struct target *ret);

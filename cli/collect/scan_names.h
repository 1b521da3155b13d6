/*
 * scan_names.h - what the roots in modules' data are called: an area for each variable.
 */
#pragma once

#include "cli/heap/roots.h"

#include <sys/types.h>

/* Gives each root in a module's data to the area of its variable, as far as symbols
 * tell. The process need not be there any more; its files are then looked for in our
 * own root. 0 or -ENOMEM; no names are no failure. */
int scan_names(struct heap_graph *g, struct heap_roots *roots, pid_t pid);

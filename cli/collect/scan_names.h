/*
 * scan_names.h - what roots are called: an area for each variable that they are in, of
 * modules' data and of the functions at work.
 */
#pragma once

#include "cli/collect/scan_frames.h"
#include "cli/collect/scan_tls.h"

#include <sys/types.h>

/* Gives each root to the area of its variable, as far as symbols and debug information
 * tell. The process need not be there any more; its files are then looked for in our
 * own root. 0 or -ENOMEM; no names are no failure. */
int scan_names(struct heap_graph *g, struct heap_roots *roots,
	       const struct scan_frames *frames, const struct scan_tls *tls, pid_t pid);

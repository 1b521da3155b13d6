/*
 * scan_locals.h - what the roots on stacks and in registers are called: function, and
 * its variable where debug information locates it there.
 */
#pragma once

#include "cli/collect/scan_frames.h"

/* Gives each such root to an area of its own variable, or of its frame. The process
 * need not be there any more; files are looked for in root_fd (root_hold()). 0 or
 * -ENOMEM; no names are no failure. */
int scan_locals(struct heap_graph *g, struct heap_roots *roots,
		const struct scan_frames *frames, int root_fd);

/*
 * charge.h - which one frame of a stack a block is counted under, where every block
 * counts once: the innermost of the program's own code; without one, of the libraries
 * that it uses; without one, the innermost.
 */
#pragma once

#include "cli/report/frames.h"

struct charge {
	const struct profile *profile;
	struct frames_owners *owners;
	/* By node: the nearest node, outwards from it, with own code; with code that
	 * is no base library's. 0: none. */
	uint32_t *own, *other;
};

/* 0 or -ENOMEM; charge_done() in any case. */
int charge_init(struct charge *c, const struct profile *p);
void charge_done(struct charge *c);

/* The frame of a stack; its .stack is NULL for the empty stack. */
struct frames_frame charge_frame(struct charge *c, uint32_t stack);

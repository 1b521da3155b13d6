/*
 * recursion.h - stacks that differ only in how often functions called themselves, or
 * each other in turn: one leak has one for each depth, and is one all the same.
 *
 * From the outermost frame inwards, a row of at most RECURSION_PERIOD functions that is
 * there twice in a row counts once, with the lines of the inner one. Stacks are the same
 * then if all frames that are left are at the same place in code, and if their
 * fingerprints are the same (fingerprint.h): what a gate's baseline says of the one is
 * said of the other. As those fold four functions at most, of longer cycles the first
 * few depths stay apart, up to FINGERPRINT_FRAMES frames.
 */
#pragma once

#include "cli/profile/profile.h"

enum {
	RECURSION_PERIOD = 32,
	RECURSION_DEPTH = 4096, /* deeper stacks are like no others: as fingerprints are
				 * made frame by frame */
};

struct recursion;

/* Looks at all stacks of a profile, in time that grows with their nodes, however deep
 * they are. NULL without memory. */
struct recursion *recursion_open(const struct profile *p);
void recursion_close(struct recursion *r);

/* The number, from 1 on, that stacks which are the same have in common, and no others. 0
 * without memory. */
uint32_t recursion_group(struct recursion *r, uint32_t stack);

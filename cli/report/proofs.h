/*
 * proofs.h - which blocks that a snapshot called lost were freed after it: what the
 * collector has seen (struct profile_proof), by process and address.
 */
#pragma once

#include "cli/profile/profile.h"

struct proofs_index {
	struct profile_proof *rows; /* sorted */
	size_t count;
};

/* 0 or -ENOMEM. */
int proofs_index_open(const struct profile *p, struct proofs_index *ret);
void proofs_index_done(struct proofs_index *x);

/* Whether the block that was at the address at at_ns, held by nothing, was freed then or
 * later, until_ns included. */
bool proofs_freed(const struct proofs_index *x, uint32_t serial, uint64_t address,
		  uint64_t at_ns, uint64_t until_ns);

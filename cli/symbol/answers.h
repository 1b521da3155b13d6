/*
 * answers.h - what addresses of one file stand for, with strings of its own: made in
 * one thread, kept on disk by cache.h, taken over into profiles by symbols.h.
 *
 * It is a small profile: stack i is an address of the file, with a code. So it goes to
 * disk and comes back by the profile's own writer and its loader, which trusts nothing.
 */
#pragma once

#include "cli/base/table.h"
#include "cli/profile/profile.h"
#include "cli/symbol/module.h"

#include <stdatomic.h>

struct answers {
	struct profile *profile;
	struct table index; /* address -> stack */
};

/* 0 or -ENOMEM. */
int answers_open(struct answers *ret);

/* Makes them of a profile, which is taken over, also on failure. -EBADMSG: it is none
 * of ours. */
int answers_of(struct profile *p, struct answers *ret);

void answers_done(struct answers *a);

/* Number of the code that an address has, or SIZE_MAX. */
size_t answers_find(const struct answers *a, uint64_t address);

/* Asks the module about addresses that have no answer, without doubles; *done counts
 * them as they are answered. Damaged debug information gives unknown names. 0 or
 * -ENOMEM. */
int answers_ask(struct answers *a, struct module *m, const uint64_t *addresses,
		size_t count, _Atomic size_t *done);

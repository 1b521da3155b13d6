/*
 * instances.h - which stacks of CPython allocate by calling a class.
 *
 * PyType_GenericAlloc() does so. Interpreters that were optimised as a whole (Debian's
 * 3.13 is) have what it calls, which has no name once they are stripped, called by others
 * directly; Debian's 3.14 has a copy of the function itself that has no name. Such a call
 * is known by its callers: PyType_GenericAlloc() in some stack, or PyType_GenericNew(),
 * which calls nothing else; and in no stack one that makes objects another way.
 */
#pragma once

#include "cli/base/table.h"
#include "cli/profile/profile.h"

struct instances {
	struct table calls; /* (module, pc) of innermost frames: who called them */
};

/* Looks at all sites of p: 0 or -ENOMEM. Zeroed before. */
int instances_init(struct instances *n, const struct profile *p);
void instances_done(struct instances *n);

/* Whether its objects come from a class that the innermost Python frame called,
 * whatever the interpreter's build has names for. */
bool instances_has(const struct instances *n, const struct profile *p, uint32_t stack);

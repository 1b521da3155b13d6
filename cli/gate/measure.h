/*
 * measure.h - the figures that limits are about, out of a profile and its findings.
 */
#pragma once

#include "cli/gate/budget.h"
#include "cli/report/findings.h"

/*
 * Fills in what each limit's figure is. kinds: bits of the classes that fail.
 *
 * A path takes in what was allocated with a frame on the stack whose function (with or
 * without its arguments), source file or module the glob matches. Leaked blocks count
 * against the first path of BUDGET_LEAKED that takes them in, and against the limit for
 * all only if none does; of other metrics each limit stands for itself.
 *
 * 0, -ENOMEM, or -EINVAL: a path that would match anything, or nothing.
 */
int measure(const struct profile *p, const struct findings *f, uint32_t kinds,
	    struct budget_limit *limits, size_t count);

/*
 * leaks_alike.h - leaks that differ by their process alone: one program that ran many
 * times has lost what it loses as often.
 */
#pragma once

#include "cli/report/leaks.h"

struct leaks_alike {
	const struct finding *first; /* of the findings: the worst of them */
	struct finding sum;	     /* as `first`, with the amounts of all */
	size_t processes;
};

/* Those of a class and a stack that are wanted, the worst first; *ret is malloc'ed. 0 or
 * -ENOMEM. */
int leaks_alike(const struct leaks *l, struct leaks_alike **ret, size_t *ret_count);

/*
 * part.h - a part of heapline in a file of its own, opened when it is needed: what brings
 * libraries along that few verbs need would be paid for at each start, of a recording
 * twice.
 */
#pragma once

#include <stddef.h>

struct part { /* the one struct that such a file exports begins with it */
	const char *version; /* heapline's: of another one's nothing else is read */
};

/* Opens the file, as long as we live, and finds the struct of that name. 0; or -ELIBACC,
 * -ELIBBAD with one clause in why: the file, or a library that it needs, cannot be
 * loaded, or is another heapline's. */
int part_load(const char *path, const char *name, const struct part **ret, char *why,
	      size_t room);

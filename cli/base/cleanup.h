/*
 * cleanup.h - resources that release themselves at the end of their scope.
 *
 *	_cleanup_(fclosep) FILE *out = NULL;
 *	...
 *	return take_ptr(out);	// handed over: no longer ours to close
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(f) __attribute__((cleanup(f)))

#define take_ptr(p)                                                                    \
	__extension__({                                                                \
		__typeof__(p) taken_ = (p);                                            \
		(p) = NULL;                                                            \
		taken_;                                                                \
	})

#define take_fd(fd)                                                                    \
	__extension__({                                                                \
		int taken_ = (fd);                                                     \
		(fd) = -1;                                                             \
		taken_;                                                                \
	})

static inline void freep(void *p)
{
	free(*(void **)p);
}

static inline void fclosep(FILE **f)
{
	if (*f)
		fclose(*f);
}

static inline void closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

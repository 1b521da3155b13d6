/*
 * progress.h - how far a look-up has come, on a terminal, if it takes its time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

struct progress {
	struct timespec began;
	bool wanted; /* standard error is a terminal, and nobody asked for quiet */
	bool shown;
};

void progress_begin(struct progress *p);

/* Shows it, once half a second is over. */
void progress_show(struct progress *p, size_t done, size_t all);

/* Wipes the line. */
void progress_end(struct progress *p);

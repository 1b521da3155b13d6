/*
 * aside.h - work that a thread of its own does beside the one that asked for it, which
 * asks from time to time whether it is done. It hears no signals.
 *
 * Between aside_begin() and aside_join() the struct stays where it is, and what it works
 * on is the other thread's.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct aside {
	void (*work)(void *context);
	void *context;
	pthread_t thread;
	bool joined; /* there is no thread: it was done at once, or has been waited for */
	uint64_t took_ns;
	_Atomic bool done;
};

/* Begins work(context). here: by this thread, to its end, as where there can be no other. */
void aside_begin(struct aside *a, void (*work)(void *), void *context, bool here);

bool aside_is_done(const struct aside *a);

/* Waits for it, for so long at most. False: it is not done. */
bool aside_wait(struct aside *a, uint64_t ns);

/* Waits for it. How long it took. */
uint64_t aside_join(struct aside *a);

/*
 * relay.h - work that several threads do at once, and that one ends in order.
 *
 *	relay_init(r, work, end, context);
 *	for (i = 0; i < RELAY_THREADS; i++)
 *		r->item[i] = ...		// whatever one piece of work needs
 *	...
 *	e = relay_next(r, &item);		// may end one that was begun before
 *	...					// says what is to be done
 *	e = relay_go(r);			// or relay_do(r), if that is little
 *	...
 *	e = relay_flush(r);			// all have ended
 *
 * work() runs in any thread and touches its item alone; end() runs in the thread that
 * calls, one item after the other, in the order in which they went. Without threads
 * both are called by relay_go() itself, and only the first item is used. A failure of
 * end() stays until relay_drop(); no more is ended meanwhile. Nobody else may use a
 * struct relay, and what an item refers to stays as it is until it has ended.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

enum { RELAY_THREADS = 8 }; /* at most */

struct relay {
	void (*work)(void *context, void *item);
	int (*end)(void *context, void *item); /* 0 or -errno */
	void *context;
	void *item[RELAY_THREADS];

	size_t size;   /* items in use; 0: not begun */
	size_t next;   /* place of the next one */
	size_t wanted; /* threads */
	int failed;

	struct relay_place {
		struct relay *relay;
		enum { RELAY_FREE, RELAY_READY, RELAY_WORKED } state;
		bool has_thread;
		pthread_t thread;     /* works on this item alone; from its first on */
		pthread_cond_t ready; /* for it */
	} place[RELAY_THREADS];
	pthread_mutex_t lock;  /* states, stopping */
	pthread_cond_t worked; /* for the one that calls */
	bool stopping;
};

void relay_init(struct relay *r, void (*work)(void *, void *),
		int (*end)(void *, void *), void *context);

/* From now on by as many threads as there are processors, `most` at most. Before the
 * first item, or when all have ended. */
void relay_use_threads(struct relay *r, size_t most);

/* The next item. 0, or -errno of an earlier one. */
int relay_next(struct relay *r, void **ret);

/* Has it worked on and ended, now or later. 0 or -errno. */
int relay_go(struct relay *r);

/* The same, worked on by this thread: for what takes less time than to wake another. */
int relay_do(struct relay *r);

/* Ends all that are under way. 0, or -errno of the first that failed. */
int relay_flush(struct relay *r);

/* Forgets all that are under way, and the failure. */
void relay_drop(struct relay *r);

/* Ends the threads. No item is ended any more. */
void relay_done(struct relay *r);

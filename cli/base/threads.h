/*
 * threads.h - threads beside the one that signals are for.
 */
#pragma once

#include <pthread.h>
#include <stddef.h>

/* pthread_create() of a thread that hears no signals. 0 or -errno. */
int threads_start(pthread_t *ret, const pthread_attr_t *attr, void *(*run)(void *),
		  void *context);

/* As many as there are processors for this process, and at most `most`. */
size_t threads_allowed(size_t most);

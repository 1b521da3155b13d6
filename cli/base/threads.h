/*
 * threads.h - threads beside the one that signals are for.
 */
#pragma once

#include <pthread.h>

/* pthread_create() of a thread that hears no signals. 0 or -errno. */
int threads_start(pthread_t *ret, const pthread_attr_t *attr, void *(*run)(void *),
		  void *context);

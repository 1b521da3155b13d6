/*
 * debugserver.h - debug information from the servers that $DEBUGINFOD_URLS names, by
 * build-id. Only who was asked to by the user opens one: nothing else here, nor in
 * libdw as we drive it, uses the network.
 *
 * libdebuginfod is loaded when it is wanted; heapline does not need it otherwise. Any
 * number of threads may ask.
 */
#pragma once

#include "cli/symbol/debugfile.h"

struct debugserver;

/* 0; -ENOENT: $DEBUGINFOD_URLS names none; -ELIBACC: there is no libdebuginfod. */
int debugserver_open(struct debugserver **ret);

/* NULL is fine. */
void debugserver_close(struct debugserver *d);

/* Opens the debug file of a build-id. A descriptor, or -errno: -ENOENT, they have none;
 * anything else, they did not answer. From then on nobody is asked: a dead server costs
 * its time-out once. */
int debugserver_find(struct debugserver *d, const struct debugfile_id *id);

/* -errno of why they did not answer, or 0. */
int debugserver_error(struct debugserver *d);

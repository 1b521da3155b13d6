/*
 * callers.h - who connects to the collector's process: targets that want to come in, and
 * others with a question (control.h).
 */
#pragma once

#include "cli/collect/server_state.h"

/* A connection, owned from now on. Closed if there are too many. */
void callers_add(struct server *s, int fd);

/* What all of them have said since the last call: they are let in or answered, now or
 * later, and closed. */
void callers_hear(struct server *s);

/* Says how the recording stands, as of the last pass. */
void callers_send_status(struct server *s, int to);

/*
 * lanes.h - the rings in use, each with its reader, its thread and its process: from
 * the claim of a ring until it was read to the end and has gone back.
 */
#pragma once

#include "cli/collect/engine_state.h"

/* Opens the rings that were claimed since the last time; all: whatever was said. */
void lanes_look_at_claims(struct engine *e, bool all);

/* A window for the lane's events, if it has none; they are shared by all lanes. */
bool lanes_borrow_window(struct engine *e, struct lane *lane);
void lanes_return_window(struct engine *e, struct lane *lane);

/* Frees the rings that are dead and read. */
void lanes_close_drained(struct engine *e);

/* Did the thread die? Then its ring is read to the end. */
void lanes_look_at_owner(struct lane *lane);

/* A few rings in each pass: those in use for their owners' death, and any for a claim
 * that was not announced. */
void lanes_look_around(struct engine *e);

/* Gives the pages of some idle rings back. */
void lanes_trim(struct engine *e);

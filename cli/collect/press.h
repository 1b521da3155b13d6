/*
 * press.h - an update of the profile's file by a thread of its own: of a hundred thousand
 * new stacks it takes tens of milliseconds, in which all rings would run full.
 */
#pragma once

#include "cli/profile/file.h"

struct press;

/* Begins one: until press_close() the writer and the profile, which is full, are the
 * press's. Where there can be no thread, it is done when this returns. NULL: no memory. */
struct press *press_open(struct profile_writer *writer, struct profile *profile);

bool press_is_done(const struct press *p);

/* Waits for it. What profile_writer_update() said; *ret_took_ns: how long it took. */
int press_close(struct press *p, uint64_t *ret_took_ns);

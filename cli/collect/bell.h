/*
 * bell.h - turns the futex that producers ring into a descriptor that poll() knows.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

struct bell;

/* Starts the thread that waits on *asleep (wire_header). 0 or -errno. */
int bell_open(_Atomic uint32_t *asleep, struct bell **ret);

void bell_close(struct bell *b);

/* Readable after a producer rang. */
int bell_fd(const struct bell *b);

/* Before the owner sleeps: from now on producers ring. Or for so short a time that nobody
 * needs to, which costs less. After either: they need not. */
void bell_arm(struct bell *b);
void bell_nap(struct bell *b);
void bell_disarm(struct bell *b);

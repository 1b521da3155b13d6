/*
 * session.h - this process's tie to its collector: the mapping, and who we are in it.
 *
 * Made once, at the first hook or in our constructor, whichever comes first. A fork
 * child finds its page of identity wiped and claims an identity of its own in the
 * same mapping, without a socket; a vfork child shares everything, rightly.
 */
#pragma once

#include "preload/hidden.h"
#include "preload/wire.h"

#include <stdbool.h>

struct session {
	void *base; /* the mapping; constant once `on` */
	uint32_t rings; /* how many of its rings are mapped */
	uint32_t flags; /* enum wire_flag, and SESSION_SAMPLES */
};

enum {
	SESSION_SAMPLES = 1u << 31, /* sample_on() */
};

extern HIDDEN struct session session;

/* Whether everything is recorded, and waits for room. */
static inline bool session_is_plain(void)
{
	return !(session.flags & (SESSION_SAMPLES | WIRE_LOSSY));
}

/* The header's word, or one that says RECORDING where there is no session. */
extern HIDDEN _Atomic uint32_t *session_recording;

/* A page marked MADV_WIPEONFORK: all zero in a fork child. */
struct session_identity {
	_Atomic uint32_t serial; /* of wire_process; 0: not attached (a fork child) */
	uint32_t process;	 /* its slot */
	uint32_t born;		 /* slot + 1 of a fork child that recorded nothing yet */
	bool untold;		 /* its fork is in nobody's events, nor its own */
};

/* NULL until there is a session. */
extern HIDDEN struct session_identity *session_identity;

static inline struct wire_header *session_header(void)
{
	return session.base;
}

/* Makes the session if none was tried yet, attaches a fork child to it. False: this
 * process is not recorded. Not reentrant (the caller keeps its own thread from
 * coming back by an allocation, and blocks signals, whose handlers might jump out of
 * it); threads exclude each other. */
bool session_attach(void);

/* Whether session_attach() was in vain, and would be for ever. */
bool session_is_off(void);

/* Whether there is a session here, also in a fork child that has not attached yet. */
bool session_on(void);

/* This process's slot, also of one that is only born; a vfork child finds its parent's.
 * NULL: none. */
struct wire_process *session_own_slot(void);

/* An event of a process or a thread that has no ring is lost. There is a session. */
static inline void session_count_unrung(void)
{
	/* relaxed: a count, read after the fact. */
	atomic_fetch_add_explicit(&session_header()->unrung, 1, memory_order_relaxed);
}

/* Serial of this process, or of the last one above it that had one. */
uint32_t session_last_serial(void);

/* Serial of a fork child whose fork is in nobody's events; 0: it is. Asked once. */
uint32_t session_untold(void);

/* In a fork child: p is to be its slot. */
void session_born(const struct wire_process *p);

/* The session for programs to be executed, "NAME:TOKEN"; "" is none. Known to processes
 * that are not recorded, too. */
const char *session_name(void);

/* Whether this process is in another network namespace than it was when it joined: what
 * it executes will not find the collector. */
bool session_is_apart(void);

/* The stamp counter is to be read no more: stamps stay what they are now. True if it was
 * read so far; then it may be again. (In the middle of a hook, by a signal handler: who
 * reads it asks right before that.) */
bool session_stop_clock(void);
void session_start_clock(void);

/* The stamp of now: ticks or ns as the session's flags say. */
uint64_t session_stamp(void);

/* Wakes the collector if it sleeps. */
void session_ring_bell(void);

struct session_patience { /* what a thread that waits remembers; zero at first */
	uint64_t beat, head;
	uint64_t beat_ns, head_ns; /* when they last moved */
};

/* False once the collector is dead, silent, or does not get on with this thread's ring,
 * whose head is given (0: none): then recording has ended for good. */
bool session_collector_lives(struct session_patience *p, uint64_t head);

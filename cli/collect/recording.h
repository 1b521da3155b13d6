/*
 * recording.h - the shared memory of one recording and how targets come by it: the
 * collector's half of the handshake in preload/wire.h.
 */
#pragma once

#include "preload/wire.h"

#include <stdbool.h>
#include <sys/types.h>

struct recording {
	int memory; /* the memfd */
	char *base;	/* all of it, mapped */
	uint64_t bytes; /* of it: WIRE_BYTES, or less where there is no room for so many */
	unsigned char token[WIRE_TOKEN_BYTES];
	char session[WIRE_SESSION_BYTES]; /* for those who have it not; "" is none */
};

struct recording_peer {	  /* a process that was just let in */
	pid_t pid;	  /* as this process sees it */
	uint32_t own_pid; /* as it sees itself */
	uint32_t slot, serial;
};

enum recording_step { /* what failed */
		      RECORDING_CREATE,
		      RECORDING_SIZE,
		      RECORDING_MAP,
};

/* Makes the memfd and maps it, with as many rings as there is room for (RLIMIT_AS,
 * RLIMIT_FSIZE) beside what a collector needs else. 0; or -errno, of *ret_failed. */
int recording_make(struct recording *r, enum recording_step *ret_failed);

/* Makes the memfd and holds its robust word until this thread ends. flags: enum
 * wire_flag but for the clock, which is the processor's counter if that is steady, and
 * not if kernel_clock. scan_wait_ms: as in wire_header. 0 or -errno. */
int recording_open(struct recording *r, uint32_t flags, uint32_t scan_wait_ms,
		   bool recording, bool kernel_clock);

void recording_close(struct recording *r);

/* A listening socket in the abstract namespace; its name goes to ret_name, without
 * the leading NUL. A descriptor, or -errno. */
int recording_listen(char *ret_name, size_t room);

/* "NAME:TOKEN", as WIRE_ENV_SESSION wants it. */
void recording_session(const char *name, const unsigned char token[WIRE_TOKEN_BYTES],
		       char ret[WIRE_SESSION_BYTES]);

/* Reads a hello from a connected peer. 1: it may come in; *ret is filled but for its
 * slot, and it waits for recording_admit() or recording_refuse(). 0: refused or gone;
 * -EAGAIN: nothing there yet. trusted: no token needed. */
int recording_hear(struct recording *r, int peer, bool trusted,
		   struct recording_peer *ret);

/* Makes its slot, to be LIVE once admitted. False: none is left; it was refused. */
bool recording_claim(struct recording *r, int peer, struct recording_peer *who);

/* Hands the memfd over: from now on the peer runs. False: it is gone. */
bool recording_admit(struct recording *r, int peer, const struct recording_peer *who);

/* Lets the peer run without us. */
void recording_refuse(int peer, enum wire_answer why);

/* The text of a wire_name; "" if there is none. Anybody may have written it. */
void recording_name(const struct recording *r, uint32_t number, char *ret, size_t room);

/* Whether any process but this one has the memory mapped, known to us or not. To be
 * asked when no process is known to, by the only thread that uses it: for a moment it
 * can be read alone. Once the answer was no, nobody can come any more. */
bool recording_is_shared(struct recording *r);

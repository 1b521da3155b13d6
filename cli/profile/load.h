/*
 * load.h - a profile on its way out of a file: what the parts of the loader share.
 *
 *	scan.c		how far the file is whole, by checksums alone
 *	loader.c	its chunks, one after the other; the way in (file.h)
 *	unpack.c	a chunk read and inflated, by several threads ahead of loader.c
 *	rows.c		a chunk's rows into the profile's arrays, each number checked
 *	site_rows.c	rows of sites, the later over the earlier
 *	coherence.c	references and what else must hold of the whole
 */
#pragma once

#include "cli/base/bytes.h"
#include "cli/base/relay.h"
#include "cli/profile/profile.h"
#include "cli/profile/unpack.h"

#include <zlib.h>

enum load_tail { LOAD_TAIL_NONE, LOAD_TAIL_TRUNCATED, LOAD_TAIL_DAMAGED };

struct load {
	int fd;			   /* -1: the bytes are in data */
	const unsigned char *data; /* size bytes */
	uint64_t size;
	unsigned dimensions; /* enum profile_dimension: whose shares are loaded */
	bool trusting;	     /* tests: checksums are not looked at */
	bool later;	     /* PROFILE_LATER */

	/* Found by scan(). */
	uint64_t end;	     /* of the last whole commit; 0: there is none */
	enum load_tail tail; /* what follows it ... */
	uint64_t tail_at;    /* ... and where that was noticed */

	struct profile *p;
	struct unpacked unpacked[RELAY_THREADS]; /* chunks on their way */
	struct relay relay;			 /* of them; open if has_relay */
	bool has_relay;
	struct bytes part; /* beginning of the next string */

	/* Sites, by number + 1: the first of each stack; and the others by process,
	 * stack and domain, in open addressing. */
	uint32_t *first, *others;
	size_t first_room, others_room, other_count; /* others_room: a power of two */

	struct profile_class *fresh; /* of a chunk's sites */
	size_t fresh_room;
	struct profile_class *class_next; /* in the last of the profile's blocks */
	size_t class_left;

	char *why; /* of why_bytes, or NULL */
	size_t why_bytes;
};

void load_done(struct load *l);

/* Bytes at..at+len of the file; the caller knows that it was that long. Any thread may
 * call. 0, -errno, or -ESTALE: it became shorter. */
int load_pread(const struct load *l, uint64_t at, void *to, size_t len);

/* Puts a clause for people into why; returns r. */
__attribute__((format(printf, 3, 4))) int load_fail(struct load *l, int r,
						    const char *format, ...);

/* -ENOMEM, with its clause. */
int load_no_memory(struct load *l);

/* load_pread(), and its clause. 0 or -errno. */
int load_read_at(struct load *l, uint64_t at, void *to, size_t len);

/* The clause for what load_pread() returned for bytes from `at` on. 0 or -errno. */
int load_say_read(struct load *l, uint64_t at, int r);

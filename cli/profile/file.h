/*
 * file.h - profiles on disk: docs/format.md describes the bytes.
 *
 * A file is a sequence of chunks, written append-only. Each update ends in a commit;
 * a reader takes the state as of the last whole commit, so that truncation at any
 * byte costs at most what came after it.
 */
#pragma once

#include "cli/base/bytes.h"
#include "cli/profile/profile.h"

struct profile_writer;

/* Writes a new profile into fd (owned from now on, closed by profile_writer_close(),
 * on failure at once). 0 or -errno: -EEXIST if fd is a regular file that is not empty,
 * as a profile begins at byte 0. Nothing is written before the first update. */
int profile_writer_open(int fd, struct profile_writer **ret);

/* Makes what is written by as many threads as there are processors. Before the first
 * update. */
void profile_writer_use_threads(struct profile_writer *w);

/* Appends what p has gained since the last update: new strings, modules, stacks,
 * codes, frames, sources; dirty sites (the flag is cleared); everything small whole.
 * Then a commit. 0, or -errno of the write: the file is as good as its last commit,
 * and a later update tries again. (A pipe or device cannot take back what went out:
 * there, and where the file cannot be cut, every later update fails likewise.)
 * The caller ignores SIGPIPE and SIGXFSZ. What was written before must not change,
 * but for sites and the codes of stacks. */
int profile_writer_update(struct profile_writer *w, struct profile *p);

/* The same; and the sites of `more`, profiles of which nothing else is looked at, count
 * as p's behind its own. */
int profile_writer_update_with(struct profile_writer *w, struct profile *p,
			       struct profile *const *more, size_t count);

/* Bytes written so far. */
uint64_t profile_writer_bytes(const struct profile_writer *w);

/* Closes the file. NULL is fine. */
void profile_writer_close(struct profile_writer *w);

/* Reads a profile. 0; or -errno: of open and read; -EPROTO not a profile;
 * -EPROTONOSUPPORT written by a newer heapline; -ENODATA truncated before the first
 * commit; -EBADMSG damaged. why (of why_bytes, may be NULL) then gets one clause for
 * people. A profile whose tail is truncated or damaged loads, with p->complete false
 * and why saying what was left out ("" if nothing was). Memory is bounded by a small
 * multiple of what the file truly holds. */
int profile_load(const char *path, struct profile **ret, char *why, size_t why_bytes);

/* Reads the data of p->pieces[i] from the file that p was loaded from, at most
 * PROFILE_PIECE_MAX bytes, into *ret (emptied first; to be freed). 0; -errno of open and
 * read; -ESPIPE: it came from a pipe, which is gone; -EBADMSG: it is another file now. */
int profile_piece(const char *path, const struct profile *p, size_t i,
		 struct bytes *ret);

/* Brings the data of all pieces back into p, to be written to another file. 0, or as
 * profile_piece(). */
int profile_pieces_load(const char *path, struct profile *p);

/* Makes a piece of a snapshot to be written: a deflated copy of data. From any thread. 0,
 * -ENOMEM or -E2BIG. */
int profile_piece_make(const void *data, size_t len, struct profile_piece *ret);

/* Takes over the pieces (and empties them) as those of the last snapshot. 0 or -ENOMEM:
 * nothing happened. */
int profile_pieces_add(struct profile *p, struct profile_piece *pieces, size_t count);

#define PROFILE_PIECE_MAX ((4u << 20) - 16)

/* With the dimensions: checksums of graphs' pieces, which are nearly all of a large file,
 * are looked at when the pieces are read, and not before: damage in them is that of a
 * graph then, and no end of the profile. */
#define PROFILE_LATER (1u << 16)

/* The same, with the parts of sites by these dimensions, enum profile_dimension. */
int profile_load_with(const char *path, unsigned dimensions, struct profile **ret,
		      char *why, size_t why_bytes);

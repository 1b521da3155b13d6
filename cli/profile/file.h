/*
 * file.h - profiles on disk: docs/format.md describes the bytes.
 *
 * A file is a sequence of chunks, written append-only. Each update ends in a commit;
 * a reader takes the state as of the last whole commit, so that truncation at any
 * byte costs at most what came after it.
 */
#pragma once

#include "cli/profile/profile.h"

struct profile_writer;

/* Writes a new profile into fd (owned from now on, closed by profile_writer_close(),
 * on failure at once). 0 or -errno: -EEXIST if fd is a regular file that is not empty,
 * as a profile begins at byte 0. Nothing is written before the first update. */
int profile_writer_open(int fd, struct profile_writer **ret);

/* Appends what p has gained since the last update: new strings, modules, stacks,
 * codes, frames, sources; dirty sites (the flag is cleared); everything small whole.
 * Then a commit. 0, or -errno of the write: the file is as good as its last commit,
 * and a later update tries again. (A pipe or device cannot take back what went out:
 * there, and where the file cannot be cut, every later update fails likewise.)
 * The caller ignores SIGPIPE and SIGXFSZ. What was written before must not change,
 * but for sites and the codes of stacks. */
int profile_writer_update(struct profile_writer *w, struct profile *p);

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

/*
 * scan.h - the heap graphs of recorded processes, made while the recording goes on.
 *
 * A process that asked for it (it stands and waits, preload/stand.h), or about which
 * somebody asks, is stopped by a thread of its own, which is its tracer; the server
 * then reads the rings to their end, so that the books are those of that moment, and
 * hands the live blocks over; the thread reads the memory, lets the process go and
 * finds the graph. Ends are scanned side by side, those that go on one at a time; the
 * server never waits for any.
 *
 *	server	ask ----------> (stopped) -> blocks -----------------> snapshot
 *	thread	     stop threads            read, let go, graph, pack
 *
 * Should the collector die meanwhile, the kernel lets the process go.
 */
#pragma once

#include "cli/collect/engine.h"
#include "cli/collect/recording.h"
#include "cli/profile/profile.h"

struct scans;

/* All outlive it. lacking: what was recorded is not all of the blocks anyway; contents:
 * theirs are kept with every graph. 0 or -errno. */
int scans_open(struct recording *memory, struct engine *engine, bool lacking,
	       bool contents, struct scans **ret);
void scans_close(struct scans *s); /* NULL is fine; ends what goes on */

/* A descriptor that is readable when scans_look() has something to do. */
int scans_fd(const struct scans *s);

/* Sees what processes ask, and goes on with what is under way. */
void scans_look(struct scans *s);

/* Snapshots that have come to their end since the last call are added to the profile, in
 * the order of their numbers. It knows all stacks and threads already. 0 or -ENOMEM: some
 * were not, and will be. */
int scans_fill(struct scans *s, struct profile *p);

/* Is there something to add; is there something that somebody may want to read at once,
 * or that takes much memory here? (Of ends of processes there may be many, and to write
 * each takes as long as all that there is.) */
bool scans_have_rows(const struct scans *s);
bool scans_are_due(const struct scans *s);

/* A living process is to be scanned; name: of the snapshot. done(): called with its
 * index in the profile to be, or -errno (-EBUSY: it is asked for already). */
int scans_ask(struct scans *s, const struct engine_process *p, const char *name,
	      bool contents, void (*done)(void *context, int result), void *context);

/* The same by a schedule, unless it waits for one already (-EBUSY): nobody hears. */
int scans_schedule(struct scans *s, const struct engine_process *p, const char *name);
bool scans_is_scheduled(const struct scans *s, const struct engine_process *p);

/* From now on, processes are watched for their end, each from the moment that
 * scans_watch() is told of it. They stand there for wait_ms at most. */
void scans_watch_all(struct scans *s, uint32_t wait_ms);
void scans_watch(struct scans *s, const struct engine_process *p);

/* Waits for the end of all that is, within a bound; nothing more can be asked for. */
void scans_end(struct scans *s);

/* At the end of all, where every process was to be scanned at its end: says of those
 * that were not, why. */
void scans_tell_missing(struct scans *s);

/* Whether something is asked for or under way. */
bool scans_busy(const struct scans *s);

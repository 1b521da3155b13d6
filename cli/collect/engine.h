/*
 * engine.h - the collector's engine: from rings in shared memory to a profile.
 *
 * The collector's process owns one engine for its session's mapping and calls it from
 * one thread: engine_pass() as often as there may be events, engine_reap() now and
 * then, engine_fill() at checkpoints, engine_process_end() when a process is known to
 * have ended. It never blocks and never waits for a target.
 *
 *	rings -- ring_reader --> merge --> ledger --> live table, sites, timeline
 *
 * Order. A pass takes its stamp before it looks at the first ring, and leaves events
 * with later stamps for the next pass. For an event e of the pass, whatever happened
 * before it (a free before the allocation that reuses its address) was published
 * before e was stamped, hence is in a ring when the pass looks there, with a smaller
 * stamp: the pass knows all of e's past. What breaks this (stamps of two processors
 * that disagree, a slot reserved by a hook that a signal interrupted) shows as a
 * contradiction; the event is parked. Then the fence: all slots reserved by now are
 * read, and the event either finds its place or is declared unexplained.
 */
#pragma once

#include "cli/profile/profile.h"
#include "preload/wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct engine;

/* A process as its owner sees it. Texts by engine_process_describe(); else read only,
 * but for the parent, the pid and the end's status. */
struct engine_process {
	uint32_t serial, parent_serial;
	int32_t pid;
	uint32_t slot;
	uint32_t notes; /* enum wire_note, as of the last pass that looked */
	uint32_t python; /* as of wire_process, likewise */
	uint64_t start_ns, end_ns;
	/* As of profile_process. One that others are counted in lives not, and ends not. */
	uint32_t counted_with, counted;
	bool ended;
	enum profile_end end;
	int32_t end_status;
	char *command, *exe; /* owned; may be NULL */
	uint64_t events;
	struct profile_memory memory[PROFILE_MOMENTS]; /* for accounts.h to fill */
	void *owner;				       /* for whoever runs the engine */
};

struct engine_module {	      /* valid during the call */
	const char *path;     /* "" is the process's executable */
	const char *build_id; /* lower-case hex */
	uint32_t process_serial;
};

struct engine_account { /* WIRE_ACCOUNT, and what is known of that moment */
	uint64_t at_ns, live_bytes, used_bytes, system_bytes;
	bool at_exit;
};

struct engine_block { /* a live one */
	uint64_t address, size, born_ns;
	uint32_t number; /* of who made it: engine_made_by() */
	bool ignored;	 /* the program says that it is no leak */
	bool chunk;	 /* of a pool: it lies in a block, a mapping or elsewhere */
	bool blank;	 /* a mapping: an arena of an interpreter that was taken down */
	bool inherited;	 /* of those that it has of its parents */
};

struct engine_suspect {
	uint64_t address;
	bool chunk;
};

struct engine_hooks { /* any may be NULL */
	void *context;
	/* Does this thread still run? Asked for rings without a robust word. */
	bool (*alive)(void *context, int32_t pid, int32_t tid);
	void (*process_seen)(void *context, struct engine_process *p);
	/* A process was told how its child ended, as of waitpid(). */
	void (*waited)(void *context, int32_t pid, int32_t status);
	/* What a process's allocator says of itself. */
	void (*account)(void *context, struct engine_process *p,
			const struct engine_account *said);
	void (*module_seen)(void *context, const struct engine_module *m);
	/* The program gave this moment a name: number of a wire_name, 0 is none. */
	void (*marked)(void *context, struct engine_process *p, uint32_t name,
		       uint64_t ns);

	/* For tests: the stamp of now, and what happens while the rings are read. */
	uint64_t (*now)(void *context);
	void (*meanwhile)(void *context);
};

/* base: the whole mapping, its header filled in. fd: the memfd behind it, for giving
 * back the pages of freed rings; -1: never. 0 or -errno. */
int engine_open(void *base, int fd, const struct engine_hooks *hooks,
		struct engine **ret);
void engine_close(struct engine *e); /* NULL is fine */

/* See sites_divide(). Before the first pass. */
void engine_divide(struct engine *e, unsigned dimensions);

/* One pass over all rings. Returns the events consumed. */
size_t engine_pass(struct engine *e);

/* Looks for threads that have ended; their rings are freed by passes to come. Gives
 * the memory of rings back that have been idle since the last call. */
void engine_reap(struct engine *e);

/* Makes a process known before its first ring; finds it if it is. NULL without memory,
 * or for serial 0. slot: its wire_process. */
struct engine_process *engine_process_begin(struct engine *e, uint32_t serial,
					    uint32_t parent_serial, int32_t pid,
					    uint32_t slot);
struct engine_process *engine_process(struct engine *e, uint32_t serial);

/* It was forked from the process of that serial (known now or later), by a fork that
 * was told of in the order of events, else at the stamp. */
void engine_process_forked(struct engine *e, struct engine_process *p,
			   uint32_t parent_serial, uint64_t stamp);

struct engine_heap {
	uint64_t live_bytes; /* now, inherited blocks too */
	uint64_t peak_bytes; /* of its own; now, of one that is counted with others */
	uint64_t fallen;     /* blocks: fewer of its own than at the peak */
	uint64_t frees;
};

struct engine_heap engine_process_heap(const struct engine_process *p);

/* From now on all processes of a program are counted together (profile_process); else
 * only if sites are short. */
void engine_join(struct engine *e);

/* The process's exe is known now: it may be counted with others of that. For one of which
 * nothing has been counted yet. */
void engine_process_join(struct engine *e, struct engine_process *p);

/* The child of that serial to be, forked from that process, executed a program before
 * it recorded anything. */
void engine_process_unborn(struct engine *e, uint32_t parent_serial, uint32_t serial);

/* The processes in the order in which they became known: NULL gives the first, the
 * last gives NULL. */
struct engine_process *engine_process_next(struct engine *e,
					   const struct engine_process *after);

/* The same of those that have not ended. `after` may have, since. */
struct engine_process *engine_process_next_living(struct engine *e,
						  const struct engine_process *after);

/* 0 or -ENOMEM. NULL leaves a text as it is. */
int engine_process_describe(struct engine_process *p, const char *command,
			    const char *exe);

/* The process is dead: reads all that it committed, closes its books, frees its rings
 * and its slot. */
void engine_process_end(struct engine *e, struct engine_process *p,
			enum profile_end end, int32_t status);

/* Resident bytes of all processes, now. */
void engine_rss_sample(struct engine *e, uint64_t bytes);

/* Does a part of what the next engine_fill() would have to, so that it takes not long:
 * nothing of it shows before, but for stacks. False: there is more of it. */
bool engine_fill_ahead(struct engine *e, struct profile *p);

/* Brings the profile, always the same one, up to date. New stacks have code 0. 0 or
 * -ENOMEM; then it is whole, but older in parts. */
int engine_fill(struct engine *e, struct profile *p);

/* Once, after the last engine_fill(): what sites counted in parts, too. 0 or -ENOMEM:
 * the profile has none. */
int engine_fill_shares(struct engine *e, struct profile *p);

/* ns since engine_open(). */
uint64_t engine_now_ns(const struct engine *e);

/* Live blocks of the malloc domain, all processes, as of the last pass. */
struct profile_amount engine_live(const struct engine *e);

/* The recording is incomplete for want of memory: the first failure, or 0. */
int engine_error(const struct engine *e);

/* Rings in use, and bytes that they hold unread: nothing is left at 0. */
size_t engine_rings(const struct engine *e);
uint64_t engine_backlog(const struct engine *e);

/* The blocks that are live in a process, its own and those that it has of its parents',
 * in no order. */
void engine_each_live(struct engine *e, struct engine_process *p,
		      void (*see)(void *context, const struct engine_block *b),
		      void *context);

/* Who made the block of that number, as indices in the profile: ret_stack is UINT32_MAX
 * if it is not known any more, ret_thread PROFILE_OTHERS if that is not kept. */
void engine_made_by(const struct engine *e, uint32_t number, uint32_t *ret_stack,
		    uint32_t *ret_thread);

/* The blocks of now are being looked at; then: these are held by nothing, and will be
 * followed until they are freed (proofs.h). Only one look at a process at a time. False:
 * not all of them could be. */
void engine_look_begins(struct engine_process *p, uint64_t ns);
bool engine_look_ends(struct engine_process *p, const struct engine_suspect *lost,
		      size_t count);

/* The same of what it made by mmap, in pieces where it unmapped parts. */
void engine_each_mapping(struct engine *e, const struct engine_process *p,
			 void (*see)(void *context, const struct engine_block *b),
			 void *context);

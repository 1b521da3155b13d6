/*
 * lineage.h - what a fork child has of its parent's blocks, without a copy.
 *
 * The parent goes on with its own table. From the moment of a fork on it logs which
 * older blocks leave that table; so for a child forked at F
 *
 *	child has address A  <=>  the child has not freed it, and at F the parent
 *				  had a block at A: one in its table born before F, or
 *				  in its log, born before F and gone after, or one that
 *				  it had from its own parent by the same rule
 *
 * and a fork costs nothing until somebody asks. The log is no longer than what was
 * live at the last fork, and ends with the last child. An ended process is kept, table
 * and all, while a descendant may ask, or may come.
 *
 * Forks are told by WIRE_FORK in the order of events; the child of a fork that nobody
 * told of (the bare system call) is taken to be born at its first event.
 */
#pragma once

#include "cli/base/table.h"
#include "cli/profile/profile.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lineage_block {
	uint64_t size, born_ns;
	bool ignored; /* it is no leak */
};

struct lineage_gone { /* a block that left its process's table */
	struct lineage_block block;
	uint64_t gone_ns;
	uint64_t before; /* the one that left the address before it: index + 1 */
};

struct lineage_fork {	 /* made, its child not heard of yet */
	uint32_t serial; /* the child's to be */
	uint64_t ns;
	struct profile_amount had; /* live at that moment, inherited blocks too */
};

struct lineage {
	struct lineage *parent; /* NULL: it inherits nothing */
	uint64_t fork_ns;
	bool dated; /* its fork was not told of when it began */
	struct profile_amount inherited, freed; /* freed: by itself, of those */
	uint64_t sample;			/* wire_header.sample */
	struct table given; /* address -> when it freed it, + 1; of inherited blocks */
	struct table ignored; /* addresses of inherited blocks that are no leaks */

	/* As a parent. */
	size_t heirs; /* children that may ask */
	uint64_t last_fork_ns;
	struct lineage_fork *forks;
	size_t fork_count, fork_room;
	struct table latest; /* address -> index + 1 of the last that left it */
	struct lineage_gone *gone;
	size_t gone_count, gone_room;
	bool ended;
};

/* How the owner of the tables looks into one: the block at address, left there. */
typedef bool lineage_peek(void *context, const struct lineage *of, uint64_t address,
			  struct lineage_block *ret);

void lineage_done(struct lineage *l);

/* The process forks; live: its own live blocks. 0 or -ENOMEM. */
int lineage_fork(struct lineage *parent, uint32_t serial, uint64_t ns,
		 struct profile_amount live);

/* A child of that serial is there. If its fork was not told of, it is dated ns, and
 * live are the parent's own live blocks now. */
void lineage_begin(struct lineage *child, struct lineage *parent, uint32_t serial,
		   uint64_t ns, struct profile_amount live);

/* Its fork is told of only now: what was dated is corrected. */
void lineage_told(struct lineage *child, uint32_t serial);

/* Nobody told of its fork; at ns, its first event, live are its parent's own blocks. */
void lineage_untold(struct lineage *child, uint64_t ns, struct profile_amount live);

/* Whether blocks that leave this process's table must be logged. */
static inline bool lineage_is_parent(const struct lineage *l)
{
	return l->fork_count || l->heirs;
}

/* A block has left the process's own table. 0 or -ENOMEM. Call where
 * lineage_is_parent(). */
int lineage_gone(struct lineage *l, uint64_t address, const struct lineage_block *b,
		 uint64_t ns);

/* The process frees a block that is none of its own: true if it was inherited, *ret
 * says what it was. */
bool lineage_take(struct lineage *l, uint64_t address, uint64_t ns, lineage_peek *peek,
		  void *context, struct lineage_block *ret);

/* The process says of an address that is none of its own that what it has there of its
 * parents' is no leak. 0 or -ENOMEM. */
int lineage_ignore(struct lineage *l, uint64_t address);

/* It did not free it after all (a realloc that failed). */
void lineage_give_back(struct lineage *l, uint64_t address,
		       const struct lineage_block *b);

/* How the owner of the tables shows all blocks of one: to see(to, ...), site as it has
 * it. */
typedef void lineage_see(void *to, uint64_t address, const struct lineage_block *b,
			 uint32_t site);
typedef void lineage_all(void *context, const struct lineage *of, lineage_see *see,
			 void *to);

/* Calls see() for each block that the process has from those above it, and has not
 * freed; site 0 for those that their own process has freed since. */
void lineage_each(const struct lineage *l, lineage_all *all, void *context,
		  lineage_see *see, void *to);

/* Called for every process that nobody can ask for any more. */
typedef void lineage_release(void *context, struct lineage *l);

/* The process has ended. What can be released now: itself, or ancestors that were kept
 * for it, or nothing while children may come. */
void lineage_end(struct lineage *l, lineage_release *release, void *context);

/* Forks whose child should have come by now are forgotten: those before ns. Then an
 * ended process may be released after all. */
void lineage_expire(struct lineage *l, uint64_t ns, lineage_release *release,
		    void *context);

/* So is one whose child will not come: it executed a program instead. */
void lineage_forget(struct lineage *l, uint32_t serial, lineage_release *release,
		    void *context);

/*
 * members_record.h - how members begin and end to be recorded, and what is said of
 * them then.
 */
#pragma once

#include "cli/collect/members_list.h"

/* An image came under a pid. nested: the pid is a number of some namespace that we know
 * nothing else of. */
void members_came(struct members *m, pid_t pid, bool nested, uint32_t serial);

/* Serial of the last image that came so; 0: none. */
uint32_t members_last_of(const struct members *m, pid_t pid, bool nested);

/* i may be a fork child that was only born so far. 0 or -ENOMEM: i is as it was. */
int members_record(struct members *m, struct member *i, uint32_t slot, uint32_t serial,
		   uint32_t parent, bool fresh);

/* A fork child is one of the recorded from now on. false: there is no memory, and i was
 * dropped: another may be in its place. */
bool members_record_child(struct members *m, struct member *i, uint32_t slot,
			  uint32_t serial, uint32_t parent, uint64_t stamp);
bool members_record_born(struct members *m, struct member *i);

/* The process has ended, or its image was replaced: its last word is counted. i is
 * dropped. */
void members_end_recorded(struct members *m, struct member *i, enum profile_end how,
			  int status);

/* It executed what has not come: the program is a stranger, alive or not; i is dropped
 * if it is not. */
void members_end_unfollowed(struct members *m, struct member *i, bool alive);

/* What a parent was told of a pid's end, once. */
bool members_was_waited(struct members *m, pid_t pid, int *ret_wait_status);

/* Notes an end as of waitpid(). */
void members_know_end(struct engine_process *p, int wait_status);

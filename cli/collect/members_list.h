/*
 * members_list.h - the list behind members.h: who is in it, what the kernel and the
 * slots in shared memory tell of each, and who could not be followed.
 */
#pragma once

#include "cli/base/table.h"
#include "cli/collect/members.h"
#include "cli/collect/pids.h"
#include "cli/collect/roots.h"
#include "cli/collect/strangers.h"

enum member_kind {
	MEMBER_RECORDED,
	MEMBER_BORN,	 /* a fork child without an event so far */
	MEMBER_EXPECTED, /* executes a program, is to shake hands */
	MEMBER_STRANGER, /* could not be followed; listed as such */
};

struct member {
	enum member_kind kind;
	struct engine_process *process; /* if recorded */
	uint32_t serial, parent_serial;
	uint32_t slot;	   /* of wire_process; WIRE_PROCESSES: none */
	pid_t pid;	   /* as we see it */
	pid_t own_pid;	   /* as it sees itself */
	bool nested;	   /* it sees another: it is in a PID namespace of its own */
	bool fresh;	   /* came by handshake */
	bool gone;	   /* it was not there any more when we heard of it */
	bool late;	   /* listed as one that did not come; it still may */
	int pidfd;	   /* -1: none to be had */
	int root;	   /* of members.roots */
	char *program;	   /* owned; of an expected one, or seen to run in its place */
	uint64_t since_ns; /* expected, or seen to execute; 0: not yet */
	uint64_t born_ns;
};

struct members {
	struct recording *memory;
	struct engine *engine;
	struct member *items;
	size_t count, room, recorded;
	struct strangers strangers;
	struct roots roots;
	struct pids pids;
	struct table came; /* (pid, its number is of a namespace) -> serial of its last
			    * image that came */
	struct table nested; /* serial -> 1: its process is in a PID namespace */
	struct table waited; /* pid -> status + 1 that its parent was told; 0: none */
	struct table born;   /* serial -> parent's, of those only born so far */
	uint32_t changes_seen;
	bool any, root_watched;
	pid_t root_pid;
	uint32_t root_serial;
};

/* Who is there: a pid as we see it. */
struct member_who {
	pid_t pid, own_pid;
	bool nested, gone;
};

static inline struct wire_header *members_header(const struct members *m)
{
	return (struct wire_header *)m->memory->base;
}

/* The status that a process said it would end with, or -1. */
int members_own_word(const struct members *m, const struct member *i);

struct member *members_find_pid(struct members *m, pid_t pid);
struct member *members_find_serial(struct members *m, uint32_t serial);

/* A new one; NULL without memory. Others may move. */
struct member *members_add(struct members *m, enum member_kind kind,
			   const struct member_who *who);

/* Takes one off the list: the last one is in its place then. */
void members_drop(struct members *m, struct member *i);

void members_free_slot(struct members *m, uint32_t slot);

/* It executed a program, and was nothing but the way there. */
void members_forget_born(struct members *m, const struct member *i);

/* Who of a line of forks is in the profile: a process that has recorded something. */
uint32_t members_known_above(const struct members *m, uint32_t serial);

/* The nearest process above that is known, by the kernel's word; 0: none. */
uint32_t members_ancestor(struct members *m, pid_t pid);

/* Who a slot speaks of. Until it executes something it has the memory mapped. */
struct member_who members_who(struct members *m, const struct wire_process *p,
			      pid_t pid, uint32_t parent_serial);

/* Of a path that a target wrote; NULL without memory. */
char *members_copy_path(const struct wire_process *p);

/* Takes the program over. */
void members_list_stranger(struct members *m, uint32_t parent, pid_t pid, char *program,
			   enum wire_exec why);

/* What a slot says is executed; NONE also for nonsense. */
enum wire_exec members_exec_of(const struct members *m, const struct member *i);

/*
 * family.h - what a process tells the collector of those that come after it: its fork
 * children, and the programs that it or they execute.
 *
 * A fork child that libc makes has a slot from birth (WIRE_PROCESS_BORN), so that it
 * is known although it never allocates; one made by the bare system call claims its
 * own at its first event. Whoever executes a program leaves a word first: which, and
 * whether it can be followed. What cannot be, or does not come to shake hands, is
 * listed as such: no process of the tree is missing without a reason.
 */
#pragma once

#include "preload/session.h"

/* Whether fork children and programs are followed at all. */
bool family_follows(void);

/* A number for a process to be. */
uint32_t family_serial(void);

/* A slot in `state` about pid, or NULL: all are taken. serial: as handed out before, or
 * 0 for a new one. */
struct wire_process *family_claim(enum wire_process_state state, uint32_t pid,
				  uint32_t serial, uint32_t parent_serial,
				  uint64_t stamp);

/* Tells the collector that slots have changed. */
void family_changed(void);

/* ---- around an exec ------------------------------------------------------ */

struct family_word {
	struct wire_process *slot; /* NULL: nobody to tell */
	bool own;		   /* the process's own slot */
	uint32_t serial;	   /* handed out before the exec */
};

/* Before the program at path is executed by this process, or by a vfork child that is
 * this process so far. Keeps errno, allocates nothing. */
void family_word_exec(struct family_word *w, const char *path, enum wire_exec kind);

/* The exec has failed: nothing was said. */
void family_word_back(const struct family_word *w);

/* Before a program is spawned, and after: pid is the new process's. */
void family_word_spawn(struct family_word *w);
void family_word_spawned(const struct family_word *w, uint32_t pid, const char *path,
			 enum wire_exec kind);

/* This process is about to end with that status, unless a signal kills it first. */
void family_word_exit(int status);

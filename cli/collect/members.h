/*
 * members.h - the processes of a recording: those that are recorded, those that are
 * expected (fork children that have not allocated yet, programs just executed), and
 * those that could not be followed, each with the reason.
 *
 * The recorded come by handshake (members_welcome()) or claim a slot in shared memory;
 * ends are told by pidfds. The list is what the server waits for.
 */
#pragma once

#include "cli/collect/engine.h"
#include "cli/collect/recording.h"

#include <poll.h>
#include <stdbool.h>

struct members;

/* As long as the process lives. root_pid: whose end is told by members_end_root(), or 0.
 * 0 or -ENOMEM. */
int members_open(struct recording *memory, struct engine *engine, pid_t root_pid,
		 struct members **ret);

/* Takes in what targets wrote into their slots. Cheap if nothing changed. */
void members_look(struct members *m);

/* A process has come by handshake; it waits for its answer, so that what the kernel
 * tells of it is of the right program. 0 or -ENOMEM. */
int members_welcome(struct members *m, const struct recording_peer *peer);

/* A process came and was not wanted: it is nobody that is missing. */
void members_unwanted(struct members *m, pid_t pid);

/* The root has ended, with a status as of waitpid(). */
void members_end_root(struct members *m, pid_t pid, int wait_status);

/* The pid, as we see it, of a recorded process; 0 if it has ended. */
pid_t members_pid(const struct members *m, const struct engine_process *p);

/* The root's end is nobody else's to tell any more. */
void members_watch_root(struct members *m);

/* A parent was told how its child ended, as of waitpid(). */
void members_waited(struct members *m, int32_t pid, int32_t wait_status);

/* Everything that is still running is said to be so, and let go. Last of all. */
void members_end_all(struct members *m);

/* Now and then: programs that do not come. */
void members_check(struct members *m, uint64_t now_ns);

/* Whether a thread of a member's is alive, as far as can be told: tid is as the process
 * itself sees it. */
bool members_thread_exists(const struct members *m, pid_t pid, pid_t tid);

/* Processes that are alive: recorded, expected or not followed. */
size_t members_count(const struct members *m);

/* Of them, those that are recorded. */
size_t members_recorded(const struct members *m);

/* Whether there ever was one. */
bool members_had_any(const struct members *m);

/* Serial of the root's image of now, or the last; 0: it never came. */
uint32_t members_root_serial(const struct members *m);

/* Whether it has said that it is about to end of its own will, and has not yet. */
bool members_root_ends(struct members *m);

/* Descriptors to poll for, at most members_count(); then what poll() said of them. */
size_t members_poll(const struct members *m, struct pollfd *fds);
void members_polled(struct members *m, const struct pollfd *fds, size_t n);

/* Resident bytes of the recorded ones. */
uint64_t members_rss(const struct members *m);

/* Where a process finds its files: a path of a folder, or "" for our own root. Into
 * ret, of 64 bytes. */
void members_root_path(const struct members *m, const struct engine_process *p,
		       char *ret, size_t room);

/* Brings the profile's list of those that were not followed up to date. 0, -ENOMEM. */
int members_fill(const struct members *m, struct profile *p);

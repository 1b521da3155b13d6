/*
 * procfs.h - what the kernel tells of a process by /proc.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The arguments as a shell would read them back, NUL-terminated, cut where there is no
 * more room; "" if they cannot be read. */
void procfs_command(pid_t pid, char *ret, size_t room);

/* The executable's path; "" if it cannot be read. */
void procfs_exe(pid_t pid, char *ret, size_t room);

/* Resident bytes as the kernel counts them beside: near enough, and no lock is taken. */
struct procfs_pages {
	uint64_t anonymous, others; /* others: of files, and shared */
};

/* False: they cannot be read. */
bool procfs_pages(pid_t pid, struct procfs_pages *ret);

/* Resident set size in bytes; 0 if it cannot be read. */
uint64_t procfs_rss(pid_t pid);

/* The whole of /proc/PID/smaps, for the caller to free; NULL if it cannot be read, or is
 * beyond reason (64 MiB). */
char *procfs_smaps(pid_t pid);

/* A thread's name as it is now, into name of 16 bytes; false if it is gone. */
bool procfs_thread_name(pid_t pid, pid_t tid, char name[16]);

/* Whether a thread exists. */
bool procfs_thread_exists(pid_t pid, pid_t tid);

/* Whether it, or a namespace that it is in, calls it by that number. */
bool procfs_is_called(pid_t pid, pid_t number);

/* Its parent's pid; 0 if it cannot be read. */
pid_t procfs_parent(pid_t pid);

/* How a process ended, as of waitpid(), though it is nobody's child of ours: from its
 * pidfd once its parent has waited for it (Linux 6.15), from /proc before. False: the
 * kernel does not tell. */
bool procfs_exit_status(pid_t pid, int pidfd, int *ret_wait_status);

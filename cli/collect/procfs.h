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

/* Resident set size in bytes; 0 if it cannot be read. */
uint64_t procfs_rss(pid_t pid);

/* A thread's name as it is now, into name of 16 bytes; false if it is gone. */
bool procfs_thread_name(pid_t pid, pid_t tid, char name[16]);

/* Whether a thread exists. */
bool procfs_thread_exists(pid_t pid, pid_t tid);

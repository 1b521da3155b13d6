/*
 * procfs.h - what the kernel tells of a process by /proc.
 */
#pragma once

#include "cli/profile/profile.h"

#include <sys/types.h>

/* Fills in command and exe. What cannot be read stays "". */
void procfs_describe(pid_t pid, struct profile_process *process, struct strings *strings);

/* Resident set size in bytes; 0 if it cannot be read. */
uint64_t procfs_rss(pid_t pid);

/* A thread's name as it is now, into name of 16 bytes; false if it is gone. */
bool procfs_thread_name(pid_t pid, pid_t tid, char name[16]);

/* Whether a thread exists. */
bool procfs_thread_exists(pid_t pid, pid_t tid);

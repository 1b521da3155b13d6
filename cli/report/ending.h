/*
 * ending.h - how a process ended, in words: for reports, and for who waited for it.
 */
#pragma once

#include "cli/base/units.h"
#include "cli/profile/profile.h"

/* "exited with status 0", "killed by signal 9 (SIGKILL)", "became another program (exec)",
 * "still running when recording ended". */
struct units_text ending_of(const struct profile_process *process);

/* The same of a status as of waitpid(), of a process that has ended. */
struct units_text ending_of_wait(int wait_status);

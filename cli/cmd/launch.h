/*
 * launch.h - a program under a collector: what `run` and `check` share. Speaks to the
 * user itself where something is wrong.
 */
#pragma once

#include "cli/cmd/source_paths.h"
#include "cli/collect/control.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { /* exit codes of our own, as of env(1) and timeout(1) */
       LAUNCH_FAILED = 125,
       LAUNCH_NOT_EXECUTABLE = 126,
       LAUNCH_NOT_FOUND = 127,
};

struct launch_options {
	const char *output; /* NULL: PROG.PID.heapline here */
	bool force;	    /* overwrite it */
	bool free_stacks, lossy;
	uint32_t python; /* as of struct control_config */
	bool no_follow;
	bool own_new; /* as of target_find() */
	bool no_source, debuginfod;
	struct source_paths source_paths;
	const char *only; /* glob, or NULL */
	bool by_program;
	uint64_t delay_ns, duration_ns;
	bool scan_at_exit, scan_at_any_exit;
	uint64_t scan_wait_ns; /* 0: the usual */
	struct control_schedule schedule;
	uint64_t sample;       /* bytes; 0: record everything */
	uint32_t keep;	       /* as of keep_take() */
	bool kernel_clock;     /* even if the processor's counter is steady */
	char *const *argv;     /* the program and its arguments */
	const char *text;      /* our own options as typed, for the profile */
};

enum { LAUNCH_NO_STATUS = -1 };

struct launch_outcome {
	int wait_status; /* of the program, as of waitpid() */
	bool has_result; /* the collector answered */
	int collector_status; /* if it did not, as of waitpid(), or LAUNCH_NO_STATUS */
	struct control_result result;
	pid_t ending; /* a collector that will end by itself; 0: none. See launch_wait() */
	char profile[4096];
};

/* "merged", "only", "native", and what is not said stays. False: it is none of them. */
bool launch_parse_python(const char *text, uint32_t *ret);

/* Runs the program to its end. 0 with *ret filled, to be followed by launch_wait(): until
 * then the signals that would end us are the program's. Else the exit code to leave with:
 * the program was not started, the reason has been said. */
int launch(const struct launch_options *o, struct launch_outcome *ret);

/* Waits until nothing of ours runs any more. (The collector has much memory to give back,
 * and the profile is whole: there is time to read it, and to say what is in it.) */
void launch_wait(struct launch_outcome *done);

/* Leaves as the program left: its status, or its signal. */
int launch_exit(int wait_status);

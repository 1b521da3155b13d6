/*
 * server.h - the collector process: lets targets in, drains their rings until the
 * last of them has ended, writes the profile.
 *
 * One thread does all of it, and sleeps when there is nothing to do; a second one only
 * waits for the bell that producers ring (a futex, which poll() does not know).
 */
#pragma once

#include "cli/collect/control.h"

struct server_options {
	struct control_config config;
	int output;  /* the profile, open for writing; owned */
	int control; /* to the launcher, or -1; owned */
	int listen;  /* where targets connect, or -1; owned */
	int first;   /* a target that is connected already (bare), or -1; owned */
};

/* Runs to the end, the process's too: little is freed. 0, or -errno if it could not even
 * start. */
int server_run(struct server_options *o);

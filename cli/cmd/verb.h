/*
 * verb.h - the verbs of the command line. One file a verb: cmd_VERB.c.
 */
#pragma once

#include <stddef.h>

enum verb_status { /* exit statuses that all verbs share */
	VERB_OK = 0,
	VERB_FAILED = 1,     /* for want of memory, or of room for the output */
	VERB_USAGE = 2,	     /* the command line makes no sense */
	VERB_UNREADABLE = 3, /* the profile does not open */
};

struct verb {
	const char *name;
	const char *summary; /* a clause, for the list of verbs */
	/* argv[0] is the verb's name. Returns the exit status. Must understand
	 * --help. */
	int (*run)(int argc, char **argv);
};

/* All verbs, in the order of the list; ended by a NULL name. */
extern const struct verb verbs[];

/* The verb of that name, or NULL. */
const struct verb *verb_find(const char *name);

/* The verb whose name is most like `name`, or NULL if none is. */
const struct verb *verb_like(const char *name);

int cmd_check(int argc, char **argv);
int cmd_churn(int argc, char **argv);
int cmd_collect(int argc, char **argv);
int cmd_diff(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_help(int argc, char **argv);
int cmd_info(int argc, char **argv);
int cmd_lines(int argc, char **argv);
int cmd_ps(int argc, char **argv);
int cmd_merge(int argc, char **argv);
int cmd_report(int argc, char **argv);
int cmd_run(int argc, char **argv);
int cmd_stop(int argc, char **argv);
int cmd_timeline(int argc, char **argv);
int cmd_top(int argc, char **argv);
int cmd_tree(int argc, char **argv);

/*
 * verb.h - the verbs of the command line. One file a verb: cmd_VERB.c.
 */
#pragma once

#include "cli/cmd/reader.h"

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
	/* What it takes: the one or the other. */
	const struct options_spec *options;
	const struct reader_spec *reader;
};

/* All verbs, in the order of the list; ended by a NULL name. */
extern const struct verb verbs[];

/* The verb of that name, or NULL. */
const struct verb *verb_find(const char *name);

/* The verb whose name is most like `name`, or NULL if none is. */
const struct verb *verb_like(const char *name);

/* What a verb takes; *buffer is filled if need be. */
const struct options_spec *verb_options(const struct verb *verb,
					struct reader_options *buffer);

int cmd_at(int argc, char **argv);
int cmd_backrefs(int argc, char **argv);
int cmd_blocks(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_churn(int argc, char **argv);
int cmd_collect(int argc, char **argv);
int cmd_completion(int argc, char **argv);
int cmd_cycles(int argc, char **argv);
int cmd_diff(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_help(int argc, char **argv);
int cmd_info(int argc, char **argv);
int cmd_leaks(int argc, char **argv);
int cmd_lines(int argc, char **argv);
int cmd_path(int argc, char **argv);
int cmd_ps(int argc, char **argv);
int cmd_merge(int argc, char **argv);
int cmd_refs(int argc, char **argv);
int cmd_report(int argc, char **argv);
int cmd_roots(int argc, char **argv);
int cmd_run(int argc, char **argv);
int cmd_snapshot(int argc, char **argv);
int cmd_stop(int argc, char **argv);
int cmd_symbolize(int argc, char **argv);
int cmd_timeline(int argc, char **argv);
int cmd_top(int argc, char **argv);
int cmd_tree(int argc, char **argv);
int cmd_tui(int argc, char **argv);
int cmd_view(int argc, char **argv);
int cmd_watch(int argc, char **argv);

extern const struct options_spec check_spec;
extern const struct options_spec completion_spec;
extern const struct options_spec doctor_spec;
extern const struct options_spec help_spec;
extern const struct options_spec merge_spec;
extern const struct options_spec ps_spec;
extern const struct options_spec run_spec;
extern const struct options_spec snapshot_spec;
extern const struct options_spec stop_spec;
extern const struct options_spec symbolize_spec;
extern const struct options_spec view_spec;
extern const struct options_spec watch_spec;
extern const struct reader_spec at_spec;
extern const struct reader_spec backrefs_spec;
extern const struct reader_spec blocks_spec;
extern const struct reader_spec churn_spec;
extern const struct reader_spec cycles_spec;
extern const struct reader_spec diff_spec;
extern const struct reader_spec info_spec;
extern const struct reader_spec leaks_spec;
extern const struct reader_spec lines_spec;
extern const struct reader_spec path_spec;
extern const struct reader_spec refs_spec;
extern const struct reader_spec report_spec;
extern const struct reader_spec roots_spec;
extern const struct reader_spec timeline_spec;
extern const struct reader_spec top_spec;
extern const struct reader_spec tree_spec;
extern const struct reader_spec tui_spec;

/*
 * reader.h - what all verbs that read a profile have in common: their options, the
 * choice of the profile, what is said when it does not open, where the report goes.
 *
 *	struct reader r;
 *	int status;
 *
 *	if (!reader_open(&r, &spec, argc, argv, &own, &status))
 *		return status;
 *	return reader_close(&r, lines_text(r.profile, &own.options, r.out));
 */
#pragma once

#include "cli/cmd/options.h"
#include "cli/cmd/source_paths.h"
#include "cli/profile/profile.h"
#include "cli/profile/slice.h"
#include "cli/report/scope.h"
#include "cli/report/text.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct reader_spec {
	const char *verb;
	const char *about; /* what the verb does, a sentence or two */
	const char *sorts; /* the words that --sort takes, for people; NULL: none */
	bool (*sort)(void *own, const char *word); /* false: not one of them */
	const char *sort_words;			   /* the same, apart by spaces */
	const struct option_spec *options; /* beside the common ones; may be NULL */
	options_take *take;		   /* of those */
	const char *counts; /* what -n counts: "functions"; NULL: it is not taken */
	const char *lacks;  /* letters of common options that make no sense, of
			       "pFIdtazTwb" */
	/* Asked when the command line was read: the report goes elsewhere, standard
	 * output gets nothing. NULL: it does not. */
	bool (*silent)(const void *own);
	/* Why --time and the like make no sense, as far as they do not. */
	const char *uncut;
	/* NULL, or a clause on why the verb's own options do not go with these. May be
	 * NULL. */
	const char *(*refuse)(const void *own, const struct slice_options *o);
	bool timeline; /* --time is of the timeline alone */
	/* Parts of sites that the report wants besides those that its options need,
	 * enum profile_dimension. NULL: none. */
	unsigned (*needs)(const void *own);
	/* Profiles that it takes, all named: 2 for `diff A B`. 0: one, and the newest
	 * here if none is named. */
	size_t profiles;
	/* The same where more may be named, as in `report --html FILE A B`; 0: they may
	 * not. And NULL, or a clause on why the verb's own options take one alone. */
	size_t most;
	const char *(*alone)(const void *own);
	/* A first operand of the verb's own, what it is called ("ADDRESS|SITE"); NULL:
	 * none. */
	const char *operand;
	/* Whether options name objects by type: then the operand, if any, is not given.
	 * NULL: none do. */
	bool (*named)(const void *own);
};

/* All that a verb takes, made from its spec. The pointers in it are into itself: it
 * must not be copied. */
struct reader_options {
	struct options_spec spec;
	struct option_spec options[OPTIONS_MOST];
	char letters[OPTIONS_MOST]; /* of common ones, from [own] on */
	size_t own;
	char sort_help[256], count_help[256], usage[64];
};

void reader_options(const struct reader_spec *spec, struct reader_options *ret);

enum {
	READER_PROFILES = 2, /* of a spec, at most */
	READER_SLICES = 4,   /* options that cut them */
};

struct reader_file {
	struct profile *profile;
	char *path;
	char why[256];		  /* what was left out of a damaged profile, or "" */
	const char *source_paths; /* for missing sources, see resolve.h; or NULL */
	const char *wrappers;	  /* what was chosen, see wrappers.h; or NULL */
	pthread_t thread;	  /* of reader_begin(), while reading */
	bool reading;
	bool kept;	     /* it was open, and names are as they should be */
	unsigned dimensions; /* that it is loaded with */
	int err;
};

struct reader {
	struct profile *profile; /* of the first file */
	const char *path;
	struct reader_file files[READER_PROFILES];
	size_t count;	     /* of those */
	const char *operand; /* of a spec that has one */
	struct scope_options scope;
	/* What each profile is cut to, once loaded. An option that is given once counts
	 * for both, one that is given twice for the first and the second. */
	struct slice_options slice[READER_PROFILES];
	unsigned slices[READER_SLICES]; /* how often each was given */
	bool json, bytes, colour;
	size_t limit; /* of -n; 0: none given */
	FILE *out;

	struct text_pager pager;
	bool no_pager;
	struct source_paths source_paths;
	const char *wrappers;
	regex_t focus, ignore;
	bool has_focus, has_ignore;
};

/* Reads the command line and the profile, and opens the output. false: there is
 * nothing to report; messages, or help, are written and *ret_status is the exit
 * status. */
bool reader_open(struct reader *r, const struct reader_spec *spec, int argc,
		 char **argv, void *own, int *ret_status);

/* Ends the output, says what went wrong, frees everything. result: of the report, 0 or
 * -errno. Returns the exit status. */
int reader_close(struct reader *r, int result);

/* Sets f->path: the one named, or the newest profile here if that is NULL. -1, or the
 * exit status of a failure. */
int reader_choose(struct reader_file *f, const char *named);

/* From now on this process has f->path open already: the next reader of that path gets
 * its profile as it is, once, and f has it no more. For processes that answer one
 * question and end. */
void reader_keep(struct reader_file *f);
void reader_drop_kept(void);

/* Reads f->path, with what sites have by these dimensions, and says what is wrong or
 * was left out. -1, or the exit status of a failure. */
int reader_read(struct reader_file *f, unsigned dimensions);

/* Reads f->path, resolves names if its collector could not, and says what is wrong or
 * was left out. -1, or the exit status of a failure. */
int reader_load(struct reader_file *f, unsigned dimensions);

/* The same in two steps: reader_begin() has a thread read f->path meanwhile, if one can
 * be had; reader_end() says what came of it, and returns as reader_load(). f stays
 * where it is until then. */
void reader_begin(struct reader_file *f, unsigned dimensions);
int reader_end(struct reader_file *f);

void reader_unload(struct reader_file *f); /* frees path too */

/* Compiles an extended regular expression into *ret. NULL, or a clause (static until
 * the next call) on what is wrong. */
const char *reader_regex(const char *pattern, regex_t *ret);

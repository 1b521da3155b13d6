/*
 * options.h - what a verb takes on its command line, in one table: the parser, the
 * help, the completions of shells and the tests of the man pages go by it.
 */
#pragma once

#include <stddef.h>
#include <stdio.h>

struct option_spec {
	const char *name;     /* long, without dashes; NULL: there is a letter alone */
	const char *argument; /* what its value is called; NULL: it takes none */
	const char *help;     /* a clause or a few */
	const char *words;    /* the values, apart by spaces; NULL: any */
	char letter;	      /* short; 0: there is none */
};

enum options_operands { /* what a verb takes beside options, for completions */
			OPTIONS_NOTHING = 0,
			OPTIONS_PROFILES,
			OPTIONS_COMMAND, /* the options end at its first word */
			OPTIONS_RECORDINGS,
			OPTIONS_VERB,
			OPTIONS_WORDS, /* those of operand_words */
};

enum {
	OPTIONS_MOST = 64, /* options of a verb */
};

struct options_spec {
	const char *usage;		   /* the operands: "[PROFILE]" */
	const char *about;		   /* what the verb does, in a few lines */
	const struct option_spec *options; /* the last has neither name nor letter */
	const char *notes; /* below the options, in whole lines: exit statuses; NULL */
	enum options_operands operands;
	const char *operand_words;
	/* Why options that cut a recording make no sense here; NULL: no more is said of
	 * them than of any word. */
	const char *refused;
	int wrong; /* exit status for a wrong command line */
};

static inline int options_end(const struct option_spec *o)
{
	return !o->name && !o->letter;
}

/* Takes one option, options[i]. value is NULL if it has no argument; it stays valid.
 * NULL, or a clause on what is wrong with the value. */
typedef const char *options_take(void *own, size_t i, const char *value);

/* Reads the options of argv[1..]; -h and --help are understood beside those in the
 * table. -1: go on, with optind at the first operand; else the exit status, after the
 * help or a message. */
int options_parse(const char *verb, const struct options_spec *spec, int argc,
		  char **argv, options_take *take, void *own);

/* Says what is wrong with a command line. Returns spec->wrong. */
int options_wrong(const char *verb, const struct options_spec *spec, const char *what,
		  const char *word, const char *why);

void options_help(const char *verb, const struct options_spec *spec, FILE *out);

/* The option of every verb that options_parse() adds: help. */
extern const struct option_spec options_common;

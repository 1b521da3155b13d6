/*
 * info.h - what a profile is, rather than what its program did: where it comes from,
 * what is in it, what its file is made of, and what is missing.
 */
#pragma once

#include "cli/profile/parts.h"
#include "cli/profile/profile.h"

#include <stdbool.h>
#include <stdio.h>

enum {
	INFO_LIMIT = 20, /* processes, threads, modules and files listed each */
	INFO_SCHEMA = 1, /* of the JSON: grows with changes that break scripts */
	INFO_NOTES = 32,
};

struct info_options {
	const char *path;		   /* of the profile */
	const char *why;		   /* what was left out of it, or "" */
	const struct profile_parts *parts; /* NULL: not a regular file */
	/* What each bit of profile_process.notes says; NULL where nothing. */
	const char *notes[INFO_NOTES];
	size_t limit; /* 0: INFO_LIMIT; of JSON: all */
	bool bytes, colour;
};

/* How much of a module's code, of that on stacks, has names. */
struct info_module {
	size_t nodes, named, lined; /* of the stack tree */
};

/* Source files by what the profile has of them. */
enum info_file {
	INFO_FILE_NAMED = 1u << 0,    /* a frame is in it */
	INFO_FILE_OWN = 1u << 1,      /* the program's own code */
	INFO_FILE_EMBEDDED = 1u << 2, /* lines of it are in the profile */
};

struct info {
	struct info_module *modules;	   /* by index + 1; [0]: code in no module */
	unsigned char *files;		   /* by string: enum info_file */
	size_t embedded, missing, outside; /* files: own or not with lines; own without;
					    * others' without */
	uint64_t source_bytes;
};

/* 0 or -ENOMEM; info_done() in any case. */
int info_of(const struct profile *p, struct info *ret);
void info_done(struct info *info);

/* Write the report: 0 or -ENOMEM. */
int info_text(const struct profile *p, const struct info_options *o, FILE *out);
int info_json(const struct profile *p, const struct info_options *o, FILE *out);

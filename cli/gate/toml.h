/*
 * toml.h - the part of TOML that gate files and suppressions are written in, read
 * strictly: whatever it does not understand is an error with its line.
 *
 *	# a comment
 *	name = "text"		basic strings (\" \\ \t \n \uXXXX) and 'literal' ones
 *	name = 12		whole numbers (with _), true, false, dates 2027-01-31
 *	name = ["a", "b",]	lists of strings, over several lines if need be
 *	"any name" = ...
 *	[table]
 *	[[list-of-tables]]
 *
 * Not understood: dotted names, inline tables, lists of other things, multi-line
 * strings, fractions, times. A name stands once in a table, a [table] once in a file.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum toml_limit {
	TOML_BYTES = 1 << 20, /* of a file */
	TOML_LINE = 4096,     /* bytes */
	TOML_NAMES = 256,     /* of one table */
	TOML_TABLES = 8192,
};

enum toml_kind { TOML_STRING, TOML_NUMBER, TOML_BOOL, TOML_DATE, TOML_LIST };

struct toml_value {
	enum toml_kind kind;
	const char *text;     /* TOML_STRING */
	uint64_t number;      /* TOML_NUMBER; TOML_BOOL; TOML_DATE: YYYYMMDD */
	const char **strings; /* TOML_LIST, count of them */
	size_t count;
};

struct toml_entry {
	const char *table; /* "": before the first; as in [table] */
	uint32_t serial;   /* of the table's heading, in order; 0: before the first */
	const char *name;
	struct toml_value value;
	unsigned line;
};

struct toml_table { /* a heading; entries refer to it by serial - 1 */
	const char *name;
	bool list; /* [[name]] */
	unsigned line;
};

struct toml {
	struct toml_entry *entries; /* in the order of the file */
	size_t count, room;
	struct toml_table *tables;
	size_t table_count, table_room;
	char **owned; /* all texts, and lists */
	size_t owned_count, owned_room;
};

/* Reads len bytes. 0; -EINVAL with a clause in why and *ret_line; -ENOMEM. toml_done()
 * in any case. */
int toml_parse(struct toml *t, const char *text, size_t len, char *why, size_t room,
	       unsigned *ret_line);
void toml_done(struct toml *t);

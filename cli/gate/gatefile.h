/*
 * gatefile.h - `.heapline.toml`, the gate of a repository in a file:
 *
 *	fail-on = ["definite", "cycle", "indirect"]
 *	max-leaked = "4K"
 *	max-peak = ["64M", "parse_*=4M"]
 *	suppressions = "tests/known.supp"
 *	baseline = "tests/leaks.baseline"
 *
 *	[[suppression]]
 *	...
 *
 * A name in front of the tables is an option of `check`, with the value that the option
 * takes: a string, a number or a list of them; true for an option without a value.
 * [[suppression]]s are suppress.h's. Anything else is an error.
 */
#pragma once

#include "cli/gate/toml.h"

#include <stdbool.h>

#define GATEFILE_NAME ".heapline.toml" /* looked for in the current directory */

/* Reads and checks a file. 0; -EINVAL with "FILE:LINE: what is wrong" in why; -errno of
 * reading it; -ENOMEM. toml_done() in any case. */
int gatefile_read(struct toml *t, const char *path, char *why, size_t room);

/* Checks what toml_parse() read. 0, or -EINVAL as above, without the file. */
int gatefile_check(const struct toml *t, char *why, size_t room, unsigned *ret_line);

/* Calls give() for each value of an entry in front of the tables, as text, or NULL for
 * true. 0, or what give() returned that is not 0. */
int gatefile_values(const struct toml_entry *e,
		    int (*give)(void *context, const char *value), void *context);

/* Whether the values are names of files, which are relative to the gate file's folder.
 */
bool gatefile_is_path(const char *name);

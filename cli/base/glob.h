/*
 * glob.h - names matched by patterns that somebody else wrote.
 *
 * Never exponential: a pattern's pieces between its stars are looked for one after the
 * other, each once. That takes time linear in the text for pieces without '?', and
 * text times piece for those that have one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum glob_kind {
	GLOB_WHOLE,  /* the whole text: * any characters, ? any one */
	GLOB_INSIDE, /* a part of it: * any characters, ^ first: at the text's start, $:
		      * at its end (what follows the $ does not count) */
};

struct glob {
	char *text; /* owned; the pattern for a whole text */
	size_t len;
	bool question; /* '?' is any one character */
};

/* 0, -EINVAL (it would match any text whatever, or no text), -ENOMEM. */
int glob_init(struct glob *g, enum glob_kind kind, const char *pattern, size_t len);
void glob_done(struct glob *g);

bool glob_match(const struct glob *g, const char *text);

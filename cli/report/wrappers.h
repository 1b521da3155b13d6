/*
 * wrappers.h - functions that allocate for whoever calls them, as xmalloc(), a string's
 * copy, or an allocator's own method: what they return is named after their callers.
 *
 * A function is one of them
 *
 *	by its name	that ends in an allocator's, whatever is in front: xmalloc,
 *			g_strdup, sqlite3Malloc, av_mallocz, Pool::allocate, operator
 *			new; a test of such a thing (test_malloc) is none
 *	by its calls	one line of it asks for WRAPPER_SIZES sizes at least, the
 *			greatest WRAPPER_SPREAD times the least, for WRAPPER_CALLERS
 *			other functions: so they say how much. One that always asks for the
 *			same, as node_new(), is none however many call it
 *	by choice	the user says so, and may say that one is none
 *
 * By name and by calls only if nearly all stacks that it is on end in it, with nothing
 * further in than the allocator or other such functions; and if somebody of the same
 * owner (frames.h) called it. Its frames then count as the allocator's (FRAMES_BASE)
 * where a report asks whose a block is. Stacks show them as ever, and they have part in
 * fingerprints and suppressions as ever.
 */
#pragma once

#include "cli/base/json.h"
#include "cli/profile/profile.h"

#include <stdbool.h>
#include <stdio.h>

enum wrapper_why { /* of profile.wrappers, by a function's name */
		   WRAPPER_NONE = 0,
		   WRAPPER_BY_NAME,
		   WRAPPER_BY_CALLS,
		   WRAPPER_BY_CHOICE,
		   WRAPPER_WHYS
};

enum wrapper_limit {
	WRAPPER_CALLERS = 8,
	WRAPPER_SIZES = 8,
	WRAPPER_SPREAD = 8,
	WRAPPER_WORDS = 64, /* of a choice */
};

/* Finds them by names and calls in the whole profile and marks them. choice: words with
 * commas between: a name with * and ? is one too, with - in front it is none, `none`
 * alone leaves out all but those that the others name; NULL: nothing is chosen. 0,
 * -ENOMEM, -EINVAL: a word is no pattern, wrappers_choice() says why. */
int wrappers_find(struct profile *p, const char *choice);

/* NULL, or a clause on what is wrong with a choice. */
const char *wrappers_choice(const char *choice);

/* What is one in either of two profiles is one in both: sites have the same names. */
void wrappers_share(struct profile *a, struct profile *b);

/* Whether a function, by the number of its name, is one; and why. */
static inline enum wrapper_why wrappers_why(const struct profile *p, uint32_t function)
{
	return function < p->wrapper_count ? (enum wrapper_why)p->wrappers[function]
					   : WRAPPER_NONE;
}

/* Says in a line which they are; nothing if there are none. */
void wrappers_text(const struct profile *p, FILE *out);

/* "wrappers": [{"function": "xmalloc", "by": "name"}], of an object begun. */
void wrappers_json(const struct profile *p, struct json *j);

/* Whether a function, by its name without arguments, is called as an allocator is. */
bool wrappers_is_name(const char *name);

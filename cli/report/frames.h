/*
 * frames.h - a stack of the profile as people read it: one frame a function, inlined
 * ones too, and whose code each is.
 */
#pragma once

#include "cli/profile/profile.h"

/* A walk from the innermost frame outwards. */
struct frames_walk {
	const struct profile *profile;
	uint32_t stack; /* node; 0: at the root, nothing more */
	uint32_t inline_depth;
};

struct frames_frame {
	const struct profile_frame *code; /* NULL: nothing is known of the pc */
	const struct profile_stack *stack;
};

static inline struct frames_walk frames_of(const struct profile *p, uint32_t stack)
{
	return (struct frames_walk){.profile = p, .stack = stack};
}

/* The next frame. false: there is no more. */
bool frames_next(struct frames_walk *walk, struct frames_frame *ret);

/* Path of the module that a node's code is in; "" for none. */
const char *frames_module(const struct profile *p, const struct profile_stack *stack);

/* Whether a module (index + 1) is the one that Python frames are in. */
bool frames_is_python(const struct profile *p, uint32_t module);

/* Last part of a path. */
const char *frames_base(const char *path);

/* What to call a frame: its function, "libz.so.1+0x1234", "0x7f...", or why frames
 * are missing. Raw: show it through text_put(). The result is within the profile or
 * in buffer. */
const char *frames_name(const struct profile *p, const struct frames_frame *frame,
			char *buffer, size_t room);

/* Function names that are long enough for a listing, without arguments and template
 * arguments: "std::vector<...>::push_back". */
const char *frames_short_name(const char *name, char *buffer, size_t room);

enum frames_owner {
	FRAMES_OWN,	/* the program's own code, as far as paths tell */
	FRAMES_LIBRARY, /* somebody else's */
	FRAMES_BASE, /* missing frames, or libc, the loader, a language's runtime: they
		      * allocate for others
		      */
};

/* Answers whose code a frame is; remembers what it found for each file and module. */
struct frames_owners;

/* NULL without memory. Free with frames_owners_close(). */
struct frames_owners *frames_owners_open(const struct profile *p);
void frames_owners_close(struct frames_owners *o);

static inline void frames_owners_closep(struct frames_owners **o)
{
	frames_owners_close(*o);
}

/* Whether a node's code is in the executable, or in a library that no system brought
 * along. */
bool frames_own_module(struct frames_owners *o, const struct profile_stack *stack);

/* The program's own is what has line information and whose source and module are in
 * none of the system's folders; the executable may be anywhere. Of Python, scripts and
 * modules are own that are neither installed nor part of the interpreter, wherever that
 * is. Where there are Python frames, the interpreter's own functions allocate for them.
 */
enum frames_owner frames_whose(struct frames_owners *o,
			       const struct frames_frame *frame);

/* The same for who asks whose the blocks are: functions that allocate for their callers
 * (wrappers.h), if they were looked for, are the base's. */
enum frames_owner frames_owner(struct frames_owners *o,
			       const struct frames_frame *frame);

/* The frame to show for an allocation: the program's own, else a library's, else
 * whatever is there. false: there is none. */
bool frames_chief(struct frames_owners *o, uint32_t stack, struct frames_frame *ret);

/* "insert (table.c:12)" of it. Raw, for text_put(). Returns the buffer. */
const char *frames_site(struct frames_owners *o, uint32_t stack, char *buffer,
			size_t room);

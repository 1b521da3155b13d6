/*
 * fingerprint.h - what an allocation stack is called across builds: a number, and the
 * names that it is made of.
 *
 * It is made of functions and of modules' base names alone, innermost first. No
 * address, line or path takes part, nor what compilers number and rename:
 *
 *	{lambda(int)#2}, $_0, {closure#1}	the number, and a lambda's arguments
 *	f.cold, f.part.0, f.isra.1, [clone ...]	the suffix; [abi:cxx11], __cxx11::,
 *						__1::
 *	f::h0123456789abcdef			Rust's hash; of a test's file name too
 *	libfoo.so.1.2				what is behind .so
 *
 * Of frames of libc, the loader and C++'s runtime in a row, the one that was called is
 * left; what called main() or a thread's first function is out. Recursion counts once.
 * Code without a name stands for its module. FINGERPRINT_FRAMES are enough.
 */
#pragma once

#include "cli/profile/profile.h"

enum { FINGERPRINT_FRAMES = 12 };

struct fingerprint {
	uint64_t hash; /* never 0 */
	unsigned count;
	struct fingerprint_frame {
		const char *function; /* "": has no name. Raw, as is module */
		const char *module;   /* "": none */
	} frames[FINGERPRINT_FRAMES];
};

struct fingerprints; /* remembers the names of one profile */

/* NULL without memory. */
struct fingerprints *fingerprints_open(const struct profile *p);
void fingerprints_close(struct fingerprints *f);

static inline void fingerprints_closep(struct fingerprints **f)
{
	fingerprints_close(*f);
}

/* 0 or -ENOMEM. The names live as long as f. */
int fingerprint_of(struct fingerprints *f, uint32_t stack, struct fingerprint *ret);

/* "push (libq.so) < work < main (demo)": a few frames, without arguments, fit for a
 * line of a text file. Returns the buffer. */
const char *fingerprint_where(const struct fingerprint *f, char *buffer, size_t room);

/* A function's name without what differs from build to build, for the caller to free;
 * NULL without memory. libc: its aliases' underscores go as well. */
char *fingerprint_name(const char *function, bool libc);

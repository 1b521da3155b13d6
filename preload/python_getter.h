/*
 * python_getter.h - the word that a function of a few instructions reads.
 *
 * Whose thread has the interpreter's lock, and whether it is being taken down, is asked
 * for at every event; the functions that say so do nothing but load a word of the
 * interpreter's data. Where all of a function's instructions are known, that word can be
 * read in its place, which is the same by construction and saves a call. Any other
 * instruction, and any other machine than x86-64: not known, and the function is called.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { PYTHON_GETTER_BYTES = 32 }; /* of a function's code that are looked at */

/* The word that the function at `code` returns, or of which it says whether it is 0
 * (is_test); runtime: the interpreter's data, through a pointer to which it may read.
 * NULL: not known. */
const uintptr_t *python_getter_word(const unsigned char *code, uintptr_t runtime,
				    bool is_test);

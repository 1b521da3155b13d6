/*
 * utf8.h - characters out of bytes that nobody vouches for.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Reads the character at *text, which is not at its NUL, and moves *text behind it.
 * false: no well-formed UTF-8 there (overlong forms and surrogates are not); *text
 * then moves by one byte, which is put into *ret. */
bool utf8_next(const char **text, uint32_t *ret);

/* Whether a terminal, or a reader's eye, could be misled by a character: controls (C0,
 * DEL, C1), line and paragraph separators, bidirectional overrides and other marks
 * that have no width of their own. */
bool utf8_unsafe(uint32_t character);

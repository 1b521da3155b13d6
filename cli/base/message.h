/*
 * message.h - what heapline says to people, on standard error. Verbs only: modules
 * return -errno and let the verb that called them find the words.
 */
#pragma once

#include <stdbool.h>

/* "error: what went wrong and why". */
void message_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* "note: what matters besides". Silent after message_quiet(). */
void message_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* "help: what to do about it". */
void message_help(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* No notes from now on. */
void message_quiet(void);
bool message_is_quiet(void);

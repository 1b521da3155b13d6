/*
 * lsan.h - lost blocks in the text that LeakSanitizer writes, for tools that read that:
 * what leads is a direct leak, what lost blocks hold an indirect one. Of other kinds it
 * says nothing, and nothing at all if nothing is lost.
 */
#pragma once

#include "cli/report/leaks.h"

/* 0 or -ENOMEM. */
int lsan_text(const struct leaks *l, FILE *out);

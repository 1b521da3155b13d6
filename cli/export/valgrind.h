/*
 * valgrind.h - leaks in Valgrind's XML (protocol 4, of its tool memcheck), for what
 * reads that. A document is of one process. Its four kinds of leak take in ours: what
 * leads is definitely lost; frames left by the exit make a block possibly lost; kinds
 * beside (young, runtime, inherited, suppressed, unscanned) are left out.
 */
#pragma once

#include "cli/report/leaks.h"

/* process: index into the profile's. */
void valgrind_xml(const struct leaks *l, uint32_t process, FILE *out);

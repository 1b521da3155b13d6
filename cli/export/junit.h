/*
 * junit.h - a gate's outcome as a suite of JUnit's XML: that everything was looked at
 * is one test, each limit one, and each leak that fails one more.
 */
#pragma once

#include "cli/export/outcome.h"

enum { JUNIT_FRAMES = 64 }; /* of a stack */

void junit_write(const struct outcome *o, FILE *out);

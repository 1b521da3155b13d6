/*
 * gate_words.h - what is said of suppressions and baselines beside the verdict.
 */
#pragma once

#include "cli/gate/baseline.h"
#include "cli/gate/suppress.h"

/* What rules hid, and which of them expired, hid too much or hid nothing (an error, if
 * that fails). */
void gate_say_rules(const struct suppress *s, bool unused_fail);

void gate_say_baseline(const char *path, const struct baseline *was,
		       const struct baseline *now);

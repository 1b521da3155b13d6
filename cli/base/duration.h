/*
 * duration.h - times as people type them.
 */
#pragma once

#include <stdint.h>

/* "2", "1.5s", "200ms", "3m", "1h": seconds unless a unit says otherwise. 0 with
 * *ret_ns, or -EINVAL: no number, negative, an unknown unit, or over 100 years. */
int duration_parse(const char *text, uint64_t *ret_ns);

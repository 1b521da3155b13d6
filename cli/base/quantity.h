/*
 * quantity.h - times and sizes as people type them.
 */
#pragma once

#include <stdint.h>

/* "2", "1.5s", "200ms", "3m", "1h": seconds unless a unit says otherwise. 0 with
 * *ret_ns, or -EINVAL: no number, negative, an unknown unit, or over 100 years. */
int quantity_parse_duration(const char *text, uint64_t *ret_ns);

/* "4096", "64K", "1.5M", "2GiB", "10 MB": bytes, units are powers of 1024. 0 with
 * *ret_bytes, or -EINVAL: no number, negative, an unknown unit, or over 2^60. */
int quantity_parse_size(const char *text, uint64_t *ret_bytes);

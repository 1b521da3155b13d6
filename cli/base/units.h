/*
 * units.h - amounts for people. Each returns a small text by value:
 *
 *	printf("%s\n", units_mib(bytes).text);
 */
#pragma once

#include <stdint.h>

struct units_text {
	char text[40];
};

/* "152.6 MiB", "-152.6 MiB"; never "-0.0 MiB". */
struct units_text units_mib(int64_t bytes);

/* In the unit that fits: "512 B", "4.0 KiB", "152.6 MiB", "1.5 GiB". */
struct units_text units_size(uint64_t bytes);

/* "168,000,000". */
struct units_text units_count(uint64_t count);

/* "37 ns", "1.2 ms", "0.350 s", "12.3 s", "2 min 3 s", "5 h 12 min". */
struct units_text units_duration(uint64_t ns);

/* "12.3 %" of whole; "0.0 %" of nothing. */
struct units_text units_percent(uint64_t part, uint64_t whole);

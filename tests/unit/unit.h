/*
 * unit.h - what every unit test includes: cmocka, in the order that it wants, and how
 * much of a thing is enough.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdlib.h>

#ifndef assert_uint_in_range /* cmocka 1 has one of that meaning */
#define assert_uint_in_range assert_in_range
#endif

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define UNIT_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define UNIT_SANITIZED 1
#endif
#endif

/* Repetitions of what is tried at random: a quarter where each takes ten times as long,
 * or HEAPLINE_ROUNDS percent. */
static inline int unit_rounds(int all)
{
	const char *percent = getenv("HEAPLINE_ROUNDS");
#ifdef UNIT_SANITIZED
	const int share = 25;
#else
	const int share = 100;
#endif

	return (int)((long long)all * (percent ? atoi(percent) : share) / 100) + 1;
}

/* Whether number n of a list of long compilations is tried: each by gcc's plain build,
 * a third by the others, as the compilers' work is the same; HEAPLINE_ROUNDS: all. */
static inline bool unit_compiles(size_t n)
{
#if defined(UNIT_SANITIZED) || defined(__clang__)
	return n % 3 == 0 || getenv("HEAPLINE_ROUNDS");
#else
	(void)n;
	return true;
#endif
}

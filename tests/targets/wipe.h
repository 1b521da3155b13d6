/*
 * wipe.h - for programs that lose blocks, or hold them from one place each: calls whose
 * frames lie where others did, so that no word of those stays.
 */
#pragma once

#include <stddef.h>

static __attribute__((noinline)) void wipe(void)
{
	volatile char room[16384];

	for (size_t i = 0; i < sizeof(room); i++)
		room[i] = 0;
}

/* several.h - what the files and the library of several.c share. */
#pragma once

#include <stdlib.h>

__attribute__((noinline)) static void *several_new(size_t bytes)
{
	return malloc(bytes);
}

void *part_new(void);
void *library_new(void);

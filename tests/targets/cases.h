/*
 * cases.h - what the programs with known leaks share: each is a list of cases, one of
 * which is run by its name. tests/e2e/leak_cases.py knows what is true of each.
 *
 * Blocks of a case are those allocated with a function case_...() on the stack.
 */
#pragma once

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifdef __clang__
#define NOINLINE __attribute__((noinline))
#else
#define NOINLINE __attribute__((noinline, noclone))
#endif

struct leak_case {
	const char *name;
	void (*run)(void);
};

/* A block without anything in it that looks like a pointer. */
static NOINLINE __attribute__((unused)) void *take(size_t size)
{
	void *block = malloc(size);

	memset(block, 1, size);
	return block;
}

/* Over what the calls before have left on the stack and in registers. */
static NOINLINE void wipe(void)
{
	volatile char room[64 << 10];

	for (size_t i = 0; i < sizeof(room); i++)
		room[i] = 0;
	__asm__ volatile("xor %%eax, %%eax\n\txor %%ecx, %%ecx\n\txor %%edx, %%edx\n\t"
			 "xor %%esi, %%esi\n\txor %%edi, %%edi\n\txor %%r8d, %%r8d\n\t"
			 "xor %%r9d, %%r9d\n\txor %%r10d, %%r10d\n\t"
			 "xor %%r11d, %%r11d\n\tpxor %%xmm0, %%xmm0\n\t"
			 "pxor %%xmm1, %%xmm1\n\tpxor %%xmm2, %%xmm2\n\t"
			 "pxor %%xmm3, %%xmm3" ::
				 : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10",
				   "r11", "xmm0", "xmm1", "xmm2", "xmm3");
}

static inline int cases_main(const struct leak_case *cases, int argc, char **argv)
{
	for (; cases->name; cases++)
		if (argc > 1 && !strcmp(cases->name, argv[1])) {
			cases->run();
			wipe();
			return 0;
		}
	return 2;
}

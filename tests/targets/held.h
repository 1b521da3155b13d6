/*
 * held.h - for programs whose blocks are held from one place each, and are looked at
 * while a thread rests.
 */
#pragma once

#include "tests/targets/wipe.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline))

static pthread_barrier_t ready;
static volatile bool stop; /* never */

/* A block that is called so: prints "NAME ADDRESS". */
static NOINLINE void *make(const char *name, size_t size)
{
	void *p = malloc(size);

	memset(p, 1, size);
	printf("%s 0x%lx\n", name, (unsigned long)p);
	return p;
}

/* libc's pause(), but that it leaves its caller's registers in the registers: from
 * glibc 2.41 on that saves some on the stack. */
static inline void pause_plainly(void)
{
#ifdef __x86_64__
	long r = SYS_pause;

	__asm__ volatile("syscall" : "+a"(r) : : "rcx", "r11", "memory");
#else
	pause();
#endif
}

static NOINLINE void rest(void)
{
	wipe();
	pthread_barrier_wait(&ready);
	while (!stop)
		pause_plainly();
}

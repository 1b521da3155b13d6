/*
 * moments.c - does one thing after the other, in step with the recording: what is
 * recorded from when to when.
 *
 *	moments [on|off]...	early() keeps 1,001 bytes at once; steady() allocates
 *				and frees 2,002 bytes every few ms until heapline is
 *				on, off, ...; late() frees early()'s block and keeps
 *				3,003 bytes. Status 7, or 8 where the recording changed
 *				earlier than it should, and proves nothing.
 */
#include "preload/heapline.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LATE = 8, PATIENCE = 60000 /* pairs of 2 ms */ };

static void *volatile kept[2];
static void *volatile passing;

static bool is_on(void)
{
	return heapline_recording && heapline_recording();
}

__attribute__((noinline)) static void early(void)
{
	kept[0] = malloc(1001);
}

/* One pair after the change at least, and one before it. */
__attribute__((noinline)) static void steady(bool until)
{
	for (int i = 0; i < PATIENCE; i++) {
		bool changed = is_on() == until;

		passing = malloc(2002);
		free(passing);
		if (changed)
			return;
		if (!i && is_on() == until)
			exit(LATE);
		usleep(2000);
	}
}

__attribute__((noinline)) static void late(void)
{
	free(kept[0]);
	kept[1] = malloc(3003);
}

int main(int argc, char **argv)
{
	early();
	for (int i = 1; i < argc; i++) {
		bool until = !strcmp(argv[i], "on");

		if (is_on() == until)
			return LATE;
		steady(until);
	}
	late();
	return 7;
}

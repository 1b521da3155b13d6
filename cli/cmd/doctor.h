/*
 * doctor.h - what `heapline doctor` finds: one finding a fact, with its cause and a
 * remedy where something is wrong.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum doctor_level {
	DOCTOR_OK = 0,
	DOCTOR_WARNING, /* recording works, but for a part, or less well */
	DOCTOR_PROBLEM, /* recording does not work */
	DOCTOR_LEVELS
};

struct doctor_finding {
	enum doctor_level level;
	const char *topic; /* a word */
	char text[1024];   /* raw: names of files may be in it */
	char remedy[512];  /* "" for none */
};

struct doctor {
	struct doctor_finding *items;
	size_t count, room;
	bool failed; /* without memory: findings are missing */
};

void doctor_done(struct doctor *d);

/* Adds a finding; remedy may be NULL. */
void doctor_add(struct doctor *d, enum doctor_level level, const char *topic,
		const char *remedy, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

/* The checks. */
void doctor_system(struct doctor *d);  /* kernel, limits, room, environment */
void doctor_install(struct doctor *d); /* the shim, libc */
void doctor_program(struct doctor *d, const char *name);
void doctor_record(struct doctor *d); /* tries it */

/* What is recorded to try it: allocations that are known in advance. */
int doctor_probe(void);

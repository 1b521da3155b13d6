/*
 * suppress.h - leaks that are known and not to be told: rules from files in three
 * formats, and a built-in list, as one list. The first rule that matches counts.
 *
 * A rule is a row of frames, innermost first, that an allocation stack must begin with;
 * "..." stands for any frames, and outer ones do not matter.
 *
 *	LeakSanitizer's	leak:PATTERN: any frame whose function, source or module has a
 *			part that matches (glob.h, GLOB_INSIDE)
 *	Valgrind's	{ name / Memcheck:Leak / match-leak-kinds: / fun: obj: src: ... };
 *			what is of other tools and errors is left out. Names match whole,
 *			with * and ?. A function's name is the linker's, or the one in
 *			the source. A frame of malloc in front is met by any allocation
 *	heapline's	[[suppression]] in TOML (toml.h): stack = [...], of frames as
 *			Valgrind's and "fun:NAME in MODULE", or match = "..." as
 *			LeakSanitizer's; reason; and, if wanted, name, kinds, expires,
 *			max-blocks, max-bytes
 *
 * A rule that has expired, or that would hide more than its maximum, hides nothing.
 */
#pragma once

#include "cli/base/glob.h"
#include "cli/gate/toml.h"
#include "cli/report/findings.h"
#include "cli/report/frames.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum suppress_limit {
	SUPPRESS_BYTES = 4 << 20, /* of a file */
	SUPPRESS_LINE = 4096,
	SUPPRESS_FRAMES = 64, /* of a rule */
	SUPPRESS_RULES = 10000,
};

enum suppress_role {
	SUPPRESS_FUNCTION,
	SUPPRESS_MODULE,
	SUPPRESS_SOURCE,
	SUPPRESS_ROLES,
	SUPPRESS_ANYTHING = SUPPRESS_ROLES, /* a pattern for any of the three */
};

struct suppress_pattern {
	enum suppress_role role;
	struct glob glob;
	uint32_t line; /* of SUPPRESS_SOURCE; 0: any */
};

enum { SUPPRESS_NONE = UINT32_MAX };

struct suppress_frame {
	bool dots;	  /* any frames */
	uint32_t pattern; /* SUPPRESS_NONE: any one frame */
	uint32_t module;  /* a second pattern that the same frame must match, or NONE */
};

struct suppress_rule {
	const char *name, *file, *reason; /* reason: "" if it has none */
	unsigned line;
	uint32_t kinds;			/* bits of enum leak_kind */
	uint32_t expires;		/* YYYYMMDD, the last day; 0: never */
	uint64_t max_blocks, max_bytes; /* UINT64_MAX: any */
	uint32_t first, count;		/* frames */
	bool builtin, expired, exceeded;

	/* What it did, of suppress_tally(). Of one that has expired or is exceeded:
	 * what it would hide. */
	uint64_t findings, blocks, bytes;
};

struct suppress {
	struct suppress_rule *rules;
	struct suppress_frame *frames;
	struct suppress_pattern *patterns;
	size_t count, room, frame_count, frame_room, pattern_count, pattern_room;
	struct strings texts; /* of the rules */
	uint32_t today;	      /* YYYYMMDD; set before rules are added */
};

/* Without rules; today is today, in UTC. */
void suppress_init(struct suppress *s);
void suppress_done(struct suppress *s);

/* Adds the rules of a file, or of a text that is called so. 0; -EINVAL, -ENOMEM or
 * -errno of reading it, with "FILE:LINE: what is wrong" in why. */
int suppress_read(struct suppress *s, const char *path, char *why, size_t room);
int suppress_add(struct suppress *s, const char *name, const char *text, size_t len,
		 char *why, size_t room);

/* Adds the [[suppression]]s of a document; other tables are somebody else's. */
int suppress_add_toml(struct suppress *s, const char *name, const struct toml *t,
		      char *why, size_t room);

/* Adds what is known of libraries (suppress_known.c). 0 or -ENOMEM. */
int suppress_add_known(struct suppress *s);

/* ---- matching --------------------------------------------------------------- */

struct suppress_matcher; /* remembers what it found for each name and stack */

/* NULL without memory. No rules are added meanwhile. */
struct suppress_matcher *suppress_bind(struct suppress *s, const struct profile *p);
void suppress_unbind(struct suppress_matcher *m);

static inline void suppress_unbindp(struct suppress_matcher **m)
{
	suppress_unbind(*m);
}

/* As struct findings_options wants it, the matcher being the context: the rule's
 * number, or FINDING_NONE, also where memory was short (then failed() says so). */
uint32_t suppress_matched(void *matcher, const struct profile *p, uint32_t process,
			  uint32_t stack, enum leak_kind kind);
bool suppress_failed(const struct suppress_matcher *m);

/* Counts what each rule hid. true: some exceeded their maximum and hide nothing from
 * now on, so that the findings are to be made anew. */
bool suppress_tally(struct suppress_matcher *m, const struct findings *f);

/* ---- words ------------------------------------------------------------------ */

/* Rules that hid nothing, and are not built in: so many. */
size_t suppress_unused(const struct suppress *s);

/* Writes a rule in heapline's format for blocks of that kind and stack. Its reason is
 * left empty, which no reader takes: somebody has to say one. 0 or -ENOMEM. */
int suppress_generate(struct frames_owners *owners, const struct profile *p,
		      uint32_t stack, enum leak_kind kind, FILE *out);

/*
 * suppress_rules.h - within suppress*.c: how readers of the formats add to the list.
 */
#pragma once

#include "cli/gate/suppress.h"

/* Kinds that a rule is about unless it says otherwise: all that is not freed for want
 * of an owner, or of somebody who could look. */
#define SUPPRESS_LOST                                                                  \
	(1u << LEAK_DEFINITE | 1u << LEAK_CYCLE | 1u << LEAK_INDIRECT |                \
	 1u << LEAK_POSSIBLE | 1u << LEAK_UNSCANNED | 1u << LEAK_EXITED |              \
	 1u << LEAK_YOUNG)

/* A copy that lives as long as the list; NULL without memory. */
const char *suppress_text(struct suppress *s, const char *text, size_t len);

/* 0, -ENOMEM, or -E2BIG: there are too many. */
int suppress_add_rule(struct suppress *s, const struct suppress_rule *rule);
int suppress_add_frame(struct suppress *s, struct suppress_frame frame);

/* 0 with its number, or SUPPRESS_NONE for stars alone; -EINVAL: it would match nothing,
 * or anything in any frame; -ENOMEM. */
int suppress_add_pattern(struct suppress *s, enum suppress_role role, const char *text,
			 size_t len, uint32_t line, uint32_t *ret);

/* Whether a frame at the beginning of a rule may be malloc's own, or one like it, which
 * is in no stack. */
bool suppress_is_allocator(const struct suppress *s,
			   const struct suppress_frame *frame);

/* Whether a rule of these frames says nothing of who allocates. */
bool suppress_is_vague(const struct suppress *s, uint32_t first, uint32_t count);

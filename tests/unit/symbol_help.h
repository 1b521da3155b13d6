/*
 * symbol_help.h - what the tests of cli/symbol/ share: a scratch directory, compilers,
 * and profiles made of bare addresses.
 */
#pragma once

#include "tests/unit/unit.h"

#include "cli/base/array.h"
#include "cli/profile/profile.h"
#include "cli/symbol/symbols.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef HELP_TARGETS
#define HELP_TARGETS "tests/targets"
#endif

static char help_dir[] = "/tmp/heapline-symbol-XXXXXX";

static int help_setup(void **state)
{
	(void)state;
	return mkdtemp(help_dir) ? 0 : -1;
}

/* Runs a shell command with $D the scratch directory and $T the targets' sources. */
static __attribute__((format(printf, 1, 2))) int help_run(const char *format, ...)
{
	char command[8192];
	va_list args;

	setenv("D", help_dir, 1);
	setenv("T", HELP_TARGETS, 1);
	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	return system(command);
}

static int help_teardown(void **state)
{
	(void)state;
	return help_run("rm -rf \"$D\"");
}

static inline bool help_has(const char *tool)
{
	return help_run("command -v %s >/dev/null 2>&1", tool) == 0;
}

/* The path of a file in the scratch directory; one of a few buffers. */
static inline const char *help_path(const char *name)
{
	static char paths[8][256];
	static unsigned next;
	char *path = paths[next++ % 8];

	snprintf(path, 256, "%s/%s", help_dir, name);
	return path;
}

static inline void help_profile(struct profile *p, size_t modules)
{
	*p = (struct profile){0};
	assert_int_equal(strings_add(&p->strings, ""), 0);
	assert_int_equal(array_reserve(&p->modules, &p->module_room, modules), 0);
	assert_int_equal(array_reserve(&p->stacks, &p->stack_room, 1), 0);
	p->module_count = modules;
	p->stack_count = 1;
}

static inline void help_stack(struct profile *p, uint64_t pc, uint32_t module,
			      uint32_t flags)
{
	assert_int_equal(array_reserve(&p->stacks, &p->stack_room, p->stack_count + 1),
			 0);
	p->stacks[p->stack_count++] =
		(struct profile_stack){.pc = pc, .module = module, .flags = flags};
}

static inline void help_profile_done(struct profile *p)
{
	strings_done(&p->strings);
	free(p->modules);
	free(p->stacks);
	free(p->codes);
	free(p->frames);
	free(p->sources);
}

/* Frame n (0: the innermost) of a stack; NULL if it has none. */
static inline const struct profile_frame *help_frame(const struct profile *p,
						     size_t stack, uint32_t n)
{
	const struct profile_code *c = &p->codes[p->stacks[stack].code - 1];

	assert_true(p->stacks[stack].code && p->stacks[stack].code <= p->code_count);
	assert_true(c->frames && c->first_frame + c->frames <= p->frame_count);
	return n < c->frames ? &p->frames[c->first_frame + n] : NULL;
}

/*
 * report_views.h - made-up profiles for the views, and their stacks one by one, as a
 * person would read them: what the views' sums are checked against.
 */
#pragma once

#include "cli/report/view.h"
#include "tests/unit/profile_make.h"
#include "tests/unit/report_make.h"

#include <inttypes.h>

/* Codes of one to three frames out of a handful of functions, some without a name. */
static inline void views_codes(struct make *m, struct profile *p, uint32_t count)
{
	static const char *const names[] = {"main",   "parse",	     "grow",
					    "add",    "f<int>(int)", "f<long>(long)",
					    "g(int)", "g(char)",     ""};
	static const char *const files[] = {"/src/u/a.c", "/src/u/b.c",
					    "/usr/include/c.h", ""};

	for (uint32_t i = 0; i < count; i++) {
		uint32_t frames = 1 + make_below(m, 3);

		report_code(p);
		while (frames--) {
			uint32_t name = make_below(m, 9), file = make_below(m, 4);

			report_frame(p, names[name], files[file],
				     file == 3 ? 0 : 10 * name + make_below(m, 3),
				     10 * name, 10 * name + 5);
		}
	}
}

static inline void views_site(struct make *m, struct profile *p, uint32_t serial)
{
	struct profile_site *s = report_site(p, serial, make_below(m, p->stack_count));
	uint64_t size = 1 + make_below(m, 1000);

	s->allocs = make_below(m, 20);
	s->allocated_bytes = s->allocs * size;
	s->frees = make_below(m, s->allocs + 1);
	s->freed_bytes = s->frees * size;
	s->peak.blocks = make_below(m, s->allocs + 1);
	s->peak.bytes = s->peak.blocks * size;
	s->tree_peak = s->peak;
	s->temporary.blocks = make_below(m, s->frees + 1);
	s->temporary.bytes = s->temporary.blocks * size;
	s->freed_here = make_below(m, 5);
	s->freed_here_bytes = s->freed_here * 7;
	s->last_rank = make_any(m);
	s->last_live_bytes = make_below(m, 100000);
}

static inline struct profile *views_profile(struct make *m)
{
	struct profile *p = report_profile();
	uint32_t nodes = 1 + make_below(m, 120), sites = make_below(m, 60);
	uint32_t processes = 1 + make_below(m, 3);

	for (uint32_t i = 1; i <= processes; i++)
		report_process(p, i, (int32_t)(100 + i), "./demo");
	report_module(p, "/src/u/demo");
	report_module(p, "/src/u/libown.so");
	report_module(p, "/lib/x86_64-linux-gnu/libc.so.6");
	report_module(p, "/src/u/libown.so"); /* mapped once more */
	views_codes(m, p, 30);
	while (nodes--) {
		uint32_t parent = make_below(m, p->stack_count);
		uint32_t code = make_below(m, 31), node;

		/* Often the last one, so that some stacks are deep. */
		if (make_below(m, 2))
			parent = (uint32_t)p->stack_count - 1;
		/* A code is of one pc in one module. */
		node = report_node(p, parent, code % 5, code);
		if (code)
			p->stacks[node].pc = 0x5000 + code;
	}
	while (sites--)
		views_site(m, p, 1 + make_below(m, processes));
	report_sum_up(p);
	return p;
}

/* What tells functions apart, as text. */
static inline void views_name(const struct profile *p, const struct frames_frame *f,
			      char name[300])
{
	uint32_t module = f->stack->module == 4 ? 2 : f->stack->module;

	if (f->code && f->code->function)
		snprintf(name, 300, "%s|%s|%u",
			 strings_get(&p->strings, f->code->function),
			 strings_get(&p->strings, f->code->file), module);
	else
		snprintf(name, 300, "%" PRIx64 "|%u", f->stack->pc, module);
}

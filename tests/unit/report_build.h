/*
 * report_build.h - random recordings of one program, each of another build of it.
 */
#pragma once

#include "tests/unit/profile_make.h"
#include "tests/unit/report_make.h"

/* A build of a program: functions at other lines, addresses and numbers each time. */
static inline struct profile *report_build(struct make *m)
{
	struct profile *p = report_profile();
	uint32_t processes = 1 + make_below(m, 3), module, shift = make_below(m, 50);

	for (uint32_t i = make_below(m, 4); i; i--)
		make_string(m, p);
	module = report_module(p, make_below(m, 2) ? "/opt/a/demo" : "/opt/b/demo");
	if (make_below(m, 2))
		report_module(p, "/opt/lib/libown.so.2");
	for (uint32_t i = 1; i <= processes; i++) {
		struct profile_process *q = report_process(p, i, 100 + (int)i, "demo");

		q->exe = p->modules[module - 1].path;
	}
	for (uint32_t i = make_below(m, 12); i; i--) {
		char name[16];
		uint32_t function = make_below(m, 5),
			 first = 10 + shift + 10 * function;

		snprintf(name, sizeof(name), "function%u", function);
		report_call(p, make_below(m, p->stack_count),
			    1 + make_below(m, p->module_count), name, "/src/demo.c",
			    first + make_below(m, 3), first, first + 5);
	}
	for (uint32_t i = make_below(m, 15); i; i--) {
		struct profile_site site = {
			.process_serial = 1 + make_below(m, processes),
			.stack = make_below(m, p->stack_count),
		};
		struct profile_site *s;
		uint64_t size = make_below(m, 3);

		if (make_has_site(p, &site))
			continue;
		s = report_site(p, site.process_serial, site.stack);
		s->allocs = 1 + make_below(m, 3);
		s->frees = make_below(m, s->allocs + 1);
		s->allocated_bytes = size * s->allocs;
		s->freed_bytes = size * s->frees;
		s->peak = (struct profile_amount){1, size};
		s->tree_peak = make_below(m, 2) ? s->peak : (struct profile_amount){0};
		s->temporary = (struct profile_amount){s->frees, s->freed_bytes};
	}
	report_sum_up(p);
	return p;
}

/*
 * report_make.h - small profiles by hand, whose figures are known in advance, and the
 * text that a report writes of them.
 */
#pragma once

#include "cli/base/array.h"
#include "cli/profile/profile.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline struct profile *report_profile(void)
{
	struct profile *p = profile_new();

	assert(p);
	p->complete = p->symbolised = p->free_stacks = true;
	return p;
}

static inline uint32_t report_string(struct profile *p, const char *text)
{
	return strings_add(&p->strings, text);
}

/* Index + 1, as nodes name it. */
static inline uint32_t report_module(struct profile *p, const char *path)
{
	array_reserve(&p->modules, &p->module_room, p->module_count + 1);
	p->modules[p->module_count] = (struct profile_module){
		.path = report_string(p, path), .start = 0x1000, .end = 0x2000};
	return (uint32_t)++p->module_count;
}

static inline struct profile_process *report_process(struct profile *p, uint32_t serial,
						     int32_t pid, const char *command)
{
	array_reserve(&p->processes, &p->process_room, p->process_count + 1);
	p->processes[p->process_count] = (struct profile_process){
		.serial = serial,
		.pid = pid,
		.command = report_string(p, command),
		.exe = report_string(p, "/src/u/demo"),
		.end = PROFILE_EXITED,
	};
	return &p->processes[p->process_count++];
}

/* Adds a frame to the code last begun by report_code(). */
static inline void report_frame(struct profile *p, const char *function,
				const char *file, uint32_t line, uint32_t first,
				uint32_t last)
{
	array_reserve(&p->frames, &p->frame_room, p->frame_count + 1);
	p->frames[p->frame_count++] = (struct profile_frame){
		.function = report_string(p, function),
		.file = report_string(p, file),
		.line = line,
		.function_first = first,
		.function_last = last,
	};
	p->codes[p->code_count - 1].frames++;
}

/* Index + 1, as nodes name it. */
static inline uint32_t report_code(struct profile *p)
{
	array_reserve(&p->codes, &p->code_room, p->code_count + 1);
	p->codes[p->code_count] = (struct profile_code){(uint32_t)p->frame_count, 0};
	return (uint32_t)++p->code_count;
}

static inline uint32_t report_node(struct profile *p, uint32_t parent, uint32_t module,
				   uint32_t code)
{
	array_reserve(&p->stacks, &p->stack_room, p->stack_count + 1);
	p->stacks[p->stack_count] = (struct profile_stack){
		.pc = 0x1000 + p->stack_count,
		.parent = parent,
		.module = module,
		.code = code,
	};
	return (uint32_t)p->stack_count++;
}

/* A node of one frame. */
static inline uint32_t report_call(struct profile *p, uint32_t parent, uint32_t module,
				   const char *function, const char *file,
				   uint32_t line, uint32_t first, uint32_t last)
{
	uint32_t code = report_code(p);

	report_frame(p, function, file, line, first, last);
	return report_node(p, parent, module, code);
}

static inline struct profile_site *report_site(struct profile *p, uint32_t serial,
					       uint32_t stack)
{
	array_reserve(&p->sites, &p->site_room, p->site_count + 1);
	p->sites[p->site_count] =
		(struct profile_site){.process_serial = serial, .stack = stack};
	return &p->sites[p->site_count++];
}

/* One allocation, never freed, live at the peak. */
static inline struct profile_site *report_kept(struct profile *p, uint32_t serial,
					       uint32_t stack, uint64_t bytes)
{
	struct profile_site *s = report_site(p, serial, stack);

	s->allocs = s->peak.blocks = s->tree_peak.blocks = 1;
	s->allocated_bytes = s->peak.bytes = s->tree_peak.bytes = bytes;
	return s;
}

static inline void report_source(struct profile *p, const char *file, uint32_t first,
				 uint32_t count, const char *text)
{
	array_reserve(&p->sources, &p->source_room, p->source_count + 1);
	p->sources[p->source_count++] = (struct profile_source){
		report_string(p, file), first, count, report_string(p, text)};
}

/* Makes the processes' sums of the malloc domain agree with the sites. Peaks stay. */
static inline void report_sum_up(struct profile *p)
{
	for (size_t i = 0; i < p->process_count; i++)
		for (size_t k = 0; k < p->site_count; k++) {
			const struct profile_site *s = &p->sites[k];
			struct profile_process *q = &p->processes[i];

			if (s->process_serial != q->serial)
				continue;
			q->domain[s->domain].allocs += s->allocs;
			q->domain[s->domain].allocated_bytes += s->allocated_bytes;
			q->domain[s->domain].frees += s->frees;
			q->domain[s->domain].freed_bytes += s->freed_bytes;
			q->domain[s->domain].peak.blocks += s->peak.blocks;
			q->domain[s->domain].peak.bytes += s->peak.bytes;
			if (s->domain != PROFILE_MALLOC)
				continue;
			q->temporary.blocks += s->temporary.blocks;
			q->temporary.bytes += s->temporary.bytes;
			p->tree_peak.blocks += s->tree_peak.blocks;
			p->tree_peak.bytes += s->tree_peak.bytes;
		}
}

/*
 * The documents' example:
 *
 *	1	char *my_func(void)
 *	2	{
 *	3		char *a = malloc(8000000);
 *	4		char *b = malloc(160000000);
 *	5		free(b);
 *	6		return a;
 *	7	}
 *	8
 *	9	int main(void)
 *	10	{
 *	11		return !my_func();
 *	12	}
 */
static inline struct profile *report_example(void)
{
	static const char file[] = "/src/u/demo.c";
	struct profile *p = report_profile();
	struct profile_process *process = report_process(p, 1, 100, "./demo");
	uint32_t module = report_module(p, "/src/u/demo");
	uint32_t libc = report_module(p, "/lib/x86_64-linux-gnu/libc.so.6");
	uint32_t start = report_node(p, 0, libc, 0);
	uint32_t top = report_call(p, start, module, "main", file, 11, 9, 12);
	uint32_t a = report_call(p, top, module, "my_func", file, 3, 1, 7);
	uint32_t b = report_call(p, top, module, "my_func", file, 4, 1, 7);
	uint32_t freed = report_call(p, top, module, "my_func", file, 5, 1, 7);
	struct profile_site *s;

	s = report_kept(p, 1, a, 8000000);
	s->last_rank = 1;
	s->last_live_bytes = 8000000;
	s = report_kept(p, 1, b, 160000000);
	s->frees = 1;
	s->freed_bytes = 160000000;
	s->last_rank = 2;
	s->last_live_bytes = 168000000;
	s = report_site(p, 1, freed);
	s->freed_here = 1;
	s->freed_here_bytes = 160000000;
	s->last_rank = 3;
	s->last_live_bytes = 8000000;
	report_sum_up(p);
	process->domain[PROFILE_MALLOC].peak_at_ns = 2000000;
	process->events = 3;
	p->wall_ns = 5000000;
	report_source(p, file, 1, 12,
		      "char *my_func(void)\n{\n\tchar *a = malloc(8000000);\n"
		      "\tchar *b = malloc(160000000);\n\tfree(b);\n\treturn a;\n}\n\n"
		      "int main(void)\n{\n\treturn !my_func();\n}\n");
	return p;
}

/* What write(out) writes. The caller frees it. */
#define REPORT_TEXT(call)                                                              \
	__extension__({                                                                \
		char *text_ = NULL;                                                    \
		size_t len_ = 0;                                                       \
		FILE *out = open_memstream(&text_, &len_);                             \
		int result_ = (call);                                                  \
		fclose(out);                                                           \
		assert_int_equal(result_, 0);                                          \
		text_;                                                                 \
	})

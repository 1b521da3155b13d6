#include "cli/collect/scan_frames.h"

#include "cli/base/array.h"
#include "cli/base/cleanup.h"
#include "cli/symbol/root.h"
#include "cli/symbol/unwinder.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
	FRAMES_EACH = 4096,   /* of one thread ... */
	FRAMES_ALL = 1 << 17, /* ... and of all */
	RED_ZONE = 128,
	EXIT_LOOK = 64, /* frames that exit() is looked for in */
};

/* rax, rdx, rcx, rbx, rsi, rdi, rbp, rsp, r8 to r15, rip */
const unsigned char scan_frames_register[LOCATION_REGISTERS] = {
	10, 12, 11, 5, 13, 14, 4, 19, 9, 8, 7, 6, 3, 2, 1, 0, 16};

struct taking {
	struct scan_frames *f;
	struct unwinder *unwinder;
	struct heap_threads *threads;
	const struct heap_maps *maps;
};

void scan_frames_done(struct scan_frames *f)
{
	free(f->stacks);
	free(f->frames);
	*f = (struct scan_frames){0};
}

static bool read_memory(void *context, uint64_t address, void *to, size_t len)
{
	return heap_memory_get(context, address, to, len);
}

static int add_modules(struct unwinder *u, const struct heap_roots *roots,
		       const struct heap_maps *maps)
{
	struct debugfile_id id = {0};
	int r = 0;

	for (size_t i = 0; !r && i < roots->modules.count; i++) {
		const struct heap_module *m = &roots->modules.items[i];

		id.len = m->id_len;
		memcpy(id.bytes, m->id, m->id_len);
		r = unwinder_add(u, strings_get(&roots->names, m->path), &id, m->start,
				 m->end, m->bias);
	}
	id.len = 0;
	for (size_t i = 0; !r && i < maps->count; i++)
		if (!strcmp(maps->items[i].path, "[vdso]"))
			r = unwinder_add(u, "[vdso]", &id, maps->items[i].start,
					 maps->items[i].end, 0);
	return r;
}

static struct location_frame innermost(const struct heap_thread *x)
{
	struct location_frame f = {.known = (1u << LOCATION_REGISTERS) - 1};

	for (size_t i = 0; i < LOCATION_REGISTERS; i++)
		f.registers[i] = x->registers[scan_frames_register[i]];
	return f;
}

static int take_stack(struct taking *t, const struct heap_thread *x)
{
	struct scan_frames *f = t->f;
	struct scan_stack *stack = &f->stacks[f->stack_count];
	struct location_frame frame = innermost(x), caller;
	bool more = x->sp != 0;

	*stack = (struct scan_stack){x->tid, f->count, 0};
	while (more && stack->count < FRAMES_EACH && f->count < FRAMES_ALL) {
		if (array_reserve(&f->frames, &f->room, f->count + 1) < 0)
			return -ENOMEM;
		more = unwinder_step(t->unwinder, &frame, &caller);
		f->frames[f->count++] = frame;
		stack->count++;
		frame = caller;
	}
	f->stack_count++;
	return 0;
}

/* The frame of exit() itself, or count. */
static size_t find_exit(struct taking *t, const struct scan_stack *stack,
			uint64_t exit_sp)
{
	static const char *const names[] = {"exit", "quick_exit", "_exit", NULL};
	const struct location_frame *frames = &t->f->frames[stack->first];

	for (size_t i = 0; i < stack->count && i < EXIT_LOOK; i++)
		if (exit_sp ? frames[i].cfa == exit_sp
			    : unwinder_is_in(t->unwinder, &frames[i], names))
			return i;
	return stack->count;
}

/* What was in registers that a call may change, nobody will look at again. */
static void leave_exit(struct taking *t, struct heap_thread *x,
		       struct scan_stack *stack, uint64_t *exit_sp)
{
	size_t i = find_exit(t, stack, *exit_sp);
	const struct location_frame *caller = &t->f->frames[stack->first + i + 1];

	if (i + 1 >= stack->count || !caller[-1].cfa)
		return;
	*exit_sp = caller[-1].cfa;
	memset(x->registers, 0, sizeof(x->registers));
	for (unsigned r = 0; r < LOCATION_REGISTERS; r++)
		if (caller->known >> r & 1)
			x->registers[scan_frames_register[r]] = caller->registers[r];
	x->vector_count = 0;
	stack->first += i + 1;
	stack->count -= i + 1;
}

/* A handler may run on a stack of its own. What it interrupted is live too, from
 * there on. */
static void see_left_stack(struct taking *t, struct heap_thread *x,
			   const struct scan_stack *stack)
{
	const struct heap_maps *maps = t->maps;
	const struct heap_map *on = heap_maps_find(maps, x->sp);

	for (size_t i = 1; i < stack->count && !x->left_sp; i++) {
		const struct location_frame *frame = &t->f->frames[stack->first + i];
		uint64_t sp = frame->registers[LOCATION_SP];

		if (frame->called || sp < RED_ZONE)
			continue;
		if (heap_maps_find(maps, sp) != on)
			x->left_sp = (sp - RED_ZONE) & ~7ull;
		else if (sp < x->sp) /* its stack is in a frame of the other */
			x->sp = sp - RED_ZONE;
	}
}

static int take_all(struct taking *t, pid_t exiting, uint64_t *exit_sp)
{
	struct scan_frames *f = t->f;
	int r = 0;

	f->stacks = calloc(t->threads->count + 1, sizeof(*f->stacks));
	if (!f->stacks)
		return -ENOMEM;
	for (size_t i = 0; !r && i < t->threads->count; i++) {
		struct heap_thread *x = &t->threads->items[i];

		r = take_stack(t, x);
		if (!r)
			see_left_stack(t, x, &f->stacks[f->stack_count - 1]);
		if (!r && exiting && x->tid == exiting)
			leave_exit(t, x, &f->stacks[f->stack_count - 1], exit_sp);
	}
	return r;
}

int scan_frames_take(struct scan_frames *f, const struct heap_roots *roots,
		     struct heap_memory *memory, struct heap_threads *threads,
		     pid_t exiting, uint64_t *exit_sp)
{
	const struct location_memory reads = {memory, read_memory};
	_cleanup_(closep) int root_fd = -1;
	struct taking t = {.f = f, .threads = threads, .maps = memory->maps};
	char path[64];
	int r;

	snprintf(path, sizeof(path), "/proc/%d/root", (int)memory->pid);
	root_hold(path, &root_fd);
	r = unwinder_open(root_fd, &reads, &t.unwinder);
	if (!r)
		r = add_modules(t.unwinder, roots, memory->maps);
	if (!r)
		r = take_all(&t, exiting, exit_sp);
	unwinder_close(t.unwinder);
	/* The vDSO is none of roots' modules. */
	for (size_t i = 0; i < f->count; i++)
		if (f->frames[i].module >= roots->modules.count)
			f->frames[i].module = SIZE_MAX;
	return r;
}

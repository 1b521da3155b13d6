#include "cli/symbol/answers.h"

#include "cli/base/array.h"
#include "cli/base/cleanup.h"
#include "cli/symbol/demangle.h"
#include "cli/symbol/path.h"

#include <errno.h>
#include <string.h>

#define MAX_NAME_BYTES (64u << 10) /* of a linkage name; cut beyond */

int answers_open(struct answers *ret)
{
	struct answers a = {.profile = profile_new()};
	struct profile *p = a.profile;

	if (!p)
		return -ENOMEM;
	if (array_reserve(&p->modules, &p->module_room, 1)) {
		profile_close(p);
		return -ENOMEM;
	}
	p->modules[p->module_count++] = (struct profile_module){0};
	*ret = a;
	return 0;
}

static int index_add(struct answers *a, size_t stack)
{
	struct table_key key = {a->profile->stacks[stack].pc, 0};
	uint64_t *number = table_put(&a->index, key, NULL);

	if (!number)
		return -ENOMEM;
	if (*number)
		return -EBADMSG;
	*number = stack;
	return 0;
}

int answers_of(struct profile *p, struct answers *ret)
{
	struct answers a = {.profile = p};
	int r = p->module_count == 1 ? 0 : -EBADMSG;

	for (size_t i = 0; i < p->code_count && !r; i++)
		r = p->codes[i].frames <= MODULE_MAX_FRAMES ? 0 : -EBADMSG;
	for (size_t i = 1; i < p->stack_count && !r; i++)
		r = p->stacks[i].code ? index_add(&a, i) : -EBADMSG;
	if (r)
		answers_done(&a);
	else
		*ret = a;
	return r;
}

void answers_done(struct answers *a)
{
	profile_close(a->profile);
	table_done(&a->index);
	*a = (struct answers){0};
}

size_t answers_find(const struct answers *a, uint64_t address)
{
	uint64_t *stack = table_get(&a->index, (struct table_key){address, 0});

	return stack ? a->profile->stacks[*stack].code - 1 : SIZE_MAX;
}

/* ---- asking --------------------------------------------------------------- */

struct asking {
	struct answers *a;
	const uint64_t *addresses;
	_Atomic size_t *done;
	struct table names; /* linkage string -> readable string + 1 */
	struct table
		paths; /* addresses of dir and file, as libdw has them -> string + 1 */
};

static void asking_done(struct asking *q)
{
	table_done(&q->names);
	table_done(&q->paths);
}

/* Strings of a frame's function: what it is called, and its linkage name if that is
 * something else. */
static int take_name(struct asking *q, const struct module_frame *in,
		     struct profile_frame *out)
{
	struct strings *strings = &q->a->profile->strings;
	uint32_t name =
		strings_add_n(strings, in->name, strnlen(in->name, MAX_NAME_BYTES));
	_cleanup_(freep) char *readable = NULL;
	uint64_t *known;

	if (name == UINT32_MAX)
		return -ENOMEM;
	out->function = name;
	if (!in->linkage)
		return 0;
	known = table_put(&q->names, (struct table_key){name, 0}, NULL);
	if (!known)
		return -ENOMEM;
	if (!*known) {
		readable = demangle(strings_get(strings, name));
		*known = (readable ? strings_add(strings, readable) : name) + 1ull;
	}
	if (*known == UINT32_MAX + 1ull)
		return -ENOMEM;
	out->function = (uint32_t)*known - 1;
	out->linkage = out->function == name ? 0 : name;
	return 0;
}

static int take_file(struct asking *q, const struct module_frame *in,
		     struct profile_frame *out)
{
	struct table_key key = {(uintptr_t)in->dir, (uintptr_t)in->file};
	char path[PATH_MAX_BYTES];
	uint64_t *number;

	if (!*in->file)
		return 0;
	number = table_put(&q->paths, key, NULL);
	if (!number)
		return -ENOMEM;
	if (!*number) {
		size_t len = path_normalise(in->dir, in->file, path);

		*number = strings_add_n(&q->a->profile->strings, path, len) + 1ull;
	}
	if (*number == UINT32_MAX + 1ull)
		return -ENOMEM;
	out->file = (uint32_t)*number - 1;
	return 0;
}

static int add(struct answers *a, uint64_t address, size_t first, size_t count)
{
	struct profile *p = a->profile;

	if (array_reserve(&p->codes, &p->code_room, p->code_count + 1) ||
	    array_reserve(&p->stacks, &p->stack_room, p->stack_count + 1) ||
	    p->stack_count >= UINT32_MAX)
		return -ENOMEM;
	p->codes[p->code_count++] =
		(struct profile_code){(uint32_t)first, (uint32_t)count};
	p->stacks[p->stack_count++] =
		(struct profile_stack){.pc = address,
				       .module = 1,
				       .flags = PROFILE_STACK_EXACT,
				       .code = (uint32_t)p->code_count};
	return index_add(a, p->stack_count - 1) == -ENOMEM ? -ENOMEM : 0;
}

static int take_frames(void *arg, size_t index, const struct module_frame *frames,
		       size_t count)
{
	struct asking *q = arg;
	struct profile *p = q->a->profile;
	size_t first = p->frame_count;

	if (first > UINT32_MAX - count ||
	    array_reserve(&p->frames, &p->frame_room, first + count))
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		struct profile_frame *f = &p->frames[first + i];

		*f = (struct profile_frame){.line = frames[i].line,
					    .function_first = frames[i].first,
					    .function_last = frames[i].last};
		if (take_name(q, &frames[i], f) || take_file(q, &frames[i], f))
			return -ENOMEM;
	}
	p->frame_count += count;
	/* relaxed: only shown to people. */
	atomic_fetch_add_explicit(q->done, 1, memory_order_relaxed);
	return add(q->a, q->addresses[index], first, count);
}

int answers_ask(struct answers *a, struct module *m, const uint64_t *addresses,
		size_t count, _Atomic size_t *done)
{
	_cleanup_(asking_done) struct asking q = {
		.a = a, .addresses = addresses, .done = done};

	return module_resolve(m, addresses, count, take_frames, &q);
}

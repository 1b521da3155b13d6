#include "cli/report/recursion.h"

#include "cli/base/array.h"
#include "cli/base/hash.h"
#include "cli/report/fingerprint.h"
#include "cli/report/frames.h"

#include <errno.h>
#include <stdlib.h>

struct call {
	uint64_t function, module; /* names; of a nameless function its place */
	uint64_t pc, part;	   /* place, and which of the frames inlined there */
};

struct recursion {
	const struct profile *profile;
	struct fingerprints *prints;
	struct call *calls; /* of the stack at hand, the innermost first */
	size_t count, room;
};

struct recursion *recursion_open(const struct profile *p)
{
	struct recursion *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->profile = p;
	r->prints = fingerprints_open(p);
	if (r->prints)
		return r;
	free(r);
	return NULL;
}

void recursion_close(struct recursion *r)
{
	if (!r)
		return;
	fingerprints_close(r->prints);
	free(r->calls);
	free(r);
}

static struct call call_of(const struct profile *p, const struct frames_frame *f,
			   uint32_t depth)
{
	const struct profile_stack *s = f->stack;
	uint32_t name = f->code ? f->code->function : 0;
	struct call c = {.pc = s->pc, .part = (uint64_t)s->module << 32 | depth};

	c.function = name ? name : s->pc | 1ull << 63;
	if (s->module && s->module <= p->module_count)
		c.module = p->modules[s->module - 1].path;
	if (s->flags & PROFILE_STACK_CUT)
		c.module |= 1ull << 63;
	return c;
}

static bool same_functions(const struct call *a, const struct call *b, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (a[i].function != b[i].function || a[i].module != b[i].module)
			return false;
	return true;
}

static int push(struct recursion *r, struct call call)
{
	if (array_room(&r->calls, &r->room, r->count + 1) < 0)
		return -ENOMEM;
	r->calls[r->count++] = call;
	for (size_t k = 1; k <= RECURSION_PERIOD && 2 * k <= r->count; k++) {
		const struct call *last = &r->calls[r->count - k];

		if (same_functions(last, last - k, k)) {
			r->count -= k;
			break;
		}
	}
	return 0;
}

int recursion_key(struct recursion *r, uint32_t stack, struct table_key *ret)
{
	struct frames_walk walk = frames_of(r->profile, stack);
	struct fingerprint print;
	struct frames_frame frame;
	int err = fingerprint_of(r->prints, stack, &print);

	r->count = 0;
	for (int i = 0; !err && i < RECURSION_FRAMES; i++) {
		uint32_t depth = walk.inline_depth;

		if (!frames_next(&walk, &frame))
			break;
		err = push(r, call_of(r->profile, &frame, depth));
	}
	if (!err) /* what is further out, if anything is */
		err = push(r, (struct call){.pc = walk.stack, .part = UINT64_MAX});
	if (!err)
		*ret = (struct table_key){
			hash_bytes(r->calls, r->count * sizeof(*r->calls)), print.hash};
	return err;
}

#include "cli/report/charge.h"

#include <errno.h>
#include <stdlib.h>

/* The innermost frame of a node whose owner is at most `worst`. */
static bool frame_at(struct charge *c, uint32_t node, enum frames_owner worst,
		     struct frames_frame *ret)
{
	struct frames_walk walk = frames_of(c->profile, node);

	/* The mark of missing frames is no code. */
	if (worst != FRAMES_BASE && c->profile->stacks[node].flags & PROFILE_STACK_CUT)
		return false;
	while (walk.stack == node && frames_next(&walk, ret))
		if (frames_owner(c->owners, ret) <= worst)
			return true;
	return false;
}

int charge_init(struct charge *c, const struct profile *p)
{
	struct frames_frame frame;

	*c = (struct charge){.profile = p, .owners = frames_owners_open(p)};
	c->own = calloc(p->stack_count + 1, sizeof(*c->own));
	c->other = calloc(p->stack_count + 1, sizeof(*c->other));
	if (!c->owners || !c->own || !c->other)
		return -ENOMEM;
	for (uint32_t i = 1; i < p->stack_count; i++) {
		uint32_t parent = p->stacks[i].parent;

		c->own[i] = frame_at(c, i, FRAMES_OWN, &frame) ? i : c->own[parent];
		c->other[i] =
			frame_at(c, i, FRAMES_LIBRARY, &frame) ? i : c->other[parent];
	}
	return 0;
}

void charge_done(struct charge *c)
{
	frames_owners_close(c->owners);
	free(c->own);
	free(c->other);
	*c = (struct charge){0};
}

struct frames_frame charge_frame(struct charge *c, uint32_t stack)
{
	struct frames_frame frame = {0};

	if (!stack || stack >= c->profile->stack_count)
		return frame;
	if (c->own[stack])
		frame_at(c, c->own[stack], FRAMES_OWN, &frame);
	else if (c->other[stack])
		frame_at(c, c->other[stack], FRAMES_LIBRARY, &frame);
	else
		frame_at(c, stack, FRAMES_BASE, &frame);
	return frame;
}

/*
 * merge_stacks.c - stacks into a merged profile: each that recordings have in common
 * once.
 *
 * There are millions of them: known ones are found by an index of eight bytes each into
 * the stacks themselves, which have the rest.
 */
#include "cli/profile/merge_input.h"

#include "cli/base/hash.h"

#include <stdlib.h>

/* By what a node is known, in the result's numbers. Several codes may say the same: it
 * is the run that counts. */
struct key {
	uint32_t parent, module, run, flags;
	uint64_t pc;
};

static struct key key_of(const struct profile_stack *s, uint32_t run)
{
	return (struct key){s->parent, s->module, run, s->flags, s->pc};
}

static bool is(const struct profile_merge *m, uint32_t index, const struct key *key)
{
	const struct profile_stack *s = &m->p->stacks[index];

	return s->pc == key->pc && s->parent == key->parent &&
	       s->module == key->module && s->flags == key->flags &&
	       (s->code ? m->runs[s->code - 1] : 0) == key->run;
}

/* The slot of a node like that, or the free one for it. There is a free one. */
static uint64_t *seek(const struct profile_merge *m, const struct key *key,
		      uint64_t hash)
{
	for (uint64_t i = hash;; i++) {
		uint64_t *slot = &m->stacks.slots[i & (m->stacks.room - 1)];

		if (!*slot ||
		    (*slot >> 32 == hash >> 32 && is(m, (uint32_t)*slot - 1, key)))
			return slot;
	}
}

/* Room for count stacks in three quarters of the slots. */
static int reserve(struct profile_merge *m, size_t count)
{
	struct merge_stacks *t = &m->stacks;
	size_t room = t->room ? t->room : 64;
	uint64_t *slots;

	while (count > room / 4 * 3)
		room *= 2;
	if (room == t->room)
		return 0;
	slots = calloc(room, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	free(t->slots);
	*t = (struct merge_stacks){slots, room};
	m->known_stacks = 1; /* but the root */
	return 0;
}

/* Puts the stacks into the index that were there before the input. */
static int know_stacks(const struct merge_input *in)
{
	struct profile_merge *m = in->m;
	int r = reserve(m, in->stack_count);

	for (; !r && m->known_stacks < in->stack_count; m->known_stacks++) {
		const struct profile_stack *s = &m->p->stacks[m->known_stacks];
		struct key key = key_of(s, s->code ? m->runs[s->code - 1] : 0);
		uint64_t hash = hash_bytes(&key, sizeof(key));
		uint64_t *slot = seek(m, &key, hash);

		if (!*slot)
			*slot = (hash >> 32 << 32) | (m->known_stacks + 1);
	}
	return r;
}

/* A node as it is in `to`: addresses of a module that is there are seen from its bias.
 * Why frames are missing (PROFILE_STACK_CUT) is no address. */
static struct profile_stack node_of(const struct merge_input *in,
				    const struct profile_stack *from)
{
	struct profile_stack to = *from;

	to.parent = in->stacks[from->parent];
	to.module = in->modules[from->module];
	if (from->module && !(from->flags & PROFILE_STACK_CUT))
		to.pc += in->to->modules[to.module - 1].bias -
			 in->from->modules[from->module - 1].bias;
	to.code = from->code ? in->codes[from->code - 1] + 1 : 0;
	return to;
}

static bool is_free(const struct merge_input *in, uint32_t index)
{
	return index < in->stack_count && !in->stack_taken[index];
}

/* Finds the node like that which no other one of the input has become: the one behind
 * the last mostly, as recordings of one program are much alike, and then no index is
 * needed, nor made. *ret: UINT32_MAX if there is none. 0 or -ENOMEM. */
static int find(struct merge_input *in, const struct key *key, uint32_t *ret)
{
	uint32_t next = in->last_stack + 1;
	uint64_t slot;
	int r;

	if (is_free(in, next) && is(in->m, next, key)) {
		*ret = next;
		return 0;
	}
	r = know_stacks(in);
	if (r < 0)
		return r;
	slot = *seek(in->m, key, hash_bytes(key, sizeof(*key)));
	*ret = slot && is_free(in, (uint32_t)slot - 1) ? (uint32_t)slot - 1
						       : UINT32_MAX;
	return 0;
}

static int add_stack(struct merge_input *in, size_t i)
{
	const struct profile_stack *from = &in->from->stacks[i];
	struct profile_stack node = node_of(in, from), *row;
	struct key key = key_of(&node, from->code ? in->runs[from->code - 1] : 0);
	uint32_t like;
	int r = find(in, &key, &like);

	if (r < 0)
		return r;
	if (like != UINT32_MAX) {
		in->stack_taken[like] = 1;
		in->last_stack = in->stacks[i] = like;
		return 0;
	}
	row = merge_row(in->to, stack);
	if (!row)
		return -ENOMEM;
	*row = node;
	in->stacks[i] = (uint32_t)in->to->stack_count - 1;
	return 0;
}

int merge_stacks(struct merge_input *in)
{
	int r = 0;

	for (size_t i = 1; !r && i < in->from->stack_count; i++)
		r = add_stack(in, i);
	return r;
}

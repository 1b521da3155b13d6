/*
 * cpython_frames.c - what local variables are called: those of frames in a thread's
 * stack of frames, and of generators and frames that are objects.
 */
#include "cli/heap/cpython_scan.h"

#include <errno.h>
#include <stdio.h>

enum {
	CHUNK_FIRST = 24, /* words of a stack's piece begin there, ... */
	FRAMES_MAX = 100000,
	LOCALS_MAX = 4096,
	STACK_MAX = 1 << 16,
	TUPLE_COUNT = 16,
};

static bool is_code(struct cpython_scan *s, uint64_t code)
{
	uint64_t type = code ? heap_peek_word(s->memory, code + 8) : 0;
	const struct cpython_kind *k = type ? cpython_kind(s, type) : NULL;

	return k && k->family == CPYTHON_A_CODE;
}

static uint32_t half_word(struct cpython_scan *s, uint64_t at)
{
	uint32_t v = 0;

	return heap_peek(s->memory, at, &v, sizeof(v)) ? v : 0;
}

/* The name of a variable: of the first tuple of names, or (up to 3.10) of those of
 * cells and of free ones behind it. */
static bool name_of(struct cpython_scan *s, uint64_t code, uint64_t i, char *buffer,
		    size_t room)
{
	static const uint16_t old[] = {72, 88, 80}; /* co_varnames, cells, free */
	int lists = s->shape->old_keys ? 3 : 1;

	for (int k = 0; k < lists; k++) {
		uint64_t at = code + (lists > 1 ? old[k] : s->shape->code_names);
		uint64_t names = heap_peek_word(s->memory, at);
		uint64_t count = heap_peek_word(s->memory, names + TUPLE_COUNT);

		if (i < count)
			return cpython_text(
				s,
				heap_peek_word(s->memory,
					       names + s->shape->tuple_items +
						       WORD * i),
				buffer, room);
		i -= count;
	}
	return false;
}

static int label(struct cpython_scan *s, uint32_t edge, uint64_t code, uint64_t i,
		 const char *function)
{
	char name[CPYTHON_NAME_MAX], text[2 * CPYTHON_NAME_MAX + 8];
	struct heap_label l = {.edge = edge, .kind = HEAP_LOCAL};

	if (!name_of(s, code, i, name, sizeof(name)))
		return 0;
	snprintf(text, sizeof(text), "%s%s%s%s", name, *function ? " of " : "",
		 function, *function ? "()" : "");
	l.name = cpython_name(s, text);
	if (l.name == UINT32_MAX)
		return -ENOMEM;
	return l.name ? heap_types_add_label(&s->g->types, &l) : 0;
}

/* Pointers of a block among `count` variables from an address on. */
static int label_locals(struct cpython_scan *s, uint32_t block, uint64_t code,
			uint64_t locals, uint64_t count, const char *function)
{
	const struct heap_graph *g = s->g;
	uint64_t start = g->blocks.items[block].address;
	uint32_t e = heap_graph_edge_at(g, block, locals - start);
	int r = 0;

	for (; !r && e < g->first[block + 1]; e++) {
		uint64_t at = start + (uint64_t)g->edges.word[e] * HEAP_WORD;

		if (at - locals >= count * WORD)
			break;
		if (heap_how(g->edges.how[e]) != HEAP_DEAD)
			r = label(s, e, code, (at - locals) / WORD, function);
	}
	return r;
}

/* Up to 3.10 they may be behind those of code->co_nlocals: cells, free ones. */
static uint64_t count_of(struct cpython_scan *s, uint64_t code)
{
	uint64_t count = half_word(s, code + s->shape->code_count);

	return count < LOCALS_MAX ? count : 0;
}

static int see_inner(struct cpython_scan *s, uint32_t block, uint64_t frame)
{
	uint64_t code = heap_peek_word(s->memory, frame + s->shape->frame_code);

	if (!is_code(s, code))
		return 0;
	return label_locals(s, block, code, frame + s->shape->frame_words * WORD,
			    count_of(s, code), "");
}

int cpython_see_frame(struct cpython_scan *s, uint32_t block, uint64_t object)
{
	const struct heap_block *b = &s->g->blocks.items[block];
	uint64_t frame, code;

	if (!s->shape->old_keys) {
		frame = heap_peek_word(s->memory, object + 24);
		return frame - b->address < b->size ? see_inner(s, block, frame) : 0;
	}
	code = heap_peek_word(s->memory, object + s->shape->frame_code);
	if (!is_code(s, code))
		return 0;
	return label_locals(s, block, code, object + s->shape->frame_locals, LOCALS_MAX,
			    "");
}

int cpython_see_generator(struct cpython_scan *s, uint32_t block, uint64_t object)
{
	return s->shape->old_keys
		       ? 0
		       : see_inner(s, block, object + s->shape->generator_frame);
}

/* Frames lie one behind the other, each as large as its code says. */
int cpython_see_stack(struct cpython_scan *s, uint32_t block, uint64_t top)
{
	uint64_t start = s->g->blocks.items[block].address;
	uint64_t at = start + CHUNK_FIRST;
	uint64_t own = s->shape->frame_words;
	char function[CPYTHON_NAME_MAX];
	int r = 0;

	if (!heap_peek_word(s->memory, start)) /* the first piece leaves one out */
		at += WORD;
	for (int i = 0; !r && i < FRAMES_MAX && at + own * WORD <= start + top; i++) {
		uint64_t code = heap_peek_word(s->memory, at + s->shape->frame_code);
		uint64_t count, stack;

		if (!is_code(s, code))
			break;
		count = count_of(s, code);
		stack = half_word(s, code + s->shape->code_stack);
		if (!cpython_text(s, heap_peek_word(s->memory, code + 128), function,
				  sizeof(function)))
			*function = '\0';
		r = label_locals(s, block, code, at + own * WORD, count, function);
		at += (own + count + (stack < STACK_MAX ? stack : 0)) * WORD;
	}
	return r;
}

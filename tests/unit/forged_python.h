/*
 * forged_python.h - an interpreter that is none: Python's frames in any layout, pushed,
 * popped and changed at random.
 */
#pragma once

#include "tests/unit/unit.h"

#include "preload/python.h"
#include "preload/python_code.h"
#include "preload/unwind.h"
#include "preload/wire.h"

#include <string.h>
#include <sys/mman.h>

#ifndef FORGED_FRAMES
#define FORGED_FRAMES 5000
#endif

enum {
	FRAMES = FORGED_FRAMES,
	DEEP = 200,
	FRAME_BYTES = 128,
	CODES = 12,
	CODE_BYTES = 512,
	UNITS = 200, /* instructions of a code object */
	OBJECT_TYPE = 8,
	OBJECT_SIZE = 16,
	TEXT_STATE = 32,
	BYTES_START = 32,
	DEALLOC = 48,
};

/* The forged interpreter. */
static struct {
	char *base;
	_Alignas(16) char types[3][512];
	_Alignas(16) char state[512], link[64];
	_Alignas(16) char frames[FRAMES][FRAME_BYTES];
	_Alignas(16) char codes[CODES][CODE_BYTES];
	_Alignas(16) char names[CODES][128], file[128], lines[64], bytes[64];
	_Alignas(16) char text[128], constants[CODES][64];
	int slot[FRAMES];		 /* of depth i: which of `frames` it is */
	int code_of[FRAMES], at[FRAMES]; /* in units; -1: not begun */
	bool entry[FRAMES], is_link[FRAMES], is_generator[FRAMES];
	int depth; /* frames[depth - 1] is the innermost */
	int deallocated;
	const struct python_layout *layout;
} fake;

static inline void put_word(char *object, int offset, const void *word)
{
	memcpy(object + offset, &word, sizeof(word));
}

static inline void put_u32(char *object, int offset, uint32_t value)
{
	memcpy(object + offset, &value, sizeof(value));
}

static inline void make_text(char *object, const char *text)
{
	put_word(object, 0, (void *)1);
	put_word(object, OBJECT_TYPE, fake.types[2]);
	put_word(object, OBJECT_SIZE, (void *)strlen(text));
	put_u32(object, TEXT_STATE, 1u << 2 | 1u << 5 | 1u << 6);
	strcpy(object + fake.layout->text_short, text);
}

static inline void make_bytes(char *object, const char *bytes, size_t n, size_t said)
{
	put_word(object, 0, (void *)1);
	put_word(object, OBJECT_TYPE, fake.types[1]);
	put_word(object, OBJECT_SIZE, (void *)said);
	memcpy(object + BYTES_START, bytes, n);
}

static inline void make_code(int i, const char *name)
{
	const struct python_layout *l = fake.layout;
	char *code = fake.codes[i];

	memset(code, 0, CODE_BYTES);
	make_text(fake.names[i], name);
	put_word(code, 0, (void *)1);
	put_word(code, OBJECT_TYPE, fake.types[0]);
	if (l->code_start >= 0)
		put_word(code, OBJECT_SIZE, (void *)UNITS);
	else
		put_word(code, l->code_bytes, fake.bytes);
	put_word(code, l->code_file, fake.file);
	put_word(code, l->code_name, fake.names[i]);
	put_word(code, l->code_lines, fake.lines);
	put_u32(code, l->code_first_line, (uint32_t)i + 1);
}

static inline void on_dealloc(void *code)
{
	fake.deallocated++;
	/* What an allocator does with it: its first words are a list's. */
	memset(code, 0, 2 * sizeof(void *));
}

static inline char *frame_at(int i)
{
	return fake.frames[fake.slot[i]];
}

/* What frame i is, written where the interpreter would. */
static inline void write_frame(int i)
{
	const struct python_layout *l = fake.layout;
	char *frame = frame_at(i), *code = fake.codes[fake.code_of[i]];

	put_word(frame, l->frame_outside, i ? frame_at(i - 1) : NULL);
	put_word(frame, l->frame_code, fake.is_link[i] ? fake.types[2] : code);
	if (l->code_start >= 0)
		put_word(frame, l->frame_at,
			 code + l->code_start + 2 * (intptr_t)fake.at[i]);
	else
		put_u32(frame, l->frame_at,
			(uint32_t)(fake.at[i] > 0 && l->version < 0x30a ? 2 * fake.at[i]
									: fake.at[i]));
	if (l->frame_entry >= 0)
		frame[l->frame_entry] = fake.entry[i];
	if (l->frame_owner >= 0)
		frame[l->frame_owner] =
			fake.is_link[i] ? 3 : (char)fake.is_generator[i];
}

static inline void write_top(void)
{
	const struct python_layout *l = fake.layout;
	char *top = fake.depth ? frame_at(fake.depth - 1) : NULL;

	if (l->link_frame >= 0) {
		put_word(fake.state, l->state_frame, fake.link);
		put_word(fake.link, l->link_frame, top);
	} else {
		put_word(fake.state, l->state_frame, top);
	}
}

static inline void *current_state(void)
{
	return fake.state;
}

static inline int is_finalizing(void)
{
	return 0;
}

/* One of this layout. */
static inline void forge(const struct python_layout *l)
{
	static const uintptr_t word = (uintptr_t)fake.state, no;

	memset(&fake, 0, sizeof(fake));
	fake.layout = l;
	fake.base = mmap(NULL, WIRE_AT_DATA, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	assert_ptr_not_equal(fake.base, MAP_FAILED);
	((struct wire_header *)fake.base)->nodes_used = 1;
	python.layout = *l;
	python.type_code = (uintptr_t)fake.types[0];
	python.type_bytes = (uintptr_t)fake.types[1];
	python.type_text = (uintptr_t)fake.types[2];
	python.gil_state = python.current_state = current_state;
	python.is_finalizing = is_finalizing;
	/* By the words, or by the functions. */
	python.current_word = l->version % 2 ? &word : NULL;
	python.finalizing_word = l->version % 3 ? &no : NULL;
	atomic_store(&python.on, true);
	atomic_store(&python.started, true);
	atomic_store(&python_checks, 0);
	assert_int_equal(python_code_init(fake.base), 0);
	memcpy(fake.types[0] + DEALLOC, &(void (*)(void *)){on_dealloc},
	       sizeof(void *));
	python_code_watch();
	make_text(fake.file, "/nowhere/forged.py");
	make_bytes(fake.lines, "lines", 5, 5);
	make_bytes(fake.bytes, "", 0, 2 * UNITS);
	for (int i = 0; i < CODES; i++)
		make_code(i, (char[]){(char)('a' + i), '\0'});
	write_top();
}

static inline void unforge(void)
{
	munmap(fake.base, WIRE_AT_DATA);
}

static inline bool is_taken(int slot)
{
	for (int i = 0; i < fake.depth; i++)
		if (fake.slot[i] == slot)
			return true;
	return false;
}

/* One that no other frame has; near the others, so that they are used again. */
static inline int free_slot(void)
{
	int slot = rand() % 3 ? fake.depth : rand() % 60;

	if (fake.depth >= DEEP) /* (Those that are not lie below 2 * DEEP.) */
		return fake.depth + DEEP;
	while (is_taken(slot))
		slot = (slot + 1) % FRAMES;
	return slot;
}

static inline void push(void)
{
	int i = fake.depth;

	fake.slot[i] = free_slot();
	fake.depth++;
	fake.code_of[i] = rand() % CODES;
	fake.at[i] = rand() % (UNITS + 1) - 1;
	fake.entry[i] = rand() % 3 == 0;
	fake.is_link[i] = fake.layout->version >= 0x30c && rand() % 4 == 0;
	fake.is_generator[i] = false;
	write_frame(i);
}

/* A generator is resumed by somebody else: its frame stays what it was. */
static inline void resume(void)
{
	int inner = fake.depth - 1, outer = rand() % (inner + 1);
	int slot = fake.slot[inner], code = fake.code_of[inner], at = fake.at[inner];
	bool entry = fake.entry[inner], link = fake.is_link[inner];

	fake.depth = outer;
	for (int more = rand() % 3; more > 0; more--)
		push();
	if (is_taken(slot))
		return;
	fake.slot[fake.depth] = slot;
	fake.code_of[fake.depth] = code;
	fake.at[fake.depth] = at;
	fake.entry[fake.depth] = entry;
	fake.is_link[fake.depth] = link;
	write_frame(fake.depth++);
}

/* One thing that an interpreter does between two events. */
static inline void step(void)
{
	int i = fake.depth ? rand() % fake.depth : 0;

	switch (rand() % 9) {
	case 0:
	case 1:
		if (fake.depth < 40)
			push();
		break;
	case 2:
		fake.depth -= fake.depth > 1;
		break;
	case 3:
		fake.depth -= fake.depth > 3 ? rand() % 3 : 0;
		break;
	case 4: /* another call at the same place, which may look the same */
		if (fake.depth) {
			fake.depth--;
			push();
		}
		break;
	case 5: /* anywhere: returned, and came back unseen */
		if (fake.depth && !fake.is_link[i]) {
			fake.at[i] = rand() % UNITS;
			write_frame(i);
		}
		break;
	case 6:
		if (fake.depth)
			resume();
		break;
	default:
		if (fake.depth && !fake.is_link[fake.depth - 1]) {
			fake.at[fake.depth - 1] = rand() % UNITS;
			write_frame(fake.depth - 1);
		}
	}
	write_top();
}

/* ---- what a walk should say ----------------------------------------------- */

static inline const struct wire_code *code_at(uint32_t id)
{
	return (const struct wire_code *)(wire_codes(fake.base) +
					  8ull * *wire_code_at(fake.base, id));
}

static inline bool is_entry(int i)
{
	if (fake.layout->version < 0x30b)
		return true;
	if (fake.layout->frame_entry >= 0)
		return fake.entry[i];
	return i && fake.is_link[i - 1];
}

/* Is the node frame i's? */
static inline void check_node(uint32_t node, int i)
{
	struct wire_node *n = wire_node(fake.base, node);
	uint64_t flags = n->pc_flags >> WIRE_PC_BITS;
	uint64_t at = fake.at[i] < 0 ? WIRE_PC_MASK : 2 * (uint64_t)fake.at[i];
	const struct wire_code *code = code_at(n->module);

	assert_int_equal(n->pc_flags & WIRE_PC_MASK, at);
	assert_int_equal(flags, WIRE_NODE_PYTHON | WIRE_NODE_EXACT |
					(is_entry(i) ? WIRE_NODE_ENTRY : 0));
	assert_int_not_equal(n->module, 0);
	assert_int_equal(code->text[code->file_len], 'a' + fake.code_of[i]);
	assert_int_equal(code->name_len, 1);
	assert_int_equal(code->first_line, fake.code_of[i] + 1);
}

/* Is the node the whole stack's? */
static inline void expect_stack(uint32_t node)
{
	int cut = (int)unwind_cut((size_t)fake.depth);

	for (int i = fake.depth; i-- > 0;) {
		if (cut && i == cut - 1) {
			struct wire_node *n = wire_node(fake.base, node);

			assert_int_equal(n->pc_flags >> WIRE_PC_BITS, WIRE_NODE_CUT);
			assert_int_equal(n->pc_flags & WIRE_PC_MASK, WIRE_CUT_DEPTH);
			node = n->parent;
			i = UNWIND_OUTER - 1;
		}
		if (fake.is_link[i])
			continue;
		assert_int_not_equal(node, 0);
		check_node(node, i);
		node = wire_node(fake.base, node)->parent;
	}
	assert_int_equal(node, 0);
}

/*
 * preload_python.c - Python's frames of every layout, forged: pushed, popped and changed
 * at random beside a walk with its memory, which must say each time what is there.
 */
#include "tests/unit/forged_python.h"

#include "preload/python_getter.h"
#include "preload/python_value.h"
#include "preload/python_walk.h"

#include <pthread.h>

static struct python_walk walk;

static void up(const struct python_layout *l)
{
	memset(&walk, 0, sizeof(walk));
	forge(l);
}

static void down(void)
{
	unforge();
}

static void check_stack(void)
{
	expect_stack(python_walk_alone(&walk, fake.base, true));
}

static void a_walk_says_what_is_there_in_every_layout(void **state)
{
	size_t n = sizeof(python_layouts) / sizeof(*python_layouts);

	(void)state;
	srand(8);
	for (size_t l = 0; l < n; l++) {
		up(&python_layouts[l]);
		for (int i = 0; i < unit_rounds(20000); i++) {
			step();
			check_stack();
		}
		down();
	}
}

static void the_kept_layouts_are_those_of_their_versions(void **state)
{
	(void)state;
	assert_int_equal(python_layouts[PYTHON_3_11].version, 0x30b);
	assert_int_equal(python_layouts[PYTHON_3_12].version, 0x30c);
	assert_int_equal(python_layouts[PYTHON_3_13].version, 0x30d);
	assert_int_equal(python_layouts[PYTHON_3_14].version, 0x30e);
	assert_int_equal(python_layouts[PYTHON_3_15].version, 0x30f);
}

/* The innermost of three frames goes to a place of its code. */
static void move_to(int at)
{
	fake.at[2] = at;
	write_frame(2);
}

/* A code object dies, and another one is made where it was. */
static void an_address_that_is_used_again_is_another_code(void **state)
{
	(void)state;
	for (size_t l = 0; l < sizeof(python_layouts) / sizeof(*python_layouts); l++) {
		void (*dealloc)(void *);

		up(&python_layouts[l]);
		for (int i = 0; i < 3; i++)
			push();
		fake.is_link[0] = fake.is_link[1] = fake.is_link[2] = false;
		for (int i = 0; i < 3; i++) {
			fake.code_of[i] = i;
			fake.at[i] = 4;
			write_frame(i);
		}
		write_top();
		for (int at = 2; at <= 4; at++) {
			move_to(at);
			check_stack();
		}
		memcpy(&dealloc, fake.types[0] + DEALLOC, sizeof(dealloc));
		dealloc(fake.codes[2]);
		assert_int_equal(fake.deallocated, 1);
		make_code(2, "z");
		assert_int_not_equal(python_walk_alone(&walk, fake.base, true), 0);
		for (int at = 4; at >= 2; at--) {
			uint32_t node;
			const struct wire_code *code;

			move_to(at);
			node = python_walk_alone(&walk, fake.base, true);
			code = code_at(wire_node(fake.base, node)->module);
			assert_int_equal(code->text[code->file_len], 'z');
			check_node(wire_node(fake.base, node)->parent, 1);
		}
		down();
	}
}

static void check_file(int frame, const char *file)
{
	uint32_t node = python_walk_alone(&walk, fake.base, true);
	const struct wire_code *code;

	for (int i = fake.depth; --i > frame;)
		node = wire_node(fake.base, node)->parent;
	code = code_at(wire_node(fake.base, node)->module);
	assert_int_equal(code->file_len, strlen(file));
	assert_memory_equal(code->text, file, strlen(file));
}

/* Code i is one of the text's; its constants are a number and code `inner`. */
static void make_of_text(int i, const char *name, int inner)
{
	int items = fake.layout->tuple_items;

	make_code(i, name);
	put_word(fake.codes[i], fake.layout->code_file, fake.text);
	put_word(fake.codes[i], fake.layout->code_constants, fake.constants[i]);
	put_word(fake.constants[i], OBJECT_SIZE, (void *)2);
	put_word(fake.constants[i], items, fake.bytes);
	put_word(fake.constants[i], items + 8, inner ? fake.codes[inner] : fake.bytes);
}

static void stack_of(int outer, int inner)
{
	for (int i = 0; i < 2; i++) {
		fake.slot[i] = i;
		fake.code_of[i] = i ? inner : outer;
		fake.is_link[i] = false;
		fake.at[i] = 0;
		write_frame(i);
	}
	fake.depth = 2;
	write_top();
}

/* Code 0, of a file, executes code 1, in which is 2, in which is 3; then code 4, of
 * another file, calls them. */
static void code_of_a_text_belongs_to_who_executed_it(void **state)
{
	static const struct {
		const char *text, *file;
		bool executed;
	} texts[] = {
		{"<string>", "/nowhere/forged.py <string>", true},
		{"<a b>", "/nowhere/forged.py <a b>", true},
		{"<string>", "<string>", false},
		{"<stdin>", "<stdin>", true},
		{"<ipython-input-1-abc>", "<ipython-input-1-abc>", true},
	};

	(void)state;
	for (size_t k = 0; k < 5 * sizeof(python_layouts) / sizeof(*python_layouts);
	     k++) {
		size_t i = k % 5;

		up(&python_layouts[k / 5]);
		make_text(fake.text, texts[i].text);
		make_of_text(1, "<module>", 2);
		make_of_text(2, "f", 3);
		make_of_text(3, "<lambda>", 0);
		make_of_text(5, "<module>", 6);
		make_of_text(6, "g", 0);
		put_word(fake.codes[4], fake.layout->code_file, fake.names[4]);
		if (texts[i].executed) {
			stack_of(0, 1);
			check_file(1, texts[i].file);
			check_file(0, "/nowhere/forged.py");
		}
		stack_of(4, 3);
		check_file(1, texts[i].file);
		/* A text that a text executes is of the same owner. */
		stack_of(2, 5);
		check_file(1, texts[i].file);
		stack_of(4, 6);
		check_file(1, texts[i].file);
		down();
	}
}

/* One that dies without a word does not keep its number for what is no code. */
static void what_is_no_code_has_no_number(void **state)
{
	(void)state;
	up(&python_layouts[PYTHON_3_11]);
	put_word(fake.codes[1], OBJECT_TYPE, fake.types[1]);
	assert_int_equal(python_code_id((uintptr_t)fake.codes[1], 0), 0);
	put_word(fake.codes[2], 0, NULL);
	assert_int_equal(python_code_id((uintptr_t)fake.codes[2], 0), 0);
	assert_int_equal(python_code_id(0, 0), 0);
	assert_int_equal(python_code_id(8, 0), 0);
	assert_int_equal(python_code_id(UINTPTR_MAX - 7, 0), 0);
	assert_int_equal(python_code_id((uintptr_t)fake.codes[3] + 4, 0), 0);
	assert_int_not_equal(python_code_id((uintptr_t)fake.codes[3], 0), 0);
	down();
}

/* From 3.14 on a count has flags beside: code of the interpreter's own is never freed.
 * An address is none, on no version. */
static void a_count_may_have_flags(void **state)
{
	static const uint64_t counts[] = {1,
					  UINT32_MAX,
					  0xc0000000ull | 5ull << 48,
					  1 | 1ull << 48,
					  0x7f0012345670,
					  5ull << 48};

	(void)state;
	for (size_t l = 0; l < sizeof(python_layouts) / sizeof(*python_layouts); l++)
		for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
			bool flags = python_layouts[l].version >= 0x30e;

			up(&python_layouts[l]);
			put_word(fake.codes[1], 0, (void *)counts[i]);
			assert_int_equal(python_code_id((uintptr_t)fake.codes[1], 0) !=
						 0,
					 i < 2 || (i < 4 && flags));
			down();
		}
}

static void push_to(int depth)
{
	while (fake.depth < depth)
		push();
	write_top();
}

/* One of a deep stack's frames goes on, where it is in its code. */
static void move_any(void)
{
	int i = rand() % 3 ? fake.depth - 1 : rand() % fake.depth;

	if (fake.is_link[i])
		return;
	fake.at[i] = rand() % UNITS;
	write_frame(i);
}

static void deep_stacks_keep_both_ends(void **state)
{
	(void)state;
	srand(11);
	for (size_t l = 0; l < sizeof(python_layouts) / sizeof(*python_layouts); l++) {
		up(&python_layouts[l]);
		for (int i = 0; i < unit_rounds(200); i++) {
			push_to(UNWIND_FRAMES - 300 + rand() % 1500);
			check_stack();
			fake.depth -= rand() % 400;
			move_any();
			write_top();
			check_stack();
		}
		assert_int_equal(walk.count, fake.depth);
		/* And again, as it gets shallow. */
		fake.depth = 20;
		write_top();
		check_stack();
		down();
	}
}

/* It was left by siglongjmp in the middle. */
static void a_walk_that_never_ended_costs_no_frames(void **state)
{
	(void)state;
	srand(12);
	for (size_t l = 0; l < sizeof(python_layouts) / sizeof(*python_layouts); l++) {
		up(&python_layouts[l]);
		for (int i = 0; i < unit_rounds(3000); i++) {
			if (i % 1000 == 500)
				push_to(UNWIND_FRAMES + 300);
			step();
			walk.busy |= i % 100 == 0;
			check_stack();
			assert_int_equal(walk.busy, 0);
		}
		down();
	}
}

/* ---- what objects say ------------------------------------------------------ */

static void put_object(char *at, uintptr_t type, uintptr_t length, const char *content,
		       size_t from)
{
	uintptr_t words[] = {0, type, length};

	memcpy(at, words, sizeof(words));
	memcpy(at + from, content, strlen(content));
}

static void equal_objects_say_the_same_and_others_do_not(void **state)
{
	_Alignas(64) char a[64] = {0}, b[64] = {0}; /* each in one page */
	uint64_t x = 0, y = 0;

	(void)state;
	up(&python_layouts[PYTHON_3_11]);
	python.type_bytes = 0x1000;
	put_object(a, 0x1000, 9, "something", 32);
	put_object(b, 0x1000, 9, "something", 32);
	b[24] = 7; /* its hash, which not every one has */
	b[41] = 'x';
	assert_true(python_value(a, &x) && python_value(b, &y));
	assert_int_equal(x, y);
	assert_int_equal(x >> 48, 0);
	for (int i = 32; i < 41; i++) {
		b[i]++;
		assert_true(python_value(b, &y));
		assert_int_not_equal(x, y);
		b[i]--;
	}
	b[16] = 8;
	assert_true(python_value(b, &y));
	assert_int_not_equal(x, y);
	b[16] = 9;
	b[0] = 1; /* it lives: no object that dies */
	assert_false(python_value(b, &y));
	b[0] = 0;
	b[8] = 1; /* of another type */
	assert_false(python_value(b, &y));
	for (size_t l = 0; l <= PYTHON_3_15; l++) {
		python.layout = python_layouts[l];
		assert_true(python_value(a, &y));
		assert_int_equal(x, y);
	}
	python.layout.version++; /* not known there */
	assert_false(python_value(a, &x));
	down();
}

/* Whatever the words are that are taken for an object, near the end of what there is. */
static void nothing_is_read_beyond_the_page(void **state)
{
	char *pages = mmap(NULL, 2 * ARCH_PAGE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t value;

	(void)state;
	up(&python_layouts[PYTHON_3_12]);
	python.type_int = 0x2000;
	python.type_float = 0x3000;
	python.type_complex = 0x4000;
	mprotect(pages + ARCH_PAGE, ARCH_PAGE, PROT_NONE);
	srand(12);
	for (int i = 0; i < unit_rounds(200000); i++) {
		uintptr_t types[] = {python.type_text, python.type_bytes, 0x2000,
				     0x3000, 0x4000};
		char *p = pages + ARCH_PAGE - 16 - rand() % 40 * 16;

		for (char *at = p + 16; at < pages + ARCH_PAGE; at++)
			*at = (char)(rand() % 4 ? 0 : rand());
		memset(p, 0, 8);
		memcpy(p + 8, &types[rand() % 5], 8);
		if (p + 24 <= pages + ARCH_PAGE && rand() % 4)
			memset(p + 17, 0, 7);
		if (python_value(p, &value))
			assert_int_equal(value >> 48, 0);
	}
	munmap(pages, 2 * ARCH_PAGE);
	down();
}

/* ---- the first walks, which believe nothing ------------------------------ */

static bool passes(void)
{
	atomic_store(&python_checks, 8);
	return python_check_slowly((uintptr_t)fake.state);
}

static void hostile(const struct python_layout *l, int what)
{
	char *frame = frame_at(5), *code = fake.codes[3];

	switch (what) {
	case 0: /* around in a circle */
		put_word(frame_at(0), l->frame_outside, frame);
		break;
	case 1: /* out of memory */
		put_word(frame, l->frame_outside, (void *)0x7fff00000008);
		break;
	case 2:
		put_word(frame, l->frame_outside, frame_at(3) + 1);
		break;
	case 3: /* no code */
		put_word(code, OBJECT_TYPE, fake.types[1]);
		break;
	case 4:
		put_word(frame, l->frame_code, NULL);
		break;
	case 5: /* an instruction of another */
		if (l->code_start >= 0)
			put_word(frame, l->frame_at,
				 code + l->code_start + 2 * UNITS + 2);
		else
			put_u32(frame, l->frame_at, 2 * UNITS + 1);
		break;
	case 6:
		put_word(fake.state, l->state_frame, (void *)16);
		break;
	default:
		if (l->frame_owner >= 0)
			frame[l->frame_owner] = 5;
		else
			put_word(frame, l->frame_outside, (void *)-8);
	}
}

static void first_walks_switch_off_at_whatever_is_wrong(void **state)
{
	(void)state;
	srand(9);
	for (size_t l = 0; l < sizeof(python_layouts) / sizeof(*python_layouts); l++)
		for (int what = 0; what < 8; what++) {
			up(&python_layouts[l]);
			for (int i = 0; i < 10; i++) {
				push();
				fake.is_link[i] = false;
				fake.code_of[i] = 3;
				write_frame(i);
			}
			write_top();
			assert_true(passes());
			assert_true(atomic_load(&python.on));
			hostile(&python_layouts[l], what);
			assert_false(passes());
			assert_false(atomic_load(&python.on));
			down();
		}
}

/* ---- several threads ----------------------------------------------------- */

static void *meet_all(void *ids)
{
	for (int round = 0; round < 200; round++)
		for (int i = 0; i < CODES; i++)
			((uint32_t *)ids)[i] =
				python_code_id((uintptr_t)fake.codes[i], 0);
	return NULL;
}

/* The texts are there when the number is. */
static void threads_that_meet_a_code_at_once_agree_on_it(void **state)
{
	static uint32_t ids[4][CODES];
	pthread_t threads[4];

	(void)state;
	up(&python_layouts[PYTHON_3_12]);
	for (int t = 0; t < 4; t++)
		pthread_create(&threads[t], NULL, meet_all, ids[t]);
	for (int t = 0; t < 4; t++)
		pthread_join(threads[t], NULL);
	for (int t = 0; t < 4; t++)
		for (int i = 0; i < CODES; i++) {
			const struct wire_code *code = code_at(ids[t][i]);

			assert_int_not_equal(ids[t][i], 0);
			assert_int_equal(code->text[code->file_len], 'a' + i);
		}
	down();
}

/* ---- functions of a few instructions ------------------------------------- */

#ifdef __x86_64__
static struct {
	_Alignas(64) unsigned char code[64];
	uintptr_t word, pointer;
	uintptr_t runtime[64];
} image;

/* `#` stands for the way to image.word, `@` to image.pointer, `+` for one byte to
 * image.runtime[5], `=` for four. */
static void assemble(const char *text)
{
	unsigned char *to = image.code;

	memset(image.code, 0x90, sizeof(image.code));
	for (; *text; text++) {
		const void *target = *text == '#' ? &image.word : &image.pointer;
		int32_t way = (int32_t)((const unsigned char *)target - (to + 4));

		if (*text == '#' || *text == '@' || *text == '=') {
			way = *text == '=' ? 40 : way;
			memcpy(to, &way, 4);
			to += 4;
		} else if (*text == '+') {
			*to++ = 40;
		} else if (*text != ' ') {
			*to++ = (unsigned char)strtol((char[]){text[0], text[1], 0},
						      NULL, 16);
			text++;
		}
	}
	image.pointer = (uintptr_t)image.runtime;
}

static const struct getter {
	const char *code;
	bool is_test, in_runtime;
} getters[] = {
	{"488b05# c3", false, false},
	{"f30f1efa 488b05# c3", false, false},
	{"488b05@ 488b40+ c3", false, true},
	{"488b05@ 488b80= c3", false, true},
	{"488b05# 4885c0 0f95c0 0fb6c0 c3", true, false},
	{"488b05@ 488b40+ 4885c0 0f95c0 0fb6c0 c3", true, true},
	{"488b05@ 488b80= 4885c0 0f95c0 0fb6c0 c3", true, true},
	{"488b05@ 488378+ 00 0f95c0 0fb6c0 c3", true, true},
};

static const uintptr_t *word_of(bool is_test)
{
	return python_getter_word(image.code, (uintptr_t)image.runtime, is_test);
}

static void a_getter_is_the_word_that_it_reads(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(getters) / sizeof(*getters); i++) {
		const struct getter *g = &getters[i];

		assemble(g->code);
		assert_ptr_equal(word_of(g->is_test),
				 g->in_runtime ? &image.runtime[5] : &image.word);
		assert_null(word_of(!g->is_test));
		image.pointer = (uintptr_t)&image.word;
		if (g->in_runtime)
			assert_null(word_of(g->is_test));
	}
}

/* Of all changes of one bit, those of an address are the only ones to have a word. */
static void other_instructions_are_not_known(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(getters) / sizeof(*getters); i++) {
		const uintptr_t *is;
		int known = 0;

		assemble(getters[i].code);
		is = word_of(getters[i].is_test);
		for (int bit = 0; bit < 8 * PYTHON_GETTER_BYTES; bit++) {
			const uintptr_t *got;

			image.code[bit / 8] ^= (unsigned char)(1 << bit % 8);
			got = word_of(getters[i].is_test);
			image.code[bit / 8] ^= (unsigned char)(1 << bit % 8);
			known += got != NULL && got != is;
			/* Behind its end nothing matters. */
			if (got == is)
				assert_uint_in_range(bit / 8, 8, PYTHON_GETTER_BYTES);
		}
		assert_uint_in_range(known, 0, 24);
	}
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_walk_says_what_is_there_in_every_layout),
		cmocka_unit_test(the_kept_layouts_are_those_of_their_versions),
		cmocka_unit_test(an_address_that_is_used_again_is_another_code),
		cmocka_unit_test(code_of_a_text_belongs_to_who_executed_it),
		cmocka_unit_test(what_is_no_code_has_no_number),
		cmocka_unit_test(a_count_may_have_flags),
		cmocka_unit_test(deep_stacks_keep_both_ends),
		cmocka_unit_test(a_walk_that_never_ended_costs_no_frames),
		cmocka_unit_test(equal_objects_say_the_same_and_others_do_not),
		cmocka_unit_test(nothing_is_read_beyond_the_page),
		cmocka_unit_test(first_walks_switch_off_at_whatever_is_wrong),
		cmocka_unit_test(threads_that_meet_a_code_at_once_agree_on_it),
#ifdef __x86_64__
		cmocka_unit_test(a_getter_is_the_word_that_it_reads),
		cmocka_unit_test(other_instructions_are_not_known),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

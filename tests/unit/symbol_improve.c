#include "tests/unit/symbol_help.h"

enum { STACKS = 400 };

/* Once, for all tests. */
static bool compile(void)
{
	static int compiled = -1;

	if (compiled < 0)
		compiled = !help_run("g++ -O2 -g -Wl,--build-id "
				     "\"$T/symbol_inline.cc\" -o \"$D/prog\" "
				     "2>/dev/null");
	return compiled;
}

static void add_stacks(struct profile *p)
{
	for (uint64_t i = 0; i < STACKS; i++)
		help_stack(p, 0x2000 + 16 * i, 1 + i % 2, PROFILE_STACK_EXACT);
	help_stack(p, 1, 0, PROFILE_STACK_CUT);
	help_stack(p, 0x2000, 0, PROFILE_STACK_EXACT);
}

static size_t improve(struct profile *p)
{
	size_t better = SIZE_MAX;
	struct symbols *s;

	assert_int_equal(symbols_open(&s), 0);
	assert_int_equal(symbols_module(s, 0, help_path("prog"), NULL, ""), 0);
	symbols_module(s, 1, help_path("not-there"), NULL, "");
	assert_int_equal(symbols_improve(s, p, &better), 0);
	assert_true(p->symbolised);
	symbols_close(s);
	return better;
}

/* Names, and twice the lines, of all frames of a stack. */
static size_t known(const struct profile *p, size_t stack)
{
	const struct profile_frame *f;
	size_t sum = 0;

	for (uint32_t n = 0; (f = help_frame(p, stack, n)); n++)
		sum += (f->function != 0) + 2 * (f->file && f->line);
	return sum;
}

/* All that is referred to is there, and all that is there is referred to. */
static void assert_sound(const struct profile *p)
{
	bool *used = calloc(p->frame_count + p->code_count, 1);

	assert_non_null(used);
	for (size_t i = 1; i < p->stack_count; i++) {
		assert_true(p->stacks[i].code && p->stacks[i].code <= p->code_count);
		used[p->frame_count + p->stacks[i].code - 1] = true;
	}
	for (size_t i = 0; i < p->code_count; i++) {
		assert_true(p->codes[i].frames);
		for (uint32_t n = 0; n < p->codes[i].frames; n++) {
			size_t at = p->codes[i].first_frame + n;

			assert_true(at < p->frame_count);
			assert_true(p->frames[at].function < p->strings.count);
			used[at] = true;
		}
	}
	for (size_t i = 0; i < p->frame_count + p->code_count; i++)
		assert_true(used[i]);
	free(used);
}

static void assert_equal_stacks(const struct profile *a, const struct profile *b)
{
	for (size_t i = 1; i < a->stack_count; i++) {
		const struct profile_frame *x, *y;

		for (uint32_t n = 0; (x = help_frame(a, i, n)); n++) {
			y = help_frame(b, i, n);
			assert_non_null(y);
			assert_string_equal(strings_get(&a->strings, x->function),
					    strings_get(&b->strings, y->function));
			assert_int_equal(x->line, y->line);
			assert_int_equal(x->function_last, y->function_last);
		}
	}
}

static void nothing_known_becomes_what_resolving_finds(void **state)
{
	struct profile p, resolved;
	struct symbols *s;

	(void)state;
	if (!compile())
		skip();
	help_profile(&p, 2);
	help_profile(&resolved, 2);
	add_stacks(&p);
	add_stacks(&resolved);
	assert_int_equal(symbols_open(&s), 0);
	assert_int_equal(symbols_module(s, 0, help_path("prog"), NULL, ""), 0);
	assert_int_equal(symbols_resolve(s, &resolved), 0);
	symbols_close(s);
	assert_true(improve(&p) > STACKS / 4);
	assert_sound(&p);
	assert_equal_stacks(&p, &resolved);
	assert_equal_stacks(&resolved, &p);
	help_profile_done(&p);
	help_profile_done(&resolved);
}

static void a_second_time_finds_nothing(void **state)
{
	struct profile p;
	size_t codes, frames;

	(void)state;
	if (!compile())
		skip();
	help_profile(&p, 2);
	add_stacks(&p);
	improve(&p);
	codes = p.code_count;
	frames = p.frame_count;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(improve(&p), 0);
		assert_int_equal(p.code_count, codes);
		assert_int_equal(p.frame_count, frames);
	}
	help_profile_done(&p);
}

/* Forgets something of some frames, or makes up something where nothing was known. */
static void disturb(struct profile *p)
{
	for (size_t i = 0; i < p->frame_count; i++) {
		struct profile_frame *f = &p->frames[i];

		switch (rand() % 6) {
		case 0:
			f->line = 0;
			break;
		case 1:
			f->function = f->linkage = 0;
			break;
		case 2:
			f->file = f->line = 0;
			break;
		case 3:
			if (!f->function)
				f->function = strings_add(&p->strings, "made_up");
			break;
		default:
			break;
		}
	}
	for (size_t i = 1; i < p->stack_count; i++)
		if (rand() % 20 == 0)
			p->stacks[i].code = 0;
}

/* Whatever a profile knows already, no stack knows less afterwards, and those of the
 * file that is there know all. */
static void no_stack_ever_knows_less(void **state)
{
	struct profile p;
	size_t whole[STACKS + 3], gained = 0;

	(void)state;
	if (!compile())
		skip();
	help_profile(&p, 2);
	add_stacks(&p);
	improve(&p);
	for (size_t i = 1; i < p.stack_count; i++)
		whole[i] = known(&p, i);
	srand(3);
	for (int round = 0; round < 40; round++) {
		size_t before[STACKS + 3];

		disturb(&p);
		for (size_t i = 1; i < p.stack_count; i++)
			before[i] = p.stacks[i].code ? known(&p, i) : 0;
		gained += improve(&p);
		assert_sound(&p);
		for (size_t i = 1; i < p.stack_count; i++) {
			assert_true(known(&p, i) >= before[i]);
			if (p.stacks[i].module == 1)
				assert_true(known(&p, i) >= whole[i]);
		}
	}
	assert_true(gained > 1000);
	help_profile_done(&p);
}

/* As a file may have them that nobody of us wrote. */
static void codes_may_overlap(void **state)
{
	struct profile p;

	(void)state;
	if (!compile())
		skip();
	help_profile(&p, 2);
	add_stacks(&p);
	assert_int_equal(array_reserve(&p.frames, &p.frame_room, 3000), 0);
	assert_int_equal(array_reserve(&p.codes, &p.code_room, STACKS), 0);
	memset(p.frames, 0, 3000 * sizeof(*p.frames));
	p.frame_count = 3000;
	for (uint32_t i = 0; i < STACKS; i++) {
		p.codes[p.code_count++] = (struct profile_code){i, 2500};
		p.stacks[i + 1].code = i + 1;
	}
	improve(&p);
	for (size_t i = 1; i < p.stack_count; i++) {
		assert_non_null(help_frame(&p, i, 0));
		if (p.stacks[i].module == 2)
			assert_int_equal(p.codes[p.stacks[i].code - 1].frames, 2500);
	}
	improve(&p);
	help_profile_done(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_known_becomes_what_resolving_finds),
		cmocka_unit_test(a_second_time_finds_nothing),
		cmocka_unit_test(no_stack_ever_knows_less),
		cmocka_unit_test(codes_may_overlap),
	};

	return cmocka_run_group_tests(tests, help_setup, help_teardown);
}

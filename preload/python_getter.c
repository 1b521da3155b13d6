#include "preload/python_getter.h"

#include "preload/python.h"

#include <string.h>

#ifdef __x86_64__

/* What is left of the code. */
struct code {
	const unsigned char *at, *end;
};

static bool take(struct code *c, const char *bytes, size_t n)
{
	if ((size_t)(c->end - c->at) < n || memcmp(c->at, bytes, n) != 0)
		return false;
	c->at += n;
	return true;
}

#define TAKE(c, bytes) take(c, bytes, sizeof(bytes) - 1)

static int32_t take_i32(struct code *c)
{
	int32_t i = 0;

	if (c->end - c->at >= (ptrdiff_t)sizeof(i))
		memcpy(&i, c->at, sizeof(i));
	else
		c->end = c->at;
	c->at += c->end == c->at ? 0 : (ptrdiff_t)sizeof(i);
	return i;
}

static int32_t take_i8(struct code *c)
{
	return c->at < c->end ? (int8_t)*c->at++ : 0;
}

/* The word's address, up to what is done with it; 0: other instructions. tested: in the
 * instruction that loads it. */
static uintptr_t word_of(struct code *c, uintptr_t runtime, bool *ret_tested)
{
	uintptr_t word, pointer = 0;
	int32_t offset;

	TAKE(c, "\xf3\x0f\x1e\xfa"); /* endbr64 */
	*ret_tested = false;
	if (!TAKE(c, "\x48\x8b\x05")) /* mov offset(%rip),%rax */
		return 0;
	offset = take_i32(c);
	word = (uintptr_t)c->at + (uintptr_t)(intptr_t)offset;
	if (TAKE(c, "\x48\x8b\x40")) /* mov offset(%rax),%rax */
		offset = take_i8(c);
	else if (TAKE(c, "\x48\x8b\x80"))
		offset = take_i32(c);
	else if ((*ret_tested = TAKE(c, "\x48\x83\x78"))) /* cmpq $0,offset(%rax) */
		offset = take_i8(c);
	else
		return word;
	/* A pointer that the loader has set, to what the program names. */
	if (!runtime || !python_read(word, &pointer, sizeof(pointer)) ||
	    pointer != runtime)
		return 0;
	return runtime + (uintptr_t)(intptr_t)offset;
}

static bool ends(struct code *c, bool is_test, bool tested)
{
	if (!is_test)
		return !tested && TAKE(c, "\xc3");
	/* test %rax,%rax; or the comparison's 0. Then setne, movzbl, ret */
	return (tested ? TAKE(c, "\x00") : TAKE(c, "\x48\x85\xc0")) &&
	       TAKE(c, "\x0f\x95\xc0\x0f\xb6\xc0\xc3");
}

const uintptr_t *python_getter_word(const unsigned char *code, uintptr_t runtime,
				    bool is_test)
{
	struct code c = {code, code + PYTHON_GETTER_BYTES};
	uintptr_t word, value;
	unsigned char copy;
	bool tested;

	/* Its end may be the module's. */
	while (c.end > code && !python_read((uintptr_t)(c.end - 1), &copy, 1))
		c.end--;
	word = word_of(&c, runtime, &tested);
	if (word && word % sizeof(word) == 0 && ends(&c, is_test, tested) &&
	    python_read(word, &value, sizeof(value)))
		return (const uintptr_t *)word;
	return NULL;
}

#else

/* Other instructions are not read: the functions are called. */
const uintptr_t *python_getter_word(const unsigned char *code, uintptr_t runtime,
				    bool is_test)
{
	(void)code;
	(void)runtime;
	(void)is_test;
	return NULL;
}

#endif

#include "preload/python_value.h"

#include "preload/arch.h"
#include "preload/python.h"

#include <string.h>

enum { /* fields of objects, 3.8 to 3.15 */
       TYPE_AT = 8,
       SIZE_AT = 16,
       STATE_AT = 32,
       NUMBER_AT = 16,
       DIGITS_AT = 24,
       BYTES_AT = 32,
       DIGIT_BYTES = 4,
       DIGITS_MAX = PYTHON_VALUE_BYTES / DIGIT_BYTES,
       KIND_SHIFT = 2,
       COMPACT = 1 << 5,
       ASCII = 1 << 6,
       VALUE_BITS = 48,
};

struct extent { /* of the content, from the object's start */
	uintptr_t at, bytes;
};

static uintptr_t word(const char *p, size_t at)
{
	uintptr_t w;

	memcpy(&w, p + at, sizeof(w));
	return w;
}

/* Is there that much of the object in its page? */
static bool has(const char *p, uintptr_t bytes)
{
	return bytes <= ARCH_PAGE - (uintptr_t)p % ARCH_PAGE;
}

static bool text_of(const char *p, struct extent *ret)
{
	bool old = python.layout.version < 0x30c;
	uint32_t state;

	if (!has(p, STATE_AT + sizeof(state)))
		return false;
	memcpy(&state, p + STATE_AT, sizeof(state));
	if (!(state & COMPACT) || word(p, SIZE_AT) > PYTHON_VALUE_BYTES)
		return false;
	ret->bytes = word(p, SIZE_AT) * (state >> KIND_SHIFT & 7);
	if (state & ASCII)
		ret->at = old ? 48 : 40;
	else
		ret->at = old ? 72 : 56;
	return true;
}

static bool number_of(const char *p, struct extent *ret)
{
	intptr_t digits;

	if (!has(p, DIGITS_AT))
		return false;
	digits = (intptr_t)word(p, SIZE_AT);
	if (python.layout.version >= 0x30c)
		digits >>= 3;
	else if (digits < 0)
		digits = -digits;
	if (digits < 0 || digits > DIGITS_MAX)
		return false;
	/* The sign is beside the number of digits. */
	*ret = (struct extent){SIZE_AT,
			       sizeof(uintptr_t) + (uintptr_t)digits * DIGIT_BYTES};
	return true;
}

static bool extent_of(const char *p, struct extent *ret)
{
	uintptr_t type = word(p, TYPE_AT);

	/* One that dies has no references. Blocks of other kinds may lie where one did, and
	 * have something of it left. Nor is a type meant that is not exported. */
	if (word(p, 0) || !type)
		return false;
	if (type == python.type_text)
		return text_of(p, ret);
	if (type == python.type_int)
		return number_of(p, ret);
	*ret = (struct extent){NUMBER_AT, sizeof(double)};
	if (type == python.type_float)
		return true;
	ret->bytes *= 2;
	if (type == python.type_complex)
		return true;
	if (type != python.type_bytes || !has(p, BYTES_AT))
		return false;
	*ret = (struct extent){BYTES_AT, word(p, SIZE_AT)};
	return true;
}

static uint64_t mix(uint64_t hash, uint64_t next)
{
	hash = (hash ^ next) * 0x9e3779b97f4a7c15ull;
	return hash ^ hash >> 32;
}

bool python_value(const void *object, uint64_t *ret)
{
	const char *p = object;
	struct extent x;
	uint64_t hash, tail = 0;

	/* (Later ones may have a text's state in other bits.) */
	if (python.layout.version > 0x30f || !has(p, TYPE_AT + sizeof(uintptr_t)) ||
	    !extent_of(p, &x) || x.bytes > PYTHON_VALUE_BYTES ||
	    !has(p, x.at + x.bytes))
		return false;
	hash = mix(word(p, TYPE_AT), x.bytes << 8 | x.at);
	for (; x.bytes >= sizeof(uint64_t); x.at += sizeof(uint64_t)) {
		hash = mix(hash, word(p, x.at));
		x.bytes -= sizeof(uint64_t);
	}
	memcpy(&tail, p + x.at, x.bytes);
	*ret = mix(mix(hash, tail), 0) >> (64 - VALUE_BITS);
	return true;
}

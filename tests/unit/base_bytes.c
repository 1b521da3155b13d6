#include "tests/unit/unit.h"

#include "cli/base/bytes.h"

#include <stdlib.h>
#include <string.h>

/* Every magnitude, both sides of each power of two. */
static uint64_t value(unsigned i)
{
	uint64_t power = 1ull << (i / 3 % 64);

	return i < 192 ? power + i % 3 - 1 : UINT64_MAX;
}

enum { VALUES = 193 };

static void varints_come_back_as_they_went(void **state)
{
	struct bytes b = {0};
	struct bytes_reader in;

	(void)state;
	for (unsigned i = 0; i < VALUES; i++) {
		size_t before = b.len;

		bytes_put_varint(&b, value(i));
		assert_uint_in_range(b.len - before, 1, BYTES_VARINT_MAX);
	}
	assert_false(b.failed);
	in = bytes_reader(b.data, b.len);
	for (unsigned i = 0; i < VALUES; i++)
		assert_true(bytes_get_varint(&in) == value(i));
	assert_false(in.failed);
	assert_int_equal(bytes_left(&in), 0);
	bytes_done(&b);
}

static void small_numbers_take_one_byte_whatever_their_sign(void **state)
{
	(void)state;
	assert_int_equal(bytes_zigzag(0), 0);
	assert_int_equal(bytes_zigzag((uint64_t)-1), 1);
	assert_int_equal(bytes_zigzag(1), 2);
	assert_int_equal(bytes_zigzag((uint64_t)-64), 127);
	for (unsigned i = 0; i < VALUES; i++) {
		assert_true(bytes_unzigzag(bytes_zigzag(value(i))) == value(i));
		assert_true(bytes_unzigzag(bytes_zigzag(0 - value(i))) == 0 - value(i));
	}
}

static void integers_are_little_endian(void **state)
{
	static const unsigned char expected[] = {0xcd, 0xab, 0x67, 0x45, 0x23, 0xf1};
	struct bytes b = {0};
	struct bytes_reader in;

	(void)state;
	bytes_put_u16(&b, 0xabcd);
	bytes_put_u32(&b, 0xf1234567);
	assert_int_equal(b.len, sizeof(expected));
	assert_memory_equal(b.data, expected, sizeof(expected));
	in = bytes_reader(b.data, b.len);
	assert_int_equal(bytes_get_u16(&in), 0xabcd);
	assert_true(bytes_get_u32(&in) == 0xf1234567);
	assert_false(in.failed);
	bytes_done(&b);
}

static void the_reader_never_goes_past_the_end(void **state)
{
	struct bytes b = {0};

	(void)state;
	bytes_put_varint(&b, UINT64_MAX);
	for (size_t len = 0; len < b.len; len++) {
		/* Of its own size, so that a sanitizer sees a byte too much. */
		unsigned char *copy = malloc(len + !len);
		struct bytes_reader in;

		memcpy(copy, b.data, len);
		in = bytes_reader(copy, len);
		assert_true(bytes_get_varint(&in) == 0);
		assert_true(in.failed);
		in = bytes_reader(copy, len);
		assert_null(bytes_get(&in, len + 1));
		assert_null(bytes_get(&in, SIZE_MAX));
		assert_true(in.failed);
		free(copy);
	}
	bytes_done(&b);
}

static void a_failed_reader_gives_nothing_more(void **state)
{
	struct bytes_reader in = bytes_reader("\1\2\3", 3);

	(void)state;
	assert_int_equal(bytes_get_varint(&in), 1);
	assert_true(bytes_get_u32(&in) == 0);
	assert_int_equal(bytes_get_varint(&in), 0);
	assert_null(bytes_get(&in, 0));
	assert_true(in.failed);
}

static void a_varint_beyond_64_bits_is_refused(void **state)
{
	static const unsigned char over[] = {0xff, 0xff, 0xff, 0xff, 0xff,
					     0xff, 0xff, 0xff, 0xff, 0x02};
	static const unsigned char endless[] = {0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
						0x80, 0x80, 0x80, 0x80, 0x80, 0x00};
	struct bytes_reader in = bytes_reader(over, sizeof(over));

	(void)state;
	assert_int_equal(bytes_get_varint(&in), 0);
	assert_true(in.failed);
	in = bytes_reader(endless, sizeof(endless));
	assert_int_equal(bytes_get_varint(&in), 0);
	assert_true(in.failed);
}

static void what_cannot_fit_fails_and_stays_failed(void **state)
{
	struct bytes b = {0};

	(void)state;
	bytes_put(&b, "abc", 3);
	assert_null(bytes_room(&b, SIZE_MAX - 1));
	assert_true(b.failed);
	bytes_put(&b, "d", 1);
	assert_int_equal(b.len, 3);
	bytes_reset(&b);
	bytes_put(&b, "d", 1);
	assert_false(b.failed);
	assert_int_equal(b.len, 1);
	bytes_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(varints_come_back_as_they_went),
		cmocka_unit_test(small_numbers_take_one_byte_whatever_their_sign),
		cmocka_unit_test(integers_are_little_endian),
		cmocka_unit_test(the_reader_never_goes_past_the_end),
		cmocka_unit_test(a_failed_reader_gives_nothing_more),
		cmocka_unit_test(a_varint_beyond_64_bits_is_refused),
		cmocka_unit_test(what_cannot_fit_fails_and_stays_failed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

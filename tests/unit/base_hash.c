#include "tests/unit/unit.h"

#include "cli/base/hash.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *own_path;

/* The example of the paper's appendix: key 00 01 .. 0f, text 00 01 .. 0e. */
static void the_published_example_comes_out(void **state)
{
	struct hash_key key = {0x0706050403020100ull, 0x0f0e0d0c0b0a0908ull};
	unsigned char text[15];

	(void)state;
	for (unsigned char i = 0; i < sizeof(text); i++)
		text[i] = i;
	assert_true(hash_sip(key, 2, 4, text, sizeof(text)) == 0xa129ca6149be45e5ull);
}

static void every_byte_and_the_length_count(void **state)
{
	unsigned char text[64] = {0};
	uint64_t seen[64 * 9];
	size_t n = 0;

	(void)state;
	for (size_t len = 0; len < sizeof(text); len++)
		seen[n++] = hash_bytes(text, len);
	for (size_t i = 0; i < sizeof(text); i++)
		for (int bit = 0; bit < 8; bit++) {
			text[i] ^= (unsigned char)(1 << bit);
			seen[n++] = hash_bytes(text, sizeof(text));
			text[i] ^= (unsigned char)(1 << bit);
		}
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < i; k++)
			assert_true(seen[i] != seen[k]);
}

static uint64_t of_another_process(void)
{
	char command[600];
	uint64_t hash = 0;
	FILE *out;

	snprintf(command, sizeof(command), "exec '%s' --print", own_path);
	out = popen(command, "r");
	assert_non_null(out);
	assert_int_equal(fscanf(out, "%" SCNu64, &hash), 1);
	assert_int_equal(pclose(out), 0);
	return hash;
}

static void another_process_hashes_otherwise(void **state)
{
	uint64_t one = of_another_process(), two = of_another_process();

	(void)state;
	assert_true(one != two);
	assert_true(one != hash_bytes("text", 4));
	assert_true(hash_bytes("text", 4) == hash_bytes("text", 4));
}

/* How many of 1 << 16 slots the keys (of which as many are) take. */
static size_t slots_of(uint64_t (*key)(uint64_t i, uint64_t *ret_b))
{
	enum { SLOTS = 1 << 16 };
	static bool taken[SLOTS];
	size_t n = 0;

	memset(taken, 0, sizeof(taken));
	for (uint64_t i = 0; i < SLOTS; i++) {
		uint64_t b, a = key(i, &b);
		bool *slot = &taken[hash_pair(a, b) % SLOTS];

		n += !*slot;
		*slot = true;
	}
	return n;
}

/* Keys that multiply-and-shift mixers with known constants send to one slot. */
static uint64_t made_to_collide(uint64_t i, uint64_t *ret_b)
{
	uint64_t h = i * 0x9e3779b97f4a7c15ull;

	*ret_b = 0 - (h ^ h >> 32);
	return i;
}

static uint64_t in_strides(uint64_t i, uint64_t *ret_b)
{
	*ret_b = i << 48;
	return i << 20;
}

static uint64_t counted(uint64_t i, uint64_t *ret_b)
{
	*ret_b = 0;
	return i;
}

static void chosen_keys_spread_like_any(void **state)
{
	/* n keys over n slots take 63.2 % of them, give or take half a percent. */
	(void)state;
	assert_uint_in_range(slots_of(made_to_collide), 41000, 41900);
	assert_uint_in_range(slots_of(in_strides), 41000, 41900);
	assert_uint_in_range(slots_of(counted), 41000, 41900);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_published_example_comes_out),
		cmocka_unit_test(every_byte_and_the_length_count),
		cmocka_unit_test(another_process_hashes_otherwise),
		cmocka_unit_test(chosen_keys_spread_like_any),
	};

	if (argc > 1) {
		printf("%" PRIu64 "\n", hash_bytes("text", 4));
		return 0;
	}
	own_path = argv[0];
	return cmocka_run_group_tests(tests, NULL, NULL);
}

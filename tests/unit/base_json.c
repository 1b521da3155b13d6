#include "tests/unit/unit.h"

#include "cli/base/json.h"
#include "tests/unit/json_check.h"

#include <stdlib.h>

static uint64_t any(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	return z ^ z >> 31;
}

static char *string_json(const char *text)
{
	char *written = NULL;
	size_t len = 0;
	struct json j = {.out = open_memstream(&written, &len)};

	json_string(&j, text);
	fclose(j.out);
	return written;
}

static void check_string(const char *text, const char *expected)
{
	char *written = string_json(text);

	assert_string_equal(written, expected);
	free(written);
}

static void what_could_mislead_is_escaped(void **state)
{
	(void)state;
	check_string("a\"b\\c/\n\t", "\"a\\\"b\\\\c/\\n\\t\"");
	check_string("\033[0m\001\177", "\"\\u001b[0m\\u0001\\u007f\"");
	check_string("\xc2\x9b\xe2\x80\xae", "\"\\u009b\\u202e\"");
	check_string("\xf3\xa0\x81\x81", "\"\\udb40\\udc41\"");
	check_string("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80",
		     "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"");
}

static void what_is_no_utf_8_is_replaced_byte_by_byte(void **state)
{
	(void)state;
	check_string("\xff", "\"\xef\xbf\xbd\"");
	check_string("\xc0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\"");
	check_string("\xed\xa0\x80",
		     "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""); /* a surrogate */
	check_string("a\xe2\x82", "\"a\xef\xbf\xbd\xef\xbf\xbd\""); /* cut short */
	check_string("\xf4\x90\x80\x80z",
		     "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz\"");
}

static void any_bytes_become_a_string(void **state)
{
	uint64_t seed = 1;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		char text[40], *written;
		size_t len = any(&seed) % sizeof(text);

		for (size_t i = 0; i < len; i++)
			text[i] = (char)(any(&seed) % 255 + 1);
		text[len ? len - 1 : 0] = '\0';
		written = string_json(text);
		assert_true(json_check(written));
		for (const char *s = written; *s; s++)
			assert_true((unsigned char)*s >= ' ' && *s != 0x7f);
		free(written);
	}
}

static void numbers_are_exact(void **state)
{
	char *written = NULL;
	size_t len = 0;
	struct json j = {.out = open_memstream(&written, &len)};

	(void)state;
	json_array(&j);
	json_unsigned(&j, UINT64_MAX);
	json_signed(&j, INT64_MIN);
	json_null(&j);
	json_bool(&j, true);
	json_close(&j);
	json_end(&j);
	fclose(j.out);
	assert_string_equal(
		written, "[18446744073709551615, -9223372036854775808, null, true]\n");
	free(written);
}

/* Writes a random nest, as deep as it may be. */
static void put_nest(struct json *j, uint64_t *seed)
{
	char kinds[JSON_DEPTH];
	unsigned depth = 0;

	json_array(j);
	kinds[depth++] = '[';
	while (depth) {
		uint64_t what = any(seed) % 8;

		if (what >= 5) { /* often enough to come to an end */
			json_close(j);
			depth--;
			continue;
		}
		if (kinds[depth - 1] == '{')
			json_key(j, "key \" \n");
		if (what == 1 && depth + 1 < JSON_DEPTH) {
			json_object(j);
			kinds[depth++] = '{';
		} else if (what == 2 && depth + 1 < JSON_DEPTH) {
			json_array(j);
			kinds[depth++] = '[';
		} else if (what == 3) {
			json_signed(j, (int64_t)any(seed));
		} else {
			json_string(j, "x");
		}
	}
	json_end(j);
}

static void any_nest_is_well_formed(void **state)
{
	uint64_t seed = 2;

	(void)state;
	for (unsigned round = 0; round < 5000; round++) {
		char *written = NULL;
		size_t len = 0;
		struct json j = {.out = open_memstream(&written, &len),
				 .spread = round % 5};

		put_nest(&j, &seed);
		fclose(j.out);
		assert_true(json_check(written));
		free(written);
	}
}

static void the_checker_can_say_no(void **state)
{
	static const char *const wrong[] = {
		"",	     "{",      "[1,]", "[1 2]",	     "{\"a\"}",
		"{\"a\": }", "{1: 2}", "[1]]", "[\"\n\"]",   "[01]",
		"[\"\\x\"]", "[}",     "1 2",  "[\"\xff\"]",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_false(json_check(wrong[i]));
	assert_true(json_check(" {\"a\": [1, {}, []], \"b\": null}\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_could_mislead_is_escaped),
		cmocka_unit_test(what_is_no_utf_8_is_replaced_byte_by_byte),
		cmocka_unit_test(any_bytes_become_a_string),
		cmocka_unit_test(numbers_are_exact),
		cmocka_unit_test(any_nest_is_well_formed),
		cmocka_unit_test(the_checker_can_say_no),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "tests/unit/unit.h"

#include "cli/serve/request.h"
#include "tests/unit/chance.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOKEN "0123456789abcdef0123456789abcdef"

static uint64_t state = 88172645463325252ull;

static unsigned below(unsigned n)
{
	return (unsigned)chance_below(&state, n);
}

/* Of a copy without a byte to spare, so that a sanitizer sees who reads on. */
static int parse(const char *target, struct request *ret)
{
	char *copy = strdup(target);
	int refused = request_parse(copy, TOKEN, ret);

	free(copy);
	return refused;
}

static void a_target_is_taken_apart(void **unused)
{
	struct request *r = malloc(sizeof(*r));

	(void)unused;
	assert_int_equal(parse("/" TOKEN "/", r), 0);
	assert_string_equal(r->path, "");
	assert_int_equal(r->count, 0);
	assert_int_equal(parse("/" TOKEN "/api/lines?a=b+c&flag&e=&%61=%3D%26%2b", r),
			 0);
	assert_string_equal(r->path, "api/lines");
	assert_int_equal(r->count, 4);
	assert_string_equal(r->pairs[0].name, "a");
	assert_string_equal(r->pairs[0].value, "b c");
	assert_string_equal(r->pairs[1].name, "flag");
	assert_string_equal(r->pairs[1].value, "");
	assert_string_equal(r->pairs[2].value, "");
	assert_string_equal(r->pairs[3].name, "a");
	assert_string_equal(r->pairs[3].value, "=&+");
	free(r);
}

static void only_the_token_opens(void **unused)
{
	struct request *r = malloc(sizeof(*r));
	char target[] = "/" TOKEN "/api/lines";

	(void)unused;
	assert_int_equal(parse(target, r), 0);
	for (size_t i = 0; i <= REQUEST_TOKEN; i++)
		for (int bit = 0; bit < 8; bit++) {
			target[i] = (char)(target[i] ^ 1 << bit);
			assert_int_equal(parse(target, r), 403);
			target[i] = (char)(target[i] ^ 1 << bit);
		}
	for (size_t len = 0; len <= REQUEST_TOKEN; len++) {
		char *cut = strndup(target, len);

		assert_int_equal(parse(cut, r), 403);
		free(cut);
	}
	free(r);
}

static void what_cannot_be_is_refused(void **unused)
{
	static const struct {
		const char *behind;
		int status;
	} cases[] = {
		{"", 404},	   {"x", 404},	       {"/..%2f", 404},
		{"/a b", 404},	   {"/\xff", 404},     {"/a%00", 404},
		{"/a?b=%", 400},   {"/a?b=%1", 400},   {"/a?b=%00", 400},
		{"/a?b=%g1", 400}, {"/a?=b", 400},     {"/a?&", 400},
		{"/a?b%0=", 400},  {"/a?b=c&&d", 400}, {"/a?b=%1&c=d", 400},
		{"/a?", 0},	   {"/a?b", 0},	       {"/a?b=c&", 0},
		{"/../..", 0}, /* a path that nobody has */
	};
	struct request *r = malloc(sizeof(*r));

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char target[128];

		snprintf(target, sizeof(target), "/" TOKEN "%s", cases[i].behind);
		if (parse(target, r) != cases[i].status)
			fail_msg("%s: not %d", target, cases[i].status);
	}
	free(r);
}

static void long_targets_are_refused(void **unused)
{
	struct request *r = malloc(sizeof(*r));
	char *target = malloc(2 * REQUEST_BYTES);

	(void)unused;
	for (size_t len = 0; len < 2 * REQUEST_BYTES - 64; len += 1 + len / 16) {
		int start = sprintf(target, "/" TOKEN "/a?b="), refused;

		memset(target + start, 'x', len);
		target[start + (int)len] = '\0';
		refused = parse(target, r);
		assert_true(refused == 0 || refused == 414);
		if (len < REQUEST_BYTES - 256)
			assert_int_equal(refused, 0);
		if (!refused)
			assert_int_equal(strlen(r->pairs[0].value), len);
		if (len > REQUEST_BYTES)
			assert_int_equal(refused, 414);
	}
	for (size_t len = 0; len < 2 * REQUEST_PATH; len++) {
		int start = sprintf(target, "/" TOKEN "/");

		memset(target + start, 'x', len);
		target[start + (int)len] = '\0';
		assert_int_equal(parse(target, r), len < REQUEST_PATH ? 0 : 404);
	}
	free(target);
	free(r);
}

static int put_encoded(char *to, const char *text)
{
	int len = 0;

	for (; *text; text++)
		len += sprintf(to + len, below(2) ? "%%%02x" : "%%%02X",
			       (unsigned char)*text);
	return len;
}

static void make_text(char text[20])
{
	size_t len = 1 + below(18);

	for (size_t i = 0; i < len; i++)
		text[i] = (char)(1 + below(255));
	text[len] = '\0';
}

static void what_is_encoded_comes_back(void **unused)
{
	struct request *r = malloc(sizeof(*r));

	(void)unused;
	for (int round = 0; round < 500; round++) {
		char names[REQUEST_PAIRS][20], values[REQUEST_PAIRS][20];
		char target[REQUEST_PAIRS * 130 + 64];
		size_t count = below(REQUEST_PAIRS + 1);
		int len = sprintf(target, "/" TOKEN "/p?");

		for (size_t i = 0; i < count; i++) {
			make_text(names[i]);
			make_text(values[i]);
			len += sprintf(target + len, i ? "&" : "");
			len += put_encoded(target + len, names[i]);
			len += sprintf(target + len, "=");
			len += put_encoded(target + len, values[i]);
		}
		assert_int_equal(parse(target, r), 0);
		assert_int_equal(r->count, count);
		for (size_t i = 0; i < count; i++) {
			assert_string_equal(r->pairs[i].name, names[i]);
			assert_string_equal(r->pairs[i].value, values[i]);
		}
	}
	free(r);
}

static void any_bytes_are_harmless(void **unused)
{
	static const char likely[] = "?&=%+/#.0aF\xff\x01";
	struct request *r = malloc(sizeof(*r));

	(void)unused;
	for (int round = 0; round < 20000; round++) {
		char target[256] = "/" TOKEN "/";
		size_t at = below(20) ? strlen(target) : 0, end = at + below(120);

		while (at < end)
			target[at++] = likely[below(sizeof(likely) - 1)];
		target[at] = '\0';
		if (parse(target, r))
			continue;
		assert_int_equal(strspn(r->path, "/.0aF"), strlen(r->path));
		assert_true(r->count <= REQUEST_PAIRS);
		for (size_t i = 0; i < r->count; i++)
			assert_true(strlen(r->pairs[i].name) +
					    strlen(r->pairs[i].value) <
				    sizeof(r->text));
	}
	free(r);
}

static void hosts_are_this_machine_and_port(void **unused)
{
	(void)unused;
	assert_true(request_host("127.0.0.1:8080", 8080));
	assert_true(request_host("localhost:8080", 8080));
	assert_true(request_host("LocalHost:8080", 8080));
	assert_true(request_host("127.0.0.1", 80));
	assert_true(request_host("127.0.0.1:80", 80));
	assert_false(request_host("127.0.0.1", 8080));
	assert_false(request_host("127.0.0.1:80800", 8080));
	assert_false(request_host("127.0.0.1:808", 8080));
	assert_false(request_host("127.0.0.1.evil:8080", 8080));
	assert_false(request_host("evil.localhost:8080", 8080));
	assert_false(request_host("", 80));
	assert_false(request_host(NULL, 80));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_target_is_taken_apart),
		cmocka_unit_test(only_the_token_opens),
		cmocka_unit_test(what_cannot_be_is_refused),
		cmocka_unit_test(long_targets_are_refused),
		cmocka_unit_test(what_is_encoded_comes_back),
		cmocka_unit_test(any_bytes_are_harmless),
		cmocka_unit_test(hosts_are_this_machine_and_port),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Files made to harm: checksums all right, or not looked at, and contents that lie.
 */
#include "tests/unit/unit.h"

#include "cli/base/cleanup.h"
#include "tests/unit/profile_walk.h"

#include <errno.h>
#include <sys/resource.h>
#include <time.h>
#include <zlib.h>

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif

/* No more memory than this, so that what believes a count fails for want of it. */
static int bound_memory(void **state)
{
	(void)state;
#ifndef SANITIZED
	return setrlimit(RLIMIT_AS, &(struct rlimit){256 << 20, 256 << 20});
#endif
	return 0;
}

static void begin(struct bytes *file)
{
	bytes_put(file, FORMAT_MAGIC, FORMAT_MAGIC_BYTES);
	bytes_put_u32(file, FORMAT_VERSION);
	bytes_put_u32(file, 0);
}

static void chunk(struct bytes *file, struct format_header h, const void *payload)
{
	format_put_header(file, &h);
	bytes_put(file, payload, h.stored);
}

static void plain_chunk(struct bytes *file, uint16_t type, const struct bytes *payload)
{
	uint32_t len = (uint32_t)payload->len;

	chunk(file, (struct format_header){.type = type, .stored = len, .raw = len},
	      payload->data);
}

/* Ends the file, loads it and lets go of it. */
static int load_and_done(struct bytes *file, char *why, size_t why_bytes)
{
	struct profile *p = NULL;
	int r;

	chunk(file, (struct format_header){.type = FORMAT_COMMIT}, NULL);
	r = profile_load_bytes(file->data, file->len, true, &p, why, why_bytes);
	if (r == 0)
		walk(p);
	profile_close(p);
	bytes_done(file);
	return r;
}

/* One chunk of a type with this row header and some bytes behind it. */
static int load_rows(uint16_t type, uint64_t first, uint64_t rows, uint64_t columns,
		     size_t behind)
{
	_cleanup_(bytes_done) struct bytes payload = {0};
	struct bytes file = {0};
	char why[200];

	begin(&file);
	bytes_put_varint(&payload, first);
	bytes_put_varint(&payload, rows);
	bytes_put_varint(&payload, columns);
	for (size_t i = 0; i < behind; i++)
		bytes_put_varint(&payload, 0);
	plain_chunk(&file, type, &payload);
	return load_and_done(&file, why, sizeof(why));
}

static void counts_are_believed_as_far_as_there_are_bytes(void **state)
{
	static const uint64_t counts[] = {1 << 20, 1ull << 31, 1ull << 32, 1ull << 40,
					  1ull << 61, 1ull << 63, UINT64_MAX};

	(void)state;
	for (uint16_t type = FORMAT_META; type < FORMAT_CHUNKS; type++) {
		size_t columns = format_sections[type].column_count + !type;

		if (type == FORMAT_STRING_PART)
			continue;
		columns = columns ? columns : 1;
		for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
			assert_int_equal(load_rows(type, 0, counts[i], columns, 1000),
					 -EBADMSG);
			assert_int_equal(load_rows(type, 1, counts[i], columns, 1000),
					 -EBADMSG);
			assert_int_equal(load_rows(type, counts[i], 1, columns, 1000),
					 -EBADMSG);
			assert_int_equal(load_rows(type, 0, 0, counts[i], 1000), -EBADMSG);
			assert_int_equal(load_rows(type, 0, 1, counts[i], 1000), -EBADMSG);
		}
		assert_int_equal(load_rows(type, 0, 1, columns - 1, 1000), -EBADMSG);
		assert_int_equal(load_rows(type, 0, 1, columns, columns - 1), -EBADMSG);
	}
}

/* Columns of a newer writer, behind those that we know, are skipped. */
static void more_columns_than_we_know_are_no_harm(void **state)
{
	size_t known = format_sections[FORMAT_BINS].column_count;

	(void)state;
	assert_int_equal(load_rows(FORMAT_BINS, 0, 1, known + 3, known + 3), 0);
	assert_int_equal(load_rows(FORMAT_BINS, 0, 1, known + 3, known + 2), -EBADMSG);
}

static int load_deflated(const void *data, size_t len, uint32_t raw, size_t stored)
{
	_cleanup_(freep) unsigned char *packed = calloc(1, compressBound(len) + stored);
	uLongf packed_len = compressBound(len);
	struct bytes file = {0};
	char why[200];

	begin(&file);
	assert_int_equal(compress2(packed, &packed_len, data, len, 9), Z_OK);
	stored = stored > packed_len ? stored : packed_len;
	chunk(&file, (struct format_header){.type = FORMAT_STRING_PART,
					    .flags = FORMAT_DEFLATED,
					    .stored = (uint32_t)stored,
					    .raw = raw},
	      packed);
	return load_and_done(&file, why, sizeof(why));
}

static void a_bomb_is_not_inflated(void **state)
{
	size_t len = 4 << 20;
	_cleanup_(freep) char *zeroes = calloc(1, len + 1);
	size_t enough = (len - FORMAT_RATIO_SLACK) / FORMAT_RATIO_MAX;

	(void)state;
	/* A damaged chunk before the first commit, or one that makes no sense. */
	assert_int_equal(load_deflated(zeroes, len, 4 << 20, 0), -EBADMSG);
	assert_int_equal(load_deflated(zeroes, len, 4 << 20, enough - 1), -EBADMSG);
	assert_int_equal(load_deflated(zeroes, len, 4 << 20, enough), 0);
	assert_int_equal(load_deflated(zeroes, len, (4 << 20) - 1, enough), -EBADMSG);
	assert_int_equal(load_deflated(zeroes, len - 1, 4 << 20, enough), -EBADMSG);
	assert_int_equal(load_deflated(zeroes, len + 1, (4 << 20) + 1, enough + 9),
			 -EBADMSG);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* A file's worth of bytes costs about the same whatever they say: many chunks of
 * nothing over a large profile are no more work than their bytes. */
static void many_small_chunks_cost_no_more_than_their_bytes(void **state)
{
	_cleanup_(bytes_done) struct bytes payload = {0};
	struct bytes file = {0};
	size_t rows = 400000, columns = format_sections[FORMAT_CODES].column_count;
	char why[200];
	double start;

	(void)state;
	begin(&file);
	bytes_put_varint(&payload, 1);
	bytes_put_varint(&payload, rows);
	bytes_put_varint(&payload, format_sections[FORMAT_STACKS].column_count);
	for (size_t i = 0; i < rows * format_sections[FORMAT_STACKS].column_count; i++)
		bytes_put_varint(&payload, i / rows == 1); /* every parent one back */
	plain_chunk(&file, FORMAT_STACKS, &payload);
	for (uint16_t i = 0; i < 40000; i++) {
		bytes_reset(&payload);
		bytes_put_varint(&payload, 0);
		bytes_put_varint(&payload, 0);
		bytes_put_varint(&payload, columns);
		plain_chunk(&file, FORMAT_CODES, &payload);
		payload.len -= 1;
		bytes_put_varint(&payload, format_sections[FORMAT_SITES].column_count);
		plain_chunk(&file, FORMAT_SITES, &payload);
	}
	start = now();
	assert_int_equal(load_and_done(&file, why, sizeof(why)), 0);
	assert_true(now() - start < 5);
}

/* ---- random lies -------------------------------------------------------------- */

/* A few seconds of what the fuzzer does for longer, the same in every run: profiles
 * damaged here and there, read without looking at checksums. */
static void damaged_contents_are_refused_or_harmless(void **state)
{
	struct bytes whole = {0}, b = {0};
	double start = now();
	int accepted = 0, refused = 0;

	(void)state;
	for (uint64_t seed = 0; seed < 200; seed++) {
		struct make m = {.state = seed, .size = 3 + (uint32_t)seed % 10};
		struct profile *p = profile_new();

		make_more(&m, p);
		walk_write(p, 0, &whole);
		profile_close(p);
		for (int round = 0; round < 1000 && now() - start < 60; round++) {
			struct profile *loaded = NULL;
			char why[200];
			int r;

			bytes_reset(&b);
			bytes_put(&b, whole.data, whole.len);
			for (uint32_t n = 1 + make_below(&m, 4); n; n--)
				make_corrupt(&m, &b);
			r = profile_load_bytes(b.data, b.len, true, &loaded, why,
					       sizeof(why));
			if (r == 0) {
				walk(loaded);
				walk_again(loaded);
				accepted++;
			} else {
				assert_null(loaded);
				assert_true(strlen(why) > 0);
				refused++;
			}
			profile_close(loaded);
		}
	}
	bytes_done(&whole);
	bytes_done(&b);
	print_message("%d accepted, %d refused\n", accepted, refused);
	assert_in_range(accepted, 1000, 199000);
	assert_in_range(refused, 1000, 199000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_are_believed_as_far_as_there_are_bytes),
		cmocka_unit_test(more_columns_than_we_know_are_no_harm),
		cmocka_unit_test(a_bomb_is_not_inflated),
		cmocka_unit_test(many_small_chunks_cost_no_more_than_their_bytes),
		cmocka_unit_test(damaged_contents_are_refused_or_harmless),
	};

	return cmocka_run_group_tests(tests, bound_memory, NULL);
}

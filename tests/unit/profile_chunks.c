/*
 * profile_chunks.c - however many threads make a profile's chunks, the file is the
 * same; and what fails leaves nothing behind that comes out later.
 */
#include "tests/unit/unit.h"

#include "cli/profile/chunks.h"
#include "tests/unit/profile_make.h"

#include <errno.h>
#include <sys/mman.h>

enum { CHUNKS = 500, REFUSED = 37 };

/* What was put out. */
struct sink {
	uint32_t numbers[CHUNKS];
	size_t count;
	bool refuses; /* what comes after REFUSED chunks */
	bool whole;   /* every chunk was what make_number() makes */
};

static int take(void *context, struct chunk *chunk)
{
	struct sink *sink = context;
	uint32_t number;

	if (sink->refuses && sink->count == REFUSED)
		return -ENOSPC;
	memcpy(&number, chunk->stored.data + FORMAT_CHUNK_HEADER_BYTES, sizeof(number));
	sink->whole = sink->whole && chunk->raw == 4 * (number % 100 + 1);
	for (size_t i = 0; i < chunk->raw / 4; i++)
		sink->whole =
			sink->whole &&
			!memcmp(chunk->stored.data + FORMAT_CHUNK_HEADER_BYTES + 4 * i,
				&number, sizeof(number));
	sink->numbers[sink->count++] = number;
	return 0;
}

static void make_number(struct chunk *chunk)
{
	const uint32_t *number = chunk->scratch;

	for (uint32_t i = 0; i <= *number % 100; i++)
		bytes_put(&chunk->payload, number, sizeof(*number));
}

static int send(struct chunks *c, uint32_t number)
{
	struct chunk *chunk;
	uint32_t *scratch;
	int r = chunks_next(c, FORMAT_SITES, &chunk);

	if (r < 0)
		return r;
	assert_int_equal(chunk->payload.len, 0);
	scratch = chunks_scratch(chunk, 1, sizeof(*scratch));
	assert_non_null(scratch);
	*scratch = number;
	chunk->make = make_number;
	/* Both ways, as they come. */
	return number % 3 ? relay_go(&c->relay) : relay_do(&c->relay);
}

static size_t threads_of(const struct chunks *c)
{
	size_t n = 0;

	for (size_t i = 0; i < RELAY_THREADS; i++)
		n += c->relay.place[i].has_thread;
	return n;
}

/* As many as a machine of RELAY_THREADS processors would have. */
static void begin(struct chunks *c, struct sink *sink, bool threads)
{
	chunks_init(c, take, sink, 0);
	if (threads)
		c->relay.wanted = RELAY_THREADS;
}

static void they_come_out_whole_and_in_their_order(void **state)
{
	(void)state;
	for (int threads = 0; threads < 2; threads++) {
		struct sink sink = {.whole = true};
		struct chunks c;

		begin(&c, &sink, threads);
		for (uint32_t i = 0; i < CHUNKS; i++) {
			assert_int_equal(send(&c, i), 0);
			if (i % 50 == 49) {
				assert_int_equal(chunks_flush(&c), 0);
				assert_int_equal(sink.count, i + 1);
			}
		}
		assert_int_equal(threads_of(&c), threads ? RELAY_THREADS : 0);
		for (uint32_t i = 0; i < CHUNKS; i++)
			assert_int_equal(sink.numbers[i], i);
		assert_true(sink.whole);
		chunks_done(&c);
	}
}

/* A thread is for what takes longer than to wake one. */
static void what_is_little_is_made_by_the_caller(void **state)
{
	const struct {
		size_t count, threads;
	} of[] = {{CHUNKS_FEW / 100, 0}, {CHUNKS_FEW, 1}};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct sink sink = {.whole = true};
		uint32_t number = 5;
		struct chunk *chunk;
		struct chunks c;

		begin(&c, &sink, true);
		assert_int_equal(chunks_next(&c, FORMAT_SITES, &chunk), 0);
		*(uint32_t *)chunks_scratch(chunk, 1, sizeof(number)) = number;
		chunk->make = make_number;
		chunk->count = of[i].count;
		assert_int_equal(chunks_go(&c, chunk), 0);
		assert_int_equal(sink.count, 0);
		assert_int_equal(chunks_flush(&c), 0);
		assert_int_equal(sink.count, 1);
		assert_int_equal(threads_of(&c), of[i].threads);
		chunks_done(&c);
	}
}

static void nothing_comes_out_after_a_failure_until_it_is_forgotten(void **state)
{
	(void)state;
	for (int threads = 0; threads < 2; threads++) {
		struct sink sink = {.refuses = true, .whole = true};
		struct chunks c;
		int r = 0;

		begin(&c, &sink, threads);
		for (uint32_t i = 0; !r && i < CHUNKS; i++)
			r = send(&c, i);
		assert_int_equal(r, -ENOSPC);
		assert_int_equal(chunks_flush(&c), -ENOSPC);
		assert_int_equal(send(&c, 1), -ENOSPC);
		assert_int_equal(sink.count, REFUSED);
		chunks_drop(&c);
		assert_int_equal(sink.count, REFUSED);

		sink.refuses = false;
		assert_int_equal(send(&c, 1000), 0);
		assert_int_equal(chunks_flush(&c), 0);
		assert_int_equal(sink.count, REFUSED + 1);
		assert_int_equal(sink.numbers[REFUSED], 1000);
		chunks_done(&c);
	}
}

static void what_is_under_way_is_waited_for_when_it_ends(void **state)
{
	(void)state;
	for (int i = 0; i < 20; i++) {
		struct sink sink = {.whole = true};
		struct chunks c;

		begin(&c, &sink, true);
		for (uint32_t k = 0; k < 5; k++)
			assert_int_equal(send(&c, k), 0);
		chunks_done(&c);
		assert_int_equal(sink.count, 0);
	}
}

/* ---- files ------------------------------------------------------------------------
 */

enum { UPDATES = 4 };

/* Writes a made-up profile in updates, by threads from that one on; *ret its bytes, to be
 * freed. */
static size_t write_updates(uint64_t seed, int threads, unsigned char **ret)
{
	struct make m = {.state = seed, .size = seed % 4 ? 200 : 3000};
	struct profile *p = profile_new();
	struct profile_writer *w = NULL;
	int fd = memfd_create("profile", 0);
	size_t len;

	assert_int_equal(profile_writer_open(dup(fd), &w), 0);
	for (int i = 0; i < UPDATES; i++) {
		if (i >= threads) /* to say it again changes nothing */
			profile_writer_use_threads(w);
		make_more(&m, p);
		assert_int_equal(profile_writer_update(w, p), 0);
	}
	len = profile_writer_bytes(w);
	*ret = malloc(len);
	assert_int_equal(pread(fd, *ret, len, 0), len);
	profile_writer_close(w);
	profile_close(p);
	close(fd);
	return len;
}

static void a_file_is_the_same_whatever_makes_it(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed < 12; seed++) {
		unsigned char *one, *many;
		size_t len = write_updates(seed, UPDATES, &one);

		for (int from = 0; from < UPDATES; from += 1 + from) {
			assert_int_equal(write_updates(seed, from, &many), len);
			assert_memory_equal(one, many, len);
			free(many);
		}
		free(one);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(they_come_out_whole_and_in_their_order),
		cmocka_unit_test(what_is_little_is_made_by_the_caller),
		cmocka_unit_test(
			nothing_comes_out_after_a_failure_until_it_is_forgotten),
		cmocka_unit_test(what_is_under_way_is_waited_for_when_it_ends),
		cmocka_unit_test(a_file_is_the_same_whatever_makes_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

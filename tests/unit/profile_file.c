/*
 * What is written is what is read: random profiles, update by update, whole, cut at
 * every byte, and with every byte changed.
 */
#include "tests/unit/unit.h"

#include "cli/base/cleanup.h"
#include "cli/profile/file.h"
#include "cli/profile/format.h"
#include "tests/unit/profile_make.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { UPDATES = 4 };

/* A file of several updates, and what it should load as after each of them. */
struct history {
	struct bytes file;
	size_t ends[UPDATES]; /* of commits */
	struct profile *states[UPDATES];
};

static void slurp(int fd, struct bytes *ret)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	bytes_reset(ret);
	assert_non_null(bytes_room(ret, (size_t)st.st_size + 1));
	assert_int_equal(pread(fd, ret->data, (size_t)st.st_size, 0), st.st_size);
	ret->len = (size_t)st.st_size;
}

static struct profile *load(const struct bytes *b)
{
	struct profile *p = NULL;
	char why[200];
	int r = profile_load_bytes(b->data, b->len, false, &p, why, sizeof(why));

	if (r < 0)
		print_error("%s\n", why);
	assert_int_equal(r, 0);
	assert_string_equal(why, "");
	return p;
}

/* Loads like the profile that was written, and nothing is dirty any more. */
static struct profile *load_same(const struct bytes *b, const struct profile *p)
{
	struct profile *loaded = load(b);
	const char *difference = make_difference(p, loaded);

	if (difference)
		print_error("differs in %s\n", difference);
	assert_null(difference);
	assert_int_equal(loaded->complete, p->complete);
	for (size_t i = 0; i < p->site_count; i++)
		assert_int_equal(p->sites[i].dirty | loaded->sites[i].dirty, 0);
	return loaded;
}

static void make_history(struct history *h, uint64_t seed, uint32_t size, int level)
{
	struct make m = {.state = seed, .size = size};
	struct profile *p = profile_new();
	struct profile_writer *w = NULL;
	int fd = memfd_create("profile", 0);

	*h = (struct history){0};
	assert_non_null(p);
	assert_int_equal(profile_writer_open(dup(fd), &w), 0);
	profile_writer_level(w, level);
	for (int i = 0; i < UPDATES; i++) {
		if (i || seed % 2) /* the first one empty, every other time */
			make_more(&m, p);
		assert_int_equal(profile_writer_update(w, p), 0);
		slurp(fd, &h->file);
		h->ends[i] = h->file.len;
		assert_int_equal(profile_writer_bytes(w), h->file.len);
		h->states[i] = load_same(&h->file, p);
	}
	profile_writer_close(w);
	profile_close(p);
	close(fd);
}

static void history_done(struct history *h)
{
	bytes_done(&h->file);
	for (int i = 0; i < UPDATES; i++)
		profile_close(h->states[i]);
}

static void random_profiles_come_back_after_every_update(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 200; seed++) {
		struct history h;

		make_history(&h, seed, seed < 180 ? 12 : 300, (int)(seed % 4));
		history_done(&h);
	}
}

/* Sections of many chunks, strings longer than a chunk. */
static void large_profiles_come_back(void **state)
{
	struct make m = {.state = 7, .size = 40};
	struct profile *p = profile_new();
	struct profile_writer *w = NULL;
	struct bytes b = {0};
	int fd = memfd_create("profile", 0);
	size_t huge = 11 << 20;
	char *text = malloc(huge + 1);

	(void)state;
	for (size_t i = 0; i < huge; i++)
		text[i] = (char)(1 + make_below(&m, 255));
	assert_int_equal(profile_writer_open(dup(fd), &w), 0);
	for (int round = 0; round < 2; round++) {
		make_more(&m, p);
		for (size_t len = (1 << 20) - 2; len <= (1 << 20) + 2; len++)
			strings_add_n(&p->strings, text + round, len);
		strings_add_n(&p->strings, text + round, 4 << 20);
		strings_add_n(&p->strings, text + round, huge - 1);
		for (int i = unit_rounds(150000); i; i--) {
			struct profile_stack *s = make_row(p, stack);
			struct profile_frame *f = make_row(p, frame);
			struct profile_bin *bin = make_row(p, bin);
			struct profile_site *site = make_row(p, site);

			s->pc = make_any(&m);
			s->parent = make_below(&m, p->stack_count - 1);
			s->code = make_below(&m, p->code_count + 1);
			f->line = make_value32(&m);
			*bin = (struct profile_bin){
				.at_ns = p->bin_count > 1 ? bin[-1].at_ns + 1 : 0};
			*site = (struct profile_site){
				.process_serial = p->processes[0].serial,
				.stack = (uint32_t)p->stack_count - 1};
			make_site_fields(&m, site);
		}
		make_shares(&m, p);
		assert_int_equal(profile_writer_update(w, p), 0);
		slurp(fd, &b);
		profile_close(load_same(&b, p));
	}
	profile_writer_close(w);
	profile_close(p);
	bytes_done(&b);
	free(text);
	close(fd);
}

static void an_update_without_news_writes_no_sites_and_no_stacks(void **state)
{
	struct make m = {.state = 3, .size = 2000};
	struct profile *p = profile_new();
	struct profile_writer *w = NULL;
	uint64_t first, second;
	int fd = memfd_create("profile", 0);

	(void)state;
	assert_int_equal(profile_writer_open(fd, &w), 0);
	for (int i = 0; i < 4; i++)
		make_more(&m, p);
	p->thread_count = p->bin_count = p->unfollowed_count = p->mark_count = 0;
	p->process_count = 1;
	p->proof_count = 0;
	for (size_t i = 0; i < p->site_count; i++)
		p->sites[i].process_serial = p->processes[0].serial;
	assert_int_equal(profile_writer_update(w, p), 0);
	first = profile_writer_bytes(w);
	assert_int_equal(profile_writer_update(w, p), 0);
	second = profile_writer_bytes(w) - first;
	assert_uint_in_range(second, 1, 1200);
	assert_true(first > 100000);
	profile_writer_close(w);
	profile_close(p);
}

/* What must come of a file whose first `whole` bytes are right: the state of the last
 * commit in there. damaged: an error's kind. */
static void expect_prefix(const struct history *h, const struct bytes *b, size_t whole,
			  bool damaged)
{
	struct profile *p = NULL;
	char why[200];
	int r = profile_load_bytes(b->data, b->len, false, &p, why, sizeof(why));
	int last = UPDATES - 1;

	while (last >= 0 && h->ends[last] > whole)
		last--;
	if (last < 0) {
		if (damaged)
			assert_true(r == -EPROTO || r == -EBADMSG);
		else
			assert_int_equal(r, -ENODATA);
		assert_null(p);
		assert_true(strlen(why) > 0);
		return;
	}
	assert_int_equal(r, 0);
	assert_null(make_difference(h->states[last], p));
	if (b->len == h->ends[last] && !damaged) {
		assert_string_equal(why, "");
		assert_int_equal(p->complete, h->states[last]->complete);
	} else {
		assert_non_null(strstr(why, "everything up to"));
		assert_false(p->complete);
	}
	profile_close(p);
}

static void cut_at_any_byte_it_is_what_the_last_commit_said(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 6; seed++) {
		struct history h;

		make_history(&h, seed, 6, seed < 3 ? 3 : 0);
		for (size_t len = 0; len <= h.file.len; len++) {
			/* Of its own size, so that a sanitizer sees a byte too much. */
			struct bytes cut = {.data = malloc(len + !len), .len = len};

			memcpy(cut.data, h.file.data, len);
			expect_prefix(&h, &cut, len, false);
			free(cut.data);
		}
		history_done(&h);
	}
}

/* All ways of changing a byte; where sanitizers make that slow some for each, in turn. */
static void any_changed_byte_is_noticed(void **state)
{
	enum { WAYS = 8 };
	int ways = unit_rounds(WAYS) < WAYS ? unit_rounds(WAYS) : WAYS;

	(void)state;
	for (uint64_t seed = 0; seed < 4; seed++) {
		struct history h;

		make_history(&h, seed, 5, seed < 2 ? 3 : 0);
		for (size_t at = 0; at < h.file.len; at++)
			for (int i = 0; i < ways; i++) {
				unsigned way = ((unsigned)at * 3 + (unsigned)i) % WAYS;
				unsigned char change = (unsigned char)((2u << way) - 1);

				h.file.data[at] ^= change;
				expect_prefix(&h, &h.file, at, true);
				h.file.data[at] ^= change;
			}
		history_done(&h);
	}
}

/* What comes before the first change still counts, and nothing behind it. */
static size_t common(const struct bytes *a, const struct bytes *b)
{
	size_t n = 0;

	while (n < a->len && n < b->len && a->data[n] == b->data[n])
		n++;
	return n;
}

static void random_damage_never_changes_a_number(void **state)
{
	struct make m = {.state = 99};
	struct history h;
	struct bytes b = {0};

	(void)state;
	make_history(&h, 11, 8, 3);
	for (int round = unit_rounds(8000); round; round--) {
		size_t whole;

		bytes_reset(&b);
		bytes_put(&b, h.file.data, h.file.len);
		for (uint32_t n = 1 + make_below(&m, 3); n; n--)
			make_corrupt(&m, &b);
		whole = common(&h.file, &b);
		if (whole < b.len)
			expect_prefix(&h, &b, whole, true);
	}
	bytes_done(&b);
	history_done(&h);
}

/* Chunks of a large file are unpacked by several threads: what is wrong first, in the
 * file's order, is what is said, every time. Checksums are not looked at, so that it is
 * inflating and the numbers themselves that fail. */
static void of_a_large_file_the_first_damage_is_told(void **state)
{
	struct make m = {.state = 12, .size = 40};
	_cleanup_(profile_closep) struct profile *p = profile_new();
	struct profile_writer *w = NULL;
	struct bytes b = {0};
	int fd = memfd_create("profile", 0), refused = 0;

	(void)state;
	assert_int_equal(profile_writer_open(dup(fd), &w), 0);
	for (int i = 0; i < 30; i++) {
		make_more(&m, p);
		for (int k = 0; k < 2000; k++)
			make_row(p, stack)->pc = make_any(&m);
		assert_int_equal(profile_writer_update(w, p), 0);
	}
	slurp(fd, &b);
	assert_true(b.len > 1 << 18);
	for (int round = unit_rounds(60); round; round--) {
		struct bytes damaged = {0};
		char first[200], again[200];

		bytes_put(&damaged, b.data, b.len);
		for (int n = 0; n < 3; n++)
			damaged.data[50000 + make_below(&m, (uint32_t)b.len - 50000)] ^=
				(unsigned char)(1 + make_below(&m, 255));
		for (int n = 0; n < 3; n++) {
			struct profile *loaded = NULL;
			int r = profile_load_bytes(damaged.data, damaged.len, true,
						   &loaded, n ? again : first,
						   sizeof(first));

			refused += r < 0;
			assert_true(!loaded == (r < 0));
			profile_close(loaded);
			if (n)
				assert_string_equal(first, again);
		}
		bytes_done(&damaged);
	}
	assert_true(refused > 0);
	profile_writer_close(w);
	bytes_done(&b);
	close(fd);
}

/* A whole update left out or told twice keeps every chunk's checksum right. */
static void chunks_out_of_their_order_are_noticed(void **state)
{
	struct history h;
	struct bytes b = {0};

	(void)state;
	make_history(&h, 5, 8, 3);
	bytes_put(&b, h.file.data, h.ends[0]);
	bytes_put(&b, h.file.data + h.ends[1], h.ends[2] - h.ends[1]);
	expect_prefix(&h, &b, h.ends[0], true);
	bytes_reset(&b);
	bytes_put(&b, h.file.data, h.ends[1]);
	bytes_put(&b, h.file.data + h.ends[0], h.ends[1] - h.ends[0]);
	expect_prefix(&h, &b, h.ends[1], true);
	bytes_done(&b);
	history_done(&h);
}

/* Two updates of a profile that differs from another in one number only. */
static void write_twin(struct bytes *ret, uint64_t number, size_t *ret_first)
{
	struct profile *p = profile_new();
	struct profile_writer *w = NULL;
	int fd = memfd_create("profile", 0);

	p->start_unix_ns = number;
	assert_int_equal(profile_writer_open(dup(fd), &w), 0);
	assert_int_equal(profile_writer_update(w, p), 0);
	*ret_first = profile_writer_bytes(w);
	p->wall_ns = number;
	assert_int_equal(profile_writer_update(w, p), 0);
	slurp(fd, ret);
	profile_writer_close(w);
	profile_close(p);
	close(fd);
}

/* Chunk by chunk all is right, their numbers too: only the commit tells. */
static void an_update_of_another_file_is_noticed(void **state)
{
	struct bytes a = {0}, b = {0};
	struct profile *p = NULL;
	size_t first_a, first_b;
	char why[200];

	(void)state;
	write_twin(&a, 1, &first_a);
	write_twin(&b, 2, &first_b);
	assert_int_equal(first_a, first_b);
	assert_int_equal(a.len, b.len);
	memcpy(a.data + first_a, b.data + first_b, b.len - first_b);
	assert_int_equal(profile_load_bytes(a.data, a.len, false, &p, why, sizeof(why)),
			 0);
	assert_int_equal(p->start_unix_ns, 1);
	assert_int_equal(p->wall_ns, 0);
	assert_non_null(strstr(why, "damaged"));
	profile_close(p);
	bytes_done(&a);
	bytes_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_profiles_come_back_after_every_update),
		cmocka_unit_test(large_profiles_come_back),
		cmocka_unit_test(an_update_without_news_writes_no_sites_and_no_stacks),
		cmocka_unit_test(cut_at_any_byte_it_is_what_the_last_commit_said),
		cmocka_unit_test(any_changed_byte_is_noticed),
		cmocka_unit_test(random_damage_never_changes_a_number),
		cmocka_unit_test(of_a_large_file_the_first_damage_is_told),
		cmocka_unit_test(chunks_out_of_their_order_are_noticed),
		cmocka_unit_test(an_update_of_another_file_is_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

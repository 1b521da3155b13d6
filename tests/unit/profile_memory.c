/*
 * Every allocation of writing and loading fails once: nothing crashes, nothing leaks
 * (the sanitizers tell), nothing half-done is left. Linked with --wrap.
 */
#include "tests/unit/unit.h"

#include "cli/base/cleanup.h"
#include "tests/unit/profile_walk.h"

#include <errno.h>
#include <fcntl.h>

void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t n, size_t bytes);
void *__wrap_realloc(void *old, size_t bytes);
void *__real_malloc(size_t bytes);
void *__real_calloc(size_t n, size_t bytes);
void *__real_realloc(void *old, size_t bytes);

/* Allocations, of any thread; negative: none fails. */
static _Atomic long until_failure = -1;

static bool fails(void)
{
	return until_failure >= 0 && until_failure-- == 0;
}

void *__wrap_malloc(size_t bytes)
{
	return fails() ? NULL : __real_malloc(bytes);
}

void *__wrap_calloc(size_t n, size_t bytes)
{
	return fails() ? NULL : __real_calloc(n, bytes);
}

void *__wrap_realloc(void *old, size_t bytes)
{
	return fails() ? NULL : __real_realloc(old, bytes);
}

static void a_load_without_memory_says_so(void **state)
{
	struct make m = {.state = 31, .size = 40};
	_cleanup_(profile_closep) struct profile *p = profile_new();
	_cleanup_(bytes_done) struct bytes b = {0};
	struct profile *loaded = NULL;
	size_t huge = 3 << 20;
	_cleanup_(freep) char *text = malloc(huge);
	char why[200];
	long n = 0;
	int r = -ENOMEM;

	(void)state;
	for (int i = 0; i < 4; i++)
		make_more(&m, p);
	/* A string in parts, too. */
	for (size_t i = 0; i < huge; i++)
		text[i] = (char)('a' + make_below(&m, 26));
	strings_add_n(&p->strings, text, huge);
	walk_write(p, 3, &b);
	for (; r < 0; n++) {
		until_failure = n;
		r = profile_load_bytes(b.data, b.len, false, &loaded, why, sizeof(why));
		until_failure = -1;
		if (r < 0) {
			assert_int_equal(r, -ENOMEM);
			assert_non_null(strstr(why, "not enough memory"));
			assert_null(loaded);
		}
	}
	assert_null(make_difference(p, loaded));
	print_message("%ld allocations\n", n);
	assert_true(n > 30);
	profile_close(loaded);
}

static void an_update_without_memory_changes_nothing(void **state)
{
	struct make m = {.state = 32, .size = 20};
	_cleanup_(profile_closep) struct profile *p = profile_new();
	_cleanup_(profile_closep) struct profile *before = NULL;
	_cleanup_(profile_closep) struct profile *after = NULL;
	struct profile_writer *w = NULL;
	char path[40];
	int fd = memfd_create("profile", 0), r = -ENOMEM;
	long n = 0;

	(void)state;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	assert_int_equal(profile_writer_open(dup(fd), &w), 0);
	make_more(&m, p);
	assert_int_equal(profile_writer_update(w, p), 0);
	assert_int_equal(profile_load(path, &before, NULL, 0), 0);
	for (int i = 0; i < 40; i++)
		make_more(&m, p);
	for (; r < 0; n++) {
		_cleanup_(profile_closep) struct profile *loaded = NULL;

		until_failure = n;
		r = profile_writer_update(w, p);
		until_failure = -1;
		assert_true(r == 0 || r == -ENOMEM);
		if (r == 0)
			break;
		assert_int_equal(profile_load(path, &loaded, NULL, 0), 0);
		assert_null(make_difference(before, loaded));
	}
	assert_true(n > 3);
	assert_int_equal(profile_load(path, &after, NULL, 0), 0);
	assert_null(make_difference(p, after));
	profile_writer_close(w);
	close(fd);
}

static void what_is_opened_without_memory_is_closed(void **state)
{
	struct profile_writer *w = NULL;
	int fd = memfd_create("profile", 0);

	(void)state;
	until_failure = 0;
	assert_null(profile_new());
	until_failure = 0;
	assert_int_equal(profile_writer_open(fd, &w), -ENOMEM);
	until_failure = -1;
	assert_null(w);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_load_without_memory_says_so),
		cmocka_unit_test(an_update_without_memory_changes_nothing),
		cmocka_unit_test(what_is_opened_without_memory_is_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

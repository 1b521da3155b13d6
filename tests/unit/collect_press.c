/*
 * The profile's file is brought up to date by a thread of its own.
 */
#include "tests/unit/unit.h"

#include "cli/base/cleanup.h"
#include "cli/collect/press.h"
#include "tests/unit/profile_make.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

static struct profile_writer *writer_of(const char *path)
{
	struct profile_writer *w = NULL;

	assert_int_equal(
		profile_writer_open(open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600), &w),
		0);
	return w;
}

static void what_it_closes_is_in_the_file(void **state)
{
	struct make m = {.state = 5, .size = 40};
	_cleanup_(profile_closep) struct profile *p = profile_new();
	char path[] = "/tmp/heapline-unit-XXXXXX", why[200];
	struct profile_writer *w;

	(void)state;
	close(mkstemp(path));
	w = writer_of(path);
	for (int i = 0; i < 20; i++) {
		_cleanup_(profile_closep) struct profile *read = NULL;
		uint64_t took = 0;
		struct press *press;

		make_more(&m, p);
		press = press_open(w, p);
		assert_non_null(press);
		assert_int_equal(press_close(press, &took), 0);
		assert_true(took > 0);
		assert_int_equal(profile_load(path, &read, why, sizeof(why)), 0);
		assert_null(make_difference(p, read));
	}
	profile_writer_close(w);
	unlink(path);
}

/* A pipe that nobody reads: the press waits, its caller does not. */
static void the_caller_goes_on_while_it_writes(void **state)
{
	struct make m = {.state = 6, .size = 2000};
	_cleanup_(profile_closep) struct profile *p = profile_new();
	struct profile_writer *w = NULL;
	struct press *press;
	uint64_t took;
	char taken[4096];
	int ends[2];

	(void)state;
	for (int i = 0; i < 30; i++)
		make_more(&m, p);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	fcntl(ends[1], F_SETPIPE_SZ, 4096);
	assert_int_equal(profile_writer_open(ends[1], &w), 0);
	press = press_open(w, p);
	assert_non_null(press);
	usleep(20000);
	assert_false(press_is_done(press));
	while (!press_is_done(press)) {
		fcntl(ends[0], F_SETFL, O_NONBLOCK);
		if (read(ends[0], taken, sizeof(taken)) < 0)
			usleep(100);
	}
	assert_int_equal(press_close(press, &took), 0);
	assert_true(took > 20000000);
	profile_writer_close(w);
	close(ends[0]);
}

static void what_fails_is_told(void **state)
{
	struct make m = {.state = 7, .size = 40};
	_cleanup_(profile_closep) struct profile *p = profile_new();
	struct profile_writer *w = writer_of("/dev/full");
	uint64_t took;

	(void)state;
	make_more(&m, p);
	assert_int_equal(press_close(press_open(w, p), &took), -ENOSPC);
	profile_writer_close(w);
}

static atomic_bool heard_elsewhere;
static pthread_t own;

static void hear(int signal)
{
	(void)signal;
	if (!pthread_equal(pthread_self(), own))
		heard_elsewhere = true;
}

/* Else a signal to the collector could come to the press, and its loop sleep on. */
static void signals_are_for_the_caller(void **state)
{
	struct make m = {.state = 8, .size = 400};
	_cleanup_(profile_closep) struct profile *p = profile_new();
	struct sigaction action = {.sa_handler = hear}, old;
	struct profile_writer *w = writer_of("/dev/null");
	sigset_t one;
	uint64_t took;

	(void)state;
	own = pthread_self();
	sigemptyset(&one);
	sigaddset(&one, SIGUSR1);
	sigaction(SIGUSR1, &action, &old);
	for (int i = 0; i < 10; i++)
		make_more(&m, p);
	for (int i = 0; i < 20; i++) {
		struct press *press = press_open(w, p);

		/* The caller can't have it now. */
		pthread_sigmask(SIG_BLOCK, &one, NULL);
		kill(getpid(), SIGUSR1);
		press_close(press, &took);
		pthread_sigmask(SIG_UNBLOCK, &one, NULL);
	}
	sigaction(SIGUSR1, &old, NULL);
	assert_false(heard_elsewhere);
	profile_writer_close(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_it_closes_is_in_the_file),
		cmocka_unit_test(the_caller_goes_on_while_it_writes),
		cmocka_unit_test(what_fails_is_told),
		cmocka_unit_test(signals_are_for_the_caller),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

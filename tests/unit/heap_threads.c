/*
 * heap_threads.c - children with threads, stopped and let go: nothing that they or
 * their parent see may tell of it.
 */
#include "cli/heap/threads.h"

#include "tests/unit/unit.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE 20000000000ull /* ns */

struct shared { /* with the child */
	_Atomic int threads, signals, work;
	_Atomic bool end;
};

static struct shared *shared;

static void *work(void *context)
{
	(void)context;
	atomic_fetch_add(&shared->threads, 1);
	while (!atomic_load(&shared->end))
		atomic_fetch_add(&shared->work, 1);
	return NULL;
}

/* Threads that only start others and end. */
static void *spawn(void *context)
{
	pthread_t next;

	(void)context;
	while (!atomic_load(&shared->end)) {
		if (!pthread_create(&next, NULL, work, NULL))
			pthread_detach(next);
		usleep(100);
		if (atomic_load(&shared->threads) > 40)
			break;
	}
	return NULL;
}

static void count_signal(int signal)
{
	(void)signal;
	atomic_fetch_add(&shared->signals, 1);
}

static pid_t child(int threads, bool spawning)
{
	pid_t pid;

	memset(shared, 0, sizeof(*shared));
	pid = fork();
	if (!pid) {
		struct sigaction act = {.sa_handler = count_signal};
		pthread_t one;

		alarm(30);
		sigaction(SIGUSR1, &act, NULL);
		for (int i = 0; i < threads; i++)
			pthread_create(&one, NULL, spawning ? spawn : work, NULL);
		while (!atomic_load(&shared->end))
			usleep(1000);
		_exit(7);
	}
	while (atomic_load(&shared->threads) < threads && !spawning)
		usleep(100);
	return pid;
}

static void expect_end(pid_t pid, int status)
{
	int is;

	atomic_store(&shared->end, true);
	assert_int_equal(waitpid(pid, &is, 0), pid);
	assert_int_equal(is, status);
}

static void all_stand_still_and_go_on(void **state)
{
	pid_t pid = child(8, false);
	struct heap_threads t;
	int before;

	(void)state;
	assert_int_equal(heap_threads_stop(&t, pid, PATIENCE), 0);
	assert_int_equal(t.count, 9);
	assert_int_equal(t.running, 0);
	before = atomic_load(&shared->work);
	usleep(20000);
	assert_int_equal(atomic_load(&shared->work), before);
	for (size_t i = 0; i < t.count; i++)
		assert_true(t.items[i].sp && t.items[i].tp &&
			    t.items[i].vector_count > 60);
	heap_threads_done(&t);
	while (atomic_load(&shared->work) == before)
		usleep(100);
	expect_end(pid, 7 << 8);
}

static void threads_that_start_meanwhile_are_stopped_too(void **state)
{
	(void)state;
	for (int round = 0; round < 10; round++) {
		pid_t pid = child(3, true);
		struct heap_threads t;
		int threads, before;

		usleep(500 * (unsigned)round);
		assert_int_equal(heap_threads_stop(&t, pid, PATIENCE), 0);
		assert_int_equal(t.running, 0);
		threads = atomic_load(&shared->threads);
		before = atomic_load(&shared->work);
		usleep(5000);
		assert_int_equal(atomic_load(&shared->threads), threads);
		assert_int_equal(atomic_load(&shared->work), before);
		heap_threads_done(&t);
		expect_end(pid, 7 << 8);
	}
}

/* Sent before, in between and after: each arrives. */
static void no_signal_is_lost(void **state)
{
	pid_t pid = child(2, false);

	(void)state;
	for (int round = 1; round <= 200; round++) {
		struct heap_threads t;

		if (round % 2)
			kill(pid, SIGUSR1);
		assert_int_equal(heap_threads_stop(&t, pid, PATIENCE), 0);
		if (!(round % 2))
			kill(pid, SIGUSR1);
		heap_threads_done(&t);
		for (int n = 0; n < 20000 && atomic_load(&shared->signals) < round; n++)
			usleep(100);
		assert_int_equal(atomic_load(&shared->signals), round);
	}
	expect_end(pid, 7 << 8);
}

static void a_stopped_process_stays_stopped(void **state)
{
	pid_t pid = child(2, false);
	struct heap_threads t;
	int status, before;

	(void)state;
	kill(pid, SIGSTOP);
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	assert_true(WIFSTOPPED(status));
	before = atomic_load(&shared->work);
	assert_int_equal(heap_threads_stop(&t, pid, PATIENCE), 0);
	heap_threads_done(&t);
	usleep(20000);
	assert_int_equal(atomic_load(&shared->work), before);
	assert_int_equal(waitpid(pid, &status, WNOHANG | WCONTINUED), 0);
	kill(pid, SIGCONT);
	expect_end(pid, 7 << 8);
}

static void *trace_and_kill(void *context)
{
	pid_t pid = *(pid_t *)context;
	struct heap_threads t;

	if (heap_threads_stop(&t, pid, PATIENCE) < 0)
		_exit(1);
	kill(pid, SIGKILL);
	heap_threads_done(&t);
	return NULL;
}

/* The tracer is nobody's parent, and a thread that ends, as the collector's is. */
static void a_killed_process_is_its_parents_to_bury(void **state)
{
	(void)state;
	for (int round = 0; round < 20; round++) {
		pid_t pid = child(4, false), tracer = fork();
		int status;

		if (!tracer) {
			pthread_t thread;

			alarm(30);
			pthread_create(&thread, NULL, trace_and_kill, &pid);
			pthread_join(thread, NULL);
			pause();
			_exit(2);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, SIGKILL);
		kill(tracer, SIGTERM);
		assert_int_equal(waitpid(tracer, &status, 0), tracer);
		assert_int_equal(status, SIGTERM);
	}
}

static void *trace(void *context)
{
	static struct heap_threads t;

	assert_int_equal(heap_threads_stop(&t, *(pid_t *)context, PATIENCE), 0);
	return NULL; /* without a word */
}

static void a_tracer_that_ends_lets_go(void **state)
{
	pid_t pid = child(4, false);
	pthread_t tracer;
	int before;

	(void)state;
	kill(pid, SIGUSR1);
	pthread_create(&tracer, NULL, trace, &pid);
	pthread_join(tracer, NULL);
	before = atomic_load(&shared->work);
	for (int n = 0; n < 20000 && (atomic_load(&shared->work) == before ||
				      !atomic_load(&shared->signals));
	     n++)
		usleep(100);
	assert_true(atomic_load(&shared->work) > before);
	assert_int_equal(atomic_load(&shared->signals), 1);
	expect_end(pid, 7 << 8);
}

static void *outlive(void *context)
{
	(void)context;
	usleep(20000); /* the first thread is gone by then, most likely */
	atomic_fetch_add(&shared->threads, 1);
	while (!atomic_load(&shared->end))
		usleep(1000);
	_exit(7);
}

static void a_first_thread_that_has_ended_is_no_hindrance(void **state)
{
	struct heap_threads t;
	pthread_t one;
	pid_t pid;

	(void)state;
	memset(shared, 0, sizeof(*shared));
	pid = fork();
	if (!pid) {
		alarm(30);
		pthread_create(&one, NULL, outlive, NULL);
		pthread_exit(NULL);
	}
	while (!atomic_load(&shared->threads))
		usleep(100);
	assert_int_equal(heap_threads_stop(&t, pid, PATIENCE), 0);
	assert_true(t.count && t.items[t.count - 1].stopped);
	assert_int_not_equal(t.items[t.count - 1].tid, pid);
	heap_threads_done(&t);
	expect_end(pid, 7 << 8);
}

static void who_is_not_there_is_told(void **state)
{
	struct heap_threads t;

	(void)state;
	assert_int_equal(heap_threads_stop(&t, 0x7ffffff0, PATIENCE), -ESRCH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_stand_still_and_go_on),
		cmocka_unit_test(threads_that_start_meanwhile_are_stopped_too),
		cmocka_unit_test(no_signal_is_lost),
		cmocka_unit_test(a_stopped_process_stays_stopped),
		cmocka_unit_test(a_killed_process_is_its_parents_to_bury),
		cmocka_unit_test(a_tracer_that_ends_lets_go),
		cmocka_unit_test(a_first_thread_that_has_ended_is_no_hindrance),
		cmocka_unit_test(who_is_not_there_is_told),
	};

	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

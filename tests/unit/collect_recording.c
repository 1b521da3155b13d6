/* The memory that a collector shares with its targets. */
#include "tests/unit/unit.h"

#include "cli/collect/recording.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LOOKS = 300, BYTES = 64 << 20, PLACES = 16 };

static atomic_bool done;

/* Maps, writes, and finds what it wrote, or not. */
static void *map_and_look(void *unused)
{
	uintptr_t wrong = 0, round = 0;

	(void)unused;
	while (!atomic_load(&done)) {
		char *p = mmap(NULL, BYTES, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

		round++;
		if (p == MAP_FAILED)
			continue;
		for (size_t i = 0; i < PLACES; i++)
			memcpy(p + i * (BYTES / PLACES), &round, sizeof(round));
		usleep(50);
		for (size_t i = 0; i < PLACES; i++)
			wrong += memcmp(p + i * (BYTES / PLACES), &round,
					sizeof(round)) != 0;
		munmap(p, BYTES);
	}
	return (void *)wrong;
}

static void whether_it_is_shared_is_found_beside_threads_that_map(void **state)
{
	struct recording r;
	pthread_t threads[2];
	void *wrong;
	pid_t child;
	int go[2];

	(void)state;
	assert_int_equal(recording_open(&r, 0, 0, true, false), 0);
	assert_int_equal(pipe(go), 0);
	child = fork(); /* which has it as well */
	if (!child) {
		char c;

		close(go[1]);
		_exit(read(go[0], &c, 1) < 0);
	}
	close(go[0]);
	for (int i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, map_and_look, NULL);
	for (int i = 0; i < LOOKS; i++) {
		assert_true(recording_is_shared(&r));
		assert_int_equal(((struct wire_header *)r.base)->magic, WIRE_MAGIC);
	}
	close(go[1]);
	assert_int_equal(waitpid(child, NULL, 0), child);
	for (int i = 0; i < LOOKS; i++)
		assert_false(recording_is_shared(&r));
	assert_int_equal(((struct wire_header *)r.base)->version, WIRE_VERSION);
	atomic_store(&done, true);
	for (int i = 0; i < 2; i++) {
		pthread_join(threads[i], &wrong);
		assert_int_equal((uintptr_t)wrong, 0);
	}
	recording_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whether_it_is_shared_is_found_beside_threads_that_map),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

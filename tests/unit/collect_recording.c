/* The memory that a collector shares with its targets. */
#include "tests/unit/unit.h"

#include "cli/collect/recording.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
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

/* Of this process: bytes. */
static rlim_t address_space(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	unsigned long pages = 0;

	assert_non_null(f);
	if (f && fscanf(f, "%lu", &pages) != 1)
		fail();
	fclose(f);
	return (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE);
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

/* How many rings there are where no more than `more` addresses are left; 0: none. */
static uint32_t rings_with(rlim_t more)
{
	struct rlimit limit = {address_space() + more, RLIM_INFINITY};
	uint32_t rings = 0;
	int fd[2];
	pid_t child;

	assert_int_equal(pipe(fd), 0);
	child = fork();
	if (!child) {
		enum recording_step failed;
		struct recording r;

		setrlimit(RLIMIT_AS, &limit);
		if (!recording_make(&r, &failed))
			rings = wire_rings(r.bytes);
		else if (failed != RECORDING_MAP || r.memory >= 0)
			rings = UINT32_MAX;
		_exit(write(fd[1], &rings, sizeof(rings)) < 0);
	}
	close(fd[1]);
	assert_int_equal(read(fd[0], &rings, sizeof(rings)), sizeof(rings));
	close(fd[0]);
	assert_int_equal(waitpid(child, NULL, 0), child);
	return rings;
}

/* It is as large as it can be with a gigabyte left for the rest; the smallest one leaves
 * what there is. */
static void the_memory_leaves_room_for_the_collector(void **state)
{
	const rlim_t spare = 1 << 30, little = 16 << 20;
	uint32_t rings, next;

	(void)state;
#ifdef UNIT_SANITIZED
	skip(); /* it has terabytes of addresses itself */
#endif
	for (int i = 0; (rings = wire_rings_to_try(i)); i++) {
		rlim_t bytes = WIRE_BYTES_OF(rings);

		next = wire_rings_to_try(i + 1);
		assert_int_equal(rings_with(bytes + spare + little), rings);
		if (next)
			assert_true(rings_with(bytes + spare / 2) < rings);
		else
			assert_int_equal(rings_with(bytes + little), rings);
	}
	assert_int_equal(rings_with(little), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whether_it_is_shared_is_found_beside_threads_that_map),
		cmocka_unit_test(the_memory_leaves_room_for_the_collector),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

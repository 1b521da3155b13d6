/* Sums over the kernel's list of mappings, and questions to allocators. */
#include "cli/collect/accounts.h"
#include "cli/collect/glance.h"
#include "cli/collect/procfs.h"
#include "tests/unit/collect_wire.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static const char text[] =
	"55d0c0000000-55d0c0001000 r--p 00000000 08:01 1      /usr/bin/a name: with "
	"Rss\n"
	"Size:                  4 kB\n"
	"Rss:                   4 kB\n"
	"Pss:                   1 kB\n"
	"VmFlags: rd mr mw me sd\n"
	"55d0c1000000-55d0c1100000 rw-p 00000000 00:00 0      [heap]\n"
	"Rss:                1000 kB\n"
	"7f0000000000-7f0000100000 rw-p 00000000 00:00 0 \n"
	"Rss:                 500 kB\n"
	"7f0000200000-7f0000300000 rw-p 00000000 00:00 0      [anon:arena]\n"
	"Rss:                  50 kB\n"
	"7f0001000000-7f0002000000 rw-s 00000000 00:01 9      /memfd:heapline "
	"(deleted)\n"
	"Rss:                2000 kB\n"
	"7f0003000000-7f0003001000 r-xp 00000000 08:01 2      /usr/lib/libheapline.so\n"
	"Rss:                  30 kB\n"
	"7f0003100000-7f0003101000 rw-s 00000000 00:01 3      /dev/shm/x\n"
	"Rss:                   7 kB\n"
	"7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0      [stack]\n"
	"Rss:                  12 kB\n"
	"7ffc00100000-7ffc00102000 r-xp 00000000 00:00 0      [vdso]\n"
	"Rss:                   4 kB\n";

static void mappings_are_told_apart_by_their_names(void **state)
{
	struct profile_memory m = {.rss_files = 99};

	(void)state;
	accounts_read_smaps(text, &m);
	assert_int_equal(m.rss_anonymous, 1550 * 1024);
	assert_int_equal(m.rss_own, 2030 * 1024);
	assert_int_equal(m.rss_shared, 7 * 1024);
	assert_int_equal(m.rss_stack, 12 * 1024);
	assert_int_equal(m.rss_files, 8 * 1024);
	assert_int_equal(m.rss_bytes, 3607 * 1024);
}

/* Names are a program's own to choose, and the text may end anywhere. */
static void the_parts_are_the_whole_of_any_text(void **state)
{
	char copy[sizeof(text)];

	(void)state;
	srand(3);
	for (int i = 0; i < 20000; i++) {
		struct profile_memory m;

		memcpy(copy, text, sizeof(text));
		copy[rand() % (int)(sizeof(text) - 1)] = (char)(rand() % 128);
		copy[rand() % (int)sizeof(text)] = '\0';
		accounts_read_smaps(copy, &m);
		assert_int_equal(m.rss_bytes, m.rss_anonymous + m.rss_files +
						      m.rss_stack + m.rss_shared +
						      m.rss_own);
	}
}

/* Of a process that is there; of one that is gone, nothing. */
static void a_look_finds_the_same_from_any_thread(void **state)
{
	size_t most = 64 << 20;
	char *much = calloc(1, most);
	pid_t gone = fork();

	(void)state;
	if (!gone)
		_exit(0);
	waitpid(gone, NULL, 0);
	assert_non_null(much);
	memset(much, 1, most);
	for (int here = 0; here < 2; here++) {
		struct glance *g = glance_open(getpid(), here);
		struct profile_memory m;
		uint64_t took = 0;
		char *found;

		assert_non_null(g);
		assert_true(!here || glance_is_done(g));
		found = glance_close(g, &took);
		assert_non_null(found);
		assert_true(took > 0);
		accounts_read_smaps(found, &m);
		assert_uint_in_range(m.rss_anonymous, most, 16 * most);
		free(found);
		g = glance_open(gone, here);
		assert_null(glance_close(g, &took));
	}
	free(much);
}

/* The count that needs no look differs by what each processor keeps to itself. */
static void what_the_kernel_counts_is_near_a_look(void **state)
{
	enum { MOST = 64 << 20, NEAR = 4 << 20 };
	struct procfs_pages before, after;
	struct profile_memory m;
	char *much, *found;

	(void)state;
	assert_true(procfs_pages(getpid(), &before));
	/* Not written to: a sanitizer would write as much again. */
	much = mmap(NULL, MOST, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	assert_ptr_not_equal(much, MAP_FAILED);
	assert_true(procfs_pages(getpid(), &after));
	assert_uint_in_range(after.anonymous - before.anonymous, MOST - NEAR,
			     MOST + NEAR);
	found = procfs_smaps(getpid());
	assert_non_null(found);
	accounts_read_smaps(found, &m);
	free(found);
	assert_uint_in_range(after.anonymous + after.others, m.rss_bytes - NEAR,
			     m.rss_bytes + NEAR);
	munmap(much, MOST);
	assert_false(procfs_pages(0, &after));
}

static pid_t nobody(void *context, const struct engine_process *p)
{
	(void)context;
	(void)p;
	return 0;
}

/* Whoever answers takes the question back, so that its hooks are usual again. */
static void who_has_not_answered_is_asked_again(void **state)
{
	const uint64_t tick = 11000000;
	void *base = wire_make(0);
	struct wire_header *h = base;
	static struct accounts *a; /* as long as the process lives */
	struct engine *e;
	uint64_t now = 1000000000;

	(void)state;
	assert_non_null(base);
	atomic_store(&h->recording, WIRE_RECORDING);
	for (uint32_t i = 1; i <= 2; i++) {
		wire_add_process(base, i, i, 0);
		wire_put(base, wire_claim(base, i, i, 500 + i), WIRE_ALLOC, 4096 * i,
			 16, 1000000, 0);
	}
	assert_int_equal(engine_open(base, -1, NULL, &e), 0);
	assert_int_equal(engine_pass(e), 2);
	assert_int_equal(accounts_open(e, base, nobody, NULL, &a), 0);
	accounts_tick(a, now);
	for (uint32_t i = 1; i <= 2; i++) {
		assert_int_equal(atomic_load(&h->recording), WIRE_ASKING);
		assert_int_equal(atomic_load(&wire_process(base, i)->ask), 1);
		/* As account_answer() does. */
		atomic_store(&wire_process(base, i)->ask, 0);
		atomic_store(&h->recording, WIRE_RECORDING);
		accounts_tick(a, now += tick);
	}
	assert_int_equal(atomic_load(&h->recording), WIRE_RECORDING);
	engine_close(e);
	wire_unmake(base);
}

/* A program that waits for another one. As long as it is asked all hooks go the long way:
 * the other's, too. */
static void who_sleeps_is_not_asked_again(void **state)
{
	const uint64_t tick = 11000000;
	const int many = 2000;
	void *base = wire_make(0);
	struct wire_header *h = base;
	static struct accounts *a; /* as above */
	uint64_t now = 1000000000;
	uint32_t ring;
	struct engine *e;
	int asking = 0;

	(void)state;
	assert_non_null(base);
	atomic_store(&h->recording, WIRE_RECORDING);
	wire_add_process(base, 1, 1, 0);
	ring = wire_claim(base, 1, 1, 501);
	wire_put(base, ring, WIRE_ALLOC, 4096, 16, 1000000, 0);
	assert_int_equal(engine_open(base, -1, NULL, &e), 0);
	assert_int_equal(engine_pass(e), 1);
	assert_int_equal(accounts_open(e, base, nobody, NULL, &a), 0);
	for (int i = 0; i < many; i++) {
		accounts_tick(a, now += tick);
		asking += atomic_load(&h->recording) == WIRE_ASKING;
	}
	assert_in_range(asking, 1, 3);
	assert_int_equal(atomic_load(&h->recording), WIRE_RECORDING);
	/* When it has done something it is; as often as it answers, and seldom if it
	 * does not. */
	wire_put(base, ring, WIRE_ALLOC, 8192, 17, 16, 0);
	assert_int_equal(engine_pass(e), 1);
	accounts_tick(a, now += tick);
	assert_int_equal(atomic_load(&h->recording), WIRE_ASKING);
	asking = 0;
	for (int i = 0; i < many; i++) {
		wire_put(base, ring, WIRE_ALLOC, 16384 + 64 * (uint64_t)i,
			 18 + (uint64_t)i, 16, 0);
		assert_int_equal(engine_pass(e), 1);
		accounts_tick(a, now += tick);
		asking += atomic_load(&h->recording) == WIRE_ASKING;
	}
	assert_in_range(asking, 5, many / 50);
	engine_close(e);
	wire_unmake(base);
}

/* A sample of few blocks tells little of how many are free. */
static void who_may_have_much_free_is_not_asked_at_its_end(void **state)
{
	const struct {
		uint64_t sample;
		bool dear;
	} cases[] = {{0, false}, {512 << 10, false}, {512 << 20, true}, {0, false}};
	void *base = wire_make(0);
	struct wire_header *h = base;
	static struct accounts *a; /* as above */
	uint64_t now = 1000000000;
	struct engine *e;

	(void)state;
	assert_non_null(base);
	wire_add_process(base, 1, 1, 0);
	wire_put(base, wire_claim(base, 1, 1, 501), WIRE_ALLOC, 4096, 16, 1000000, 0);
	assert_int_equal(engine_open(base, -1, NULL, &e), 0);
	assert_int_equal(engine_pass(e), 1);
	assert_int_equal(accounts_open(e, base, nobody, NULL, &a), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		h->sample = cases[i].sample;
		accounts_tick(a, now += 11000000);
		assert_int_equal(atomic_load(&wire_process(base, 1)->dear),
				 cases[i].dear);
	}
	engine_close(e);
	wire_unmake(base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mappings_are_told_apart_by_their_names),
		cmocka_unit_test(the_parts_are_the_whole_of_any_text),
		cmocka_unit_test(a_look_finds_the_same_from_any_thread),
		cmocka_unit_test(what_the_kernel_counts_is_near_a_look),
		cmocka_unit_test(who_has_not_answered_is_asked_again),
		cmocka_unit_test(who_sleeps_is_not_asked_again),
		cmocka_unit_test(who_may_have_much_free_is_not_asked_at_its_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

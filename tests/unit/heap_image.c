/*
 * heap_image.c - the copy of another process's memory, against what that wrote there.
 */
#include "tests/unit/unit.h"

#include "cli/heap/image.h"
#include "cli/heap/memory.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	PAGE = 4096,
	OWN = 80 << 20,
	SHARED = 40 << 20,
	DATA = 5 << 20, /* a file's, of one's own */
	LARGE = 9 << 20,
};

static char *own, *shared, *data;
static pid_t child;

static uint64_t word_of(uint64_t address)
{
	return address * 0x9e3779b97f4a7c15ull;
}

static void fill(char *at, size_t len)
{
	for (size_t i = 0; i < len; i += 8) {
		uint64_t word = word_of((uint64_t)(at + i));

		memcpy(at + i, &word, 8);
	}
}

/* Pages of its own: not all of them. */
static bool is_touched(const char *at)
{
	return (uint64_t)(at - own) / (7 * PAGE) % 3 != 1;
}

/* A module's data, and some that is too large for that, which is in its file. */
static void map_module(int fd)
{
	char *large = data + DATA + PAGE;

	assert_ptr_equal(
		mmap(data, DATA, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0),
		data);
	fill(data, DATA);
	assert_ptr_equal(mmap(data, DATA, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_FIXED, fd, 0),
			 data);
	assert_ptr_equal(mmap(large, LARGE, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_FIXED, fd, DATA),
			 large);
}

/* The second page of each of them is another one than in the file. */
static void change_module(void)
{
	for (size_t i = 0; i < 8; i++)
		data[PAGE + i] = data[DATA + 2 * PAGE + i] = 'x';
}

static int set_up(void **state)
{
	int status, fd = memfd_create("x", 0), module = memfd_create("y", 0);

	(void)state;
	own = mmap(NULL, OWN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		   0);
	assert_int_equal(ftruncate(fd, SHARED), 0);
	assert_int_equal(ftruncate(module, DATA + LARGE), 0);
	/* A file's: it does not count by itself. */
	shared = mmap(NULL, SHARED, PROT_READ, MAP_SHARED, fd, 0);
	data = mmap(NULL, DATA + PAGE + LARGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
		    -1, 0);
	assert_true(own != MAP_FAILED && shared != MAP_FAILED && data != MAP_FAILED);
	map_module(module);
	child = fork();
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that dies leaves nothing */
		mmap(shared, SHARED, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
		     0);
		for (char *at = own; at < own + OWN; at += PAGE)
			if (is_touched(at))
				fill(at, PAGE);
		/* In mappings of their own: what it may not read or write any more. */
		mprotect(own + OWN / 4, OWN / 8, PROT_NONE);
		mprotect(own + OWN / 2, OWN / 8, PROT_READ);
		mprotect(own + 3 * (OWN / 4), OWN / 8, PROT_WRITE);
		fill(shared, SHARED);
		change_module();
		mprotect(shared, SHARED, PROT_READ);
		raise(SIGSTOP);
		_exit(0);
	}
	return waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status) ? 0
										 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	kill(child, SIGKILL);
	return waitpid(child, NULL, 0) == child ? 0 : -1;
}

static void check_runs(const struct heap_image *image)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < image->run_count; i++) {
		const struct heap_image_run *run = &image->runs[i];

		assert_true(run->start < run->end);
		assert_true(!i || run[-1].end <= run->start);
		bytes += run->end - run->start;
	}
	assert_int_equal(bytes, image->bytes);
}

static void check_contents(const struct heap_image *image, const char *from, size_t len)
{
	for (size_t i = 0; i < len; i += 5 * 64 + 8) {
		uint64_t at = (uint64_t)(from + i), word = 0;
		bool there = heap_image_get(image, at, &word, 8);

		if (from == own && !is_touched(from + i))
			assert_true(!there || !word);
		else if (!there || word != word_of(at))
			fail_msg("0x%lx: %d 0x%lx", (unsigned long)at, there,
				 (unsigned long)word);
	}
}

static bool has_word(const struct heap_image *image, const char *from, uint64_t want)
{
	uint64_t word;

	if (!heap_image_get(image, (uint64_t)from, &word, 8))
		return false;
	assert_int_equal(word, want);
	return true;
}

/* What is as in the file is there if it is asked for, and small. */
static void check_module(const struct heap_image *image, bool constants)
{
	const char *large = data + DATA + PAGE;
	uint64_t changed = 0x7878787878787878;

	for (const char *at = data; at < data + DATA; at += PAGE)
		if (at != data + PAGE)
			assert_int_equal(has_word(image, at, word_of((uint64_t)at)),
					 constants);
	assert_true(has_word(image, data + PAGE, changed));
	assert_true(has_word(image, large + PAGE, changed));
	assert_false(has_word(image, large, 0));
}

static void take(uint64_t prepared, uint64_t most, int want)
{
	/* Two parts of what is shared, one beyond its end. */
	struct heap_range parts[] = {
		{(uint64_t)shared + 3 * PAGE, (uint64_t)shared + (33 << 20) + 64},
		{(uint64_t)shared + SHARED - 8, (uint64_t)shared + SHARED + 8 * PAGE}};
	struct heap_ranges also = {parts, 2, 2};
	struct heap_image image = {0};
	struct heap_maps maps = {0};
	struct heap_memory memory;
	uint64_t word;

	assert_int_equal(heap_maps_read(child, &maps), 0);
	heap_memory_open(&memory, child, &maps);
	memory.constants = prepared;
	if (prepared)
		heap_image_prepare(&image, prepared);
	assert_int_equal(heap_image_take(&image, &memory, &also, most), want);
	if (!want) {
		check_runs(&image);
		check_contents(&image, own, OWN);
		check_module(&image, prepared);
		check_contents(&image, shared + 3 * PAGE, (33 << 20) + 64 - 3 * PAGE);
		assert_true(heap_image_get(&image, parts[1].start, &word, 8));
		assert_int_equal(word, word_of(parts[1].start));
		assert_false(heap_image_get(&image, (uint64_t)shared, &word, 8));
		assert_false(heap_image_get(&image, parts[0].end, &word, 8));
	}
	heap_image_done(&image);
	heap_memory_close(&memory);
	heap_maps_done(&maps);
}

static void it_is_what_the_process_has(void **state)
{
	(void)state;
	take(0, UINT64_MAX, 0);
	take(1 << 20, UINT64_MAX, 0); /* too little was made ready */
	take(OWN + SHARED, UINT64_MAX, 0);
}

static void it_has_a_bound(void **state)
{
	(void)state;
	take(1 << 20, 8 << 20, -E2BIG);
}

static void a_process_that_is_gone_is_said_to_be(void **state)
{
	struct heap_image image = {0};
	struct heap_ranges also = {0};
	struct heap_maps maps = {0};
	struct heap_memory memory;

	(void)state;
	assert_int_equal(heap_maps_read(child, &maps), 0);
	heap_memory_open(&memory, 0x3fffffff, &maps);
	assert_int_equal(heap_image_take(&image, &memory, &also, UINT64_MAX), -ESRCH);
	assert_int_equal(image.run_count, 0);
	heap_memory_close(&memory);
	heap_maps_done(&maps);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_what_the_process_has),
		cmocka_unit_test(it_has_a_bound),
		cmocka_unit_test(a_process_that_is_gone_is_said_to_be),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}

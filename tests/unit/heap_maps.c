#include "cli/heap/maps.h"

#include "cli/heap/ranges.h"
#include "tests/unit/heap_make.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <unistd.h>

static void lines_are_read_as_the_kernel_writes_them(void **state)
{
	char text[] = "55d0c0a00000-55d0c0a21000 rw-p 00000000 00:00 0     [heap]\n"
		      "7f0000000000-7f0000001000 r-xp 00002000 fd:01 42     "
		      "/a dir/lib x.so (deleted)\n"
		      "7f0000001000-7f0000002000 ---s 00000000 00:05 7 \n";
	struct heap_maps m;

	(void)state;
	assert_int_equal(heap_maps_parse(text, &m), 0);
	assert_int_equal(m.count, 3);
	assert_string_equal(m.items[0].path, "[heap]");
	assert_true(m.items[0].read && m.items[0].write && !m.items[0].exec);
	assert_string_equal(m.items[1].path, "/a dir/lib x.so (deleted)");
	assert_int_equal(m.items[1].inode, 42);
	assert_int_equal(m.items[1].offset, 0x2000);
	assert_true(m.items[1].exec && !m.items[1].write && !m.items[1].shared);
	assert_string_equal(m.items[2].path, "");
	assert_true(m.items[2].shared && !m.items[2].read);
	assert_ptr_equal(heap_maps_find(&m, 0x7f0000000fff), &m.items[1]);
	assert_ptr_equal(heap_maps_find(&m, 0x7f0000001000), &m.items[2]);
	assert_null(heap_maps_find(&m, 0x7f0000002000));
	assert_null(heap_maps_find(&m, 0));
	heap_maps_done(&m);
}

/* Of memory without the right to read, what looks used rather than reserved. */
static void reserved_memory_is_not_looked_at(void **state)
{
	char text[] = "100000000000-100000001000 ---p 0 0:0 0 \n"
		      "200000000000-200080000000 ---p 0 0:0 0 \n" /* 2 GiB */
		      "300000000000-300040000000 -w-p 0 0:0 0 \n" /* 1, three times */
		      "400000000000-400040000000 ---p 0 0:0 0 [anon:x]\n"
		      "500000000000-500040000000 ---p 0 0:0 0 \n"
		      "600000000000-600040000000 ---p 0 0:0 0 \n" /* too much in all */
		      "700000000000-700000001000 ---p 0 0:0 0 [heap]\n"
		      "700000001000-700000002000 ---s 0 0:0 0 \n"
		      "700000002000-700000003000 ---p 0 0:1 7 /file\n"
		      "700000003000-700000004000 r--p 0 0:0 0 \n"
		      "700000004000-700000005000 r--p 0 0:0 0 [vvar]\n"
		      "700000005000-700000006000 rw-p 0 0:0 0 \n";
	static const int closed[] = {1, 0, 1, 1, 1, 0, 1, 0, 0, 0, 0, 0};
	static const int holds[] = {1, 0, 1, 1, 1, 0, 0, 0, 0, 1, 0, 1};
	struct heap_maps m;

	(void)state;
	assert_int_equal(heap_maps_parse(text, &m), 0);
	assert_int_equal(m.count, 12);
	for (size_t i = 0; i < m.count; i++) {
		assert_int_equal(m.items[i].closed, closed[i]);
		assert_int_equal(heap_map_holds(&m.items[i]), holds[i]);
		assert_int_equal(heap_map_counts(&m.items[i]), i == 11);
	}
	heap_maps_done(&m);
}

static void nonsense_is_refused(void **state)
{
	static const char *const lines[] = {
		"x",
		"1-2",
		"2-1 rw-p 0 0:0 0 \n",
		"1000-2000 rw 0 0:0 0 \n",
		"2000-3000 rw-p 0 0:0 0 \n1000-2000 rw-p 0 0:0 0 \n",
		"1000-3000 rw-p 0 0:0 0 \n2000-4000 rw-p 0 0:0 0 \n"};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		char text[128];
		struct heap_maps m;

		strcpy(text, lines[i]);
		assert_int_equal(heap_maps_parse(text, &m), -EBADMSG);
	}
}

static void our_own_are_there(void **state)
{
	struct heap_maps m;
	const struct heap_map *x;

	(void)state;
	assert_int_equal(heap_maps_read(getpid(), &m), 0);
	/* (AddressSanitizer of gcc 13 and later has variables elsewhere.) */
	x = heap_maps_find(&m, (uint64_t)(uintptr_t)__builtin_frame_address(0));
	assert_non_null(x);
	assert_string_equal(x->path, "[stack]");
	x = heap_maps_find(&m, (uint64_t)(uintptr_t)our_own_are_there);
	assert_true(x && x->exec);
	heap_maps_done(&m);
	assert_int_equal(heap_maps_read(0x7ffffff0, &m), -ESRCH);
}

enum { PAGES = 2000, GUARD_INSTALL = 102 };

/* More of them than are asked for at once. */
static void guards_are_mappings_of_their_own(void **state)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *p = mmap(NULL, PAGES * page, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t start = (uint64_t)(uintptr_t)p;
	bool guard[PAGES] = {false};
	struct utsname is;
	int major = 0, minor = 0;
	struct heap_maps m;

	(void)state;
	assert_true(p != MAP_FAILED && !uname(&is));
	sscanf(is.release, "%d.%d", &major, &minor);
	if (major * 100 + minor < 615) /* they are not told of */
		skip();
	for (int i = 0; i < PAGES; i++) {
		guard[i] = make_below(3) == 0;
		if (guard[i] && madvise(p + (size_t)i * page, page, GUARD_INSTALL))
			skip();
		if (!guard[i] && make_below(2))
			p[(size_t)i * page] = 1;
	}
	assert_int_equal(heap_maps_read(getpid(), &m), 0);
	for (size_t i = 1; i < m.count; i++)
		assert_true(m.items[i - 1].end <= m.items[i].start);
	for (int i = 0; i < PAGES; i++) {
		const struct heap_map *x =
			heap_maps_find(&m, start + (uint64_t)i * page);

		assert_non_null(x);
		assert_int_equal(x->read, !guard[i]);
		assert_int_equal(heap_map_holds(x), !guard[i]);
		if (i && guard[i] != guard[i - 1])
			assert_int_equal(x->start, start + (uint64_t)i * page);
		else if (i)
			assert_true(x->start < start + (uint64_t)i * page);
	}
	heap_maps_done(&m);
	munmap(p, PAGES * page);
}

enum { SPACE = 64 };

/* Against a bit for each address. */
static void what_ranges_leave_is_what_nobody_has(void **state)
{
	(void)state;
	for (int round = 0; round < 10000; round++) {
		struct heap_ranges r = {0};
		bool taken[SPACE] = {false};
		uint64_t from = make_below(SPACE), end = make_below(SPACE + 1), at;

		for (uint32_t n = make_below(8); n--;) {
			uint64_t a = make_below(SPACE), b = make_below(SPACE);

			assert_int_equal(heap_ranges_add(&r, a, b), 0);
			for (uint64_t i = a; i < b; i++)
				taken[i] = true;
		}
		heap_ranges_tidy(&r);
		for (size_t i = 1; i < r.count; i++)
			assert_true(r.items[i - 1].end < r.items[i].start);
		at = from;
		while (at < end) {
			uint64_t start = at, stop = heap_ranges_free(&r, &start, end);

			for (uint64_t i = at; i < start && i < end; i++)
				assert_true(taken[i]);
			for (uint64_t i = start; i < stop; i++)
				assert_false(taken[i]);
			if (stop <= start)
				break;
			assert_true(stop == end || taken[stop]);
			at = stop;
		}
		heap_ranges_done(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_read_as_the_kernel_writes_them),
		cmocka_unit_test(reserved_memory_is_not_looked_at),
		cmocka_unit_test(nonsense_is_refused),
		cmocka_unit_test(our_own_are_there),
		cmocka_unit_test(guards_are_mappings_of_their_own),
		cmocka_unit_test(what_ranges_leave_is_what_nobody_has),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

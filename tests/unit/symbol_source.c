#include "tests/unit/symbol_help.h"

#include <sys/stat.h>

static uint32_t add_file(struct profile *p, const char *name)
{
	return strings_add(&p->strings, help_path(name));
}

static void add_frame(struct profile *p, uint32_t file, uint32_t line, uint32_t first,
		      uint32_t last)
{
	assert_int_equal(array_reserve(&p->frames, &p->frame_room, p->frame_count + 1),
			 0);
	p->frames[p->frame_count++] = (struct profile_frame){.file = file,
							     .line = line,
							     .function_first = first,
							     .function_last = last};
}

/* lines lines "N\n", the last without its end. */
static void write_lines(const char *name, int lines)
{
	FILE *f = fopen(help_path(name), "w");

	assert_non_null(f);
	for (int i = 1; i <= lines; i++)
		fprintf(f, i < lines ? "%d\n" : "%d", i);
	fclose(f);
}

static struct symbols_sources embed(struct profile *p)
{
	struct symbols_sources found = {0};
	struct symbols *s;

	assert_int_equal(symbols_open(&s), 0);
	assert_int_equal(symbols_sources(s, p, &found), 0);
	symbols_close(s);
	return found;
}

static void whole_functions_are_embedded_and_overlapping_ones_once(void **state)
{
	struct profile p;
	struct symbols_sources found;
	uint32_t file;

	(void)state;
	write_lines("a.c", 20);
	help_profile(&p, 0);
	file = add_file(&p, "a.c");
	add_frame(&p, file, 5, 3, 7);
	add_frame(&p, file, 6, 6, 9);
	add_frame(&p, file, 15, 0, 0);
	add_frame(&p, file, 20, 19, 500);
	found = embed(&p);
	assert_int_equal(found.files, 1);
	assert_int_equal(found.missing, 0);
	assert_int_equal(p.source_count, 3);
	assert_int_equal(p.sources[0].first, 3);
	assert_int_equal(p.sources[0].count, 7);
	assert_string_equal(strings_get(&p.strings, p.sources[0].text),
			    "3\n4\n5\n6\n7\n8\n9\n");
	assert_string_equal(strings_get(&p.strings, p.sources[1].text), "15\n");
	assert_string_equal(strings_get(&p.strings, p.sources[2].text), "19\n20\n");

	/* Again: nothing new; then what a new frame adds, and no more. */
	embed(&p);
	assert_int_equal(p.source_count, 3);
	add_frame(&p, file, 8, 2, 12);
	found = embed(&p);
	assert_int_equal(found.bytes, strlen("2\n10\n11\n12\n"));
	assert_int_equal(p.source_count, 5);
	assert_string_equal(strings_get(&p.strings, p.sources[3].text), "2\n");
	assert_string_equal(strings_get(&p.strings, p.sources[4].text), "10\n11\n12\n");
	help_profile_done(&p);
}

/* Any set of frames: each wanted line is there exactly once, and is that line. */
static void each_line_is_embedded_once(void **state)
{
	(void)state;
	srand(5);
	write_lines("b.c", 60);
	for (int round = 0; round < 300; round++) {
		unsigned wanted[100] = {0}, got[100] = {0};
		struct profile p;

		help_profile(&p, 0);
		for (int step = 0; step < 3; step++) {
			for (int i = rand() % 5; i >= 0; i--) {
				uint32_t first = 1 + (uint32_t)rand() % 70;
				uint32_t last = first + (uint32_t)rand() % 20;

				add_frame(&p, add_file(&p, "b.c"), first, first, last);
				for (uint32_t n = first; n <= last; n++)
					wanted[n] = n <= 60;
			}
			embed(&p);
		}
		for (size_t i = 0; i < p.source_count; i++) {
			const char *text = strings_get(&p.strings, p.sources[i].text);

			for (uint32_t n = 0; n < p.sources[i].count; n++) {
				uint32_t line = p.sources[i].first + n;

				assert_int_equal(strtoul(text, (char **)&text, 10),
						 line);
				assert_int_equal(*text++, '\n');
				got[line]++;
			}
			assert_int_equal(*text, '\0');
		}
		assert_memory_equal(wanted, got, sizeof(got));
		help_profile_done(&p);
	}
}

static void what_is_no_source_is_left_out(void **state)
{
	struct profile p;
	struct symbols_sources found;
	FILE *f = fopen(help_path("binary.c"), "w");

	(void)state;
	assert_non_null(f);
	assert_int_equal(fwrite("a\0b\n", 1, 4, f), 4);
	fclose(f);
	assert_int_equal(mkfifo(help_path("fifo.c"), 0600), 0);
	assert_int_equal(help_run(": >\"$D/huge.c\"; truncate -s 1G \"$D/huge.c\""), 0);
	help_profile(&p, 0);
	add_frame(&p, add_file(&p, "binary.c"), 1, 1, 9);
	add_frame(&p, add_file(&p, "fifo.c"), 1, 1, 9);
	add_frame(&p, add_file(&p, "huge.c"), 1, 1, 9);
	add_frame(&p, add_file(&p, "missing.c"), 1, 1, 9);
	add_frame(&p, add_file(&p, "."), 1, 1, 9);
	add_frame(&p, strings_add(&p.strings, "/usr/include/stdio.h"), 1, 1, 9);
	add_frame(&p, strings_add(&p.strings, "relative.c"), 1, 1, 9);
	add_frame(&p, 0, 1, 1, 9);
	add_frame(&p, add_file(&p, "binary.c"), UINT32_MAX, UINT32_MAX, UINT32_MAX);
	found = embed(&p);
	assert_int_equal(found.files, 0);
	assert_int_equal(found.missing, 5);
	assert_int_equal(p.source_count, 0);
	help_profile_done(&p);
}

/* From a real binary: its own source, and a warning once that is changed. */
static void a_source_newer_than_its_binary_is_told(void **state)
{
	struct symbols_sources found;
	struct symbols *s;
	struct profile p;

	(void)state;
	if (help_run("cp \"$T/symbol_lines.c\" \"$D/l.c\" && ${CC:-cc} -O0 -g "
		     "\"$D/l.c\" -o "
		     "\"$D/lines\" && touch -d '1 hour ago' \"$D/l.c\""))
		skip();
	for (int newer = 0; newer < 2; newer++) {
		help_profile(&p, 1);
		for (uint64_t at = 0x1000; at < 0x1400; at += 8)
			help_stack(&p, at, 1, PROFILE_STACK_EXACT);
		assert_int_equal(symbols_open(&s), 0);
		assert_int_equal(symbols_module(s, 0, help_path("lines"), NULL, ""), 0);
		assert_int_equal(symbols_resolve(s, &p), 0);
		assert_int_equal(symbols_sources(s, &p, &found), 0);
		assert_int_equal(found.files, 1);
		assert_int_equal(found.newer, newer);
		if (newer)
			assert_string_equal(strings_get(&p.strings, found.newer_file),
					    help_path("l.c"));
		assert_true(p.source_count > 0);
		symbols_close(s);
		help_profile_done(&p);
		assert_int_equal(help_run("touch -d '1 hour' \"$D/l.c\""), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			whole_functions_are_embedded_and_overlapping_ones_once),
		cmocka_unit_test(each_line_is_embedded_once),
		cmocka_unit_test(what_is_no_source_is_left_out),
		cmocka_unit_test(a_source_newer_than_its_binary_is_told),
	};

	return cmocka_run_group_tests(tests, help_setup, help_teardown);
}

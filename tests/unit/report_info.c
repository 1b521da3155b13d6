/*
 * report_info.c - what a profile is, and what its file is made of.
 */
#include "tests/unit/unit.h"

#include "cli/report/info.h"
#include "tests/unit/json_check.h"
#include "tests/unit/profile_walk.h"
#include "tests/unit/report_make.h"

enum { ROUNDS = 100 };

static void modules_tell_how_much_of_their_code_has_names(void **state)
{
	struct profile *p = report_example();
	struct info info;

	(void)state;
	assert_int_equal(info_of(p, &info), 0);
	assert_int_equal(info.modules[1].nodes, 4);
	assert_int_equal(info.modules[1].named, 4);
	assert_int_equal(info.modules[1].lined, 4);
	assert_int_equal(info.modules[2].nodes, 1);
	assert_int_equal(info.modules[2].named, 0);
	info_done(&info);
	profile_close(p);
}

static void files_are_embedded_missing_or_somebody_elses(void **state)
{
	struct profile *p = report_example();
	struct info info;

	(void)state;
	report_call(p, 0, 1, "h", "/src/u/gone.c", 3, 1, 9);
	report_call(p, 0, 1, "v", "/usr/include/c++/12/vector", 3, 1, 9);
	assert_int_equal(info_of(p, &info), 0);
	assert_int_equal(info.embedded, 1);
	assert_int_equal(info.missing, 1);
	assert_int_equal(info.outside, 1);
	info_done(&info);
	profile_close(p);
}

static void arbitrary_profiles_are_told_safely(void **state)
{
	struct make m = {.state = 1, .size = 20};

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		struct profile *p = profile_new();
		struct info_options o = {.path = "p\033", .why = "w\033"};
		char *text;

		make_more(&m, p);
		o.notes[0] = "a note";
		text = REPORT_TEXT(info_json(p, &o, out));
		assert_true(json_check(text));
		free(text);
		text = REPORT_TEXT(info_text(p, &o, out));
		assert_null(strchr(text, '\033'));
		free(text);
		profile_close(p);
	}
}

static void notes_and_ends_of_processes_are_said(void **state)
{
	struct profile *p = report_example();
	struct info_options o = {.path = "p", .why = ""};
	char *text;

	(void)state;
	o.notes[3] = "it was a special one";
	p->processes[0].notes = 1u << 3;
	p->processes[0].end = PROFILE_SIGNALED;
	p->processes[0].end_status = 9;
	text = REPORT_TEXT(info_text(p, &o, out));
	assert_non_null(strstr(text, "killed by signal 9 (SIGKILL)"));
	assert_non_null(strstr(text, "note: it was a special one"));
	free(text);
	profile_close(p);
}

/* ---- parts ------------------------------------------------------------------ */

static void put_file(char *path, const void *data, size_t len)
{
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
	close(fd);
}

static void parts_add_up_to_the_file(void **state)
{
	struct make m = {.state = 2, .size = 20};

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		struct profile *p = profile_new();
		char path[] = "/tmp/heapline-parts-XXXXXX";
		struct profile_parts parts;
		struct bytes b = {0};
		uint64_t sum = 16, whole;

		make_more(&m, p);
		walk_write(p, 6, &b);
		whole = b.len;
		b.len -= i % 2 ? make_below(&m, (uint32_t)b.len + 1) : 0;
		put_file(path, b.data, b.len);
		assert_int_equal(profile_parts(path, &parts), 0);
		for (unsigned k = 0; k < parts.count; k++)
			sum += parts.part[k].stored_bytes;
		assert_int_equal(parts.file_bytes, b.len);
		assert_true(sum <= (b.len < 16 ? 16 : b.len));
		assert_int_equal(parts.updates, b.len == whole);
		if (b.len == whole)
			assert_int_equal(sum, b.len);
		else if (b.len >= 16)
			assert_int_equal(parts.rest_bytes, b.len - 16);
		unlink(path);
		bytes_done(&b);
		profile_close(p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(modules_tell_how_much_of_their_code_has_names),
		cmocka_unit_test(files_are_embedded_missing_or_somebody_elses),
		cmocka_unit_test(arbitrary_profiles_are_told_safely),
		cmocka_unit_test(notes_and_ends_of_processes_are_said),
		cmocka_unit_test(parts_add_up_to_the_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

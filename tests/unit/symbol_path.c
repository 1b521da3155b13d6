#include "tests/unit/unit.h"

#include "cli/symbol/path.h"

#include <stdlib.h>
#include <string.h>

static void spellings_of_one_file_become_one(void **state)
{
	static const char *const cases[][3] = {
		{"/src", "a.c", "/src/a.c"},
		{"/src", "/abs/a.c", "/abs/a.c"},
		{"/src/build", "../lib/a.c", "/src/lib/a.c"},
		{"/src", "./x/.//y/../a.c", "/src/x/a.c"},
		{"/", "../../a.c", "/a.c"},
		{"", "/../../a.c", "/a.c"},
		{"", "../a.c", "../a.c"},
		{"..", "../a.c", "../../a.c"},
		{"x", "../../a.c", "../a.c"},
		{"/src/", "a..c", "/src/a..c"},
		{"/src", "...", "/src/..."},
		{"/src", "x/..", "/src"},
		{"/src", "", ""},
	};
	char path[PATH_MAX_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		strcpy(path, "");
		assert_int_equal(path_normalise(cases[i][0], cases[i][1], path),
				 strlen(cases[i][2]));
		assert_string_equal(path, cases[i][2]);
	}
}

static void a_normal_path_stays_as_it_is(void **state)
{
	static const char *const parts[] = {"..", ".", "", "a", "bc", "...", "/"};
	char once[PATH_MAX_BYTES], twice[PATH_MAX_BYTES];

	(void)state;
	srand(2);
	for (int round = 0; round < 20000; round++) {
		char file[256] = "";

		for (int i = rand() % 12; i >= 0; i--) {
			strcat(file, parts[(size_t)rand() % 7]);
			strcat(file, rand() % 8 ? "/" : "");
		}
		if (!path_normalise(rand() % 2 ? "/d" : "", file, once))
			continue;
		assert_int_equal(path_normalise("", once, twice), strlen(once));
		assert_string_equal(once, twice);
		if (*once == '/')
			assert_null(strstr(once, "/../"));
		assert_null(strstr(once, "//"));
	}
}

static void a_path_that_does_not_fit_is_none(void **state)
{
	char file[PATH_MAX_BYTES + 10], path[PATH_MAX_BYTES];

	(void)state;
	memset(file, 'a', sizeof(file));
	file[sizeof(file) - 1] = '\0';
	assert_int_equal(path_normalise("/", file, path), 0);
	file[PATH_MAX_BYTES - 1] = '\0';
	assert_int_equal(path_normalise("", file, path), PATH_MAX_BYTES - 1);
	assert_int_equal(path_normalise("/", file, path), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spellings_of_one_file_become_one),
		cmocka_unit_test(a_normal_path_stays_as_it_is),
		cmocka_unit_test(a_path_that_does_not_fit_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

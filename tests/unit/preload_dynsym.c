/* Exported symbols, as the loader finds them. */
#include "tests/unit/unit.h"

#include "preload/dynsym.h"

#include <dlfcn.h>
#include <string.h>

static int own_writable = 1;
static const int own_constant = 1;
struct search {
	const char *name;
	uintptr_t found;
	size_t objects, defining;
};

static int look(struct dl_phdr_info *info, size_t size, void *context)
{
	struct search *s = context;
	struct dynsym d;
	uintptr_t at;

	(void)size;
	if (dynsym_open(info->dlpi_addr, info->dlpi_phdr, info->dlpi_phnum, &d))
		return 0;
	s->objects++;
	at = dynsym_find(&d, s->name);
	s->defining += at != 0;
	if (!s->found)
		s->found = at;
	return 0;
}

static struct search find(const char *name)
{
	struct search s = {.name = name};

	dl_iterate_phdr(look, &s);
	return s;
}

static void what_the_loader_finds_is_found_where_it_is(void **state)
{
	static const char *const names[] = {
		"qsort", "getenv", "_cmocka_run_group_tests", "environ", "puts"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct search s = find(names[i]);

		assert_true(s.objects >= 2);
		assert_true(s.found == (uintptr_t)dlsym(RTLD_DEFAULT, names[i]));
	}
}

static void what_is_nowhere_is_not_found(void **state)
{
	static const char *const names[] = {"", "no_such_symbol_anywhere", "qsor",
					    "qsort_rr"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		assert_int_equal(find(names[i]).defining, 0);
}

static int look_at_data(struct dl_phdr_info *info, size_t size, void *context)
{
	struct dynsym d = {.bias = info->dlpi_addr,
			   .segments = info->dlpi_phdr,
			   .segment_count = info->dlpi_phnum};
	int *writable = context;

	(void)size;
	writable[0] += dynsym_is_writable(&d, (uintptr_t)&own_writable, sizeof(int));
	writable[1] += dynsym_is_writable(&d, (uintptr_t)&own_constant, sizeof(int));
	writable[2] += dynsym_is_writable(&d, (uintptr_t)context, sizeof(int));
	return 0;
}

static void data_is_writable_in_its_own_object_alone(void **state)
{
	int writable[3] = {0};

	(void)state;
	dl_iterate_phdr(look_at_data, writable);
	assert_int_equal(writable[0], 1);
	assert_int_equal(writable[1], 0);
	assert_int_equal(writable[2], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_loader_finds_is_found_where_it_is),
		cmocka_unit_test(what_is_nowhere_is_not_found),
		cmocka_unit_test(data_is_writable_in_its_own_object_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "tests/unit/unit.h"

#include "cli/report/runtime.h"
#include "tests/unit/report_make.h"

#define LIBC "/lib/x86_64-linux-gnu/libc.so.6"
#define LOADER "/lib64/ld-linux-x86-64.so.2"
#define STDCXX "/usr/lib/x86_64-linux-gnu/libstdc++.so.6"
#define OWN "/src/u/demo"

enum { DEPTH = 6 };

struct stack { /* innermost first, as seen on Debian 12; "" is a stripped function */
	const char *what;
	struct {
		const char *module, *function;
	} frames[DEPTH];
};

static uint32_t build(struct profile *p, const struct stack *s)
{
	uint32_t node = 0;

	for (size_t i = DEPTH; i-- > 0;) {
		if (!s->frames[i].module)
			continue;
		node = report_call(p, node, report_module(p, s->frames[i].module),
				   s->frames[i].function, "", 0, 0, 0);
	}
	return node;
}

static void check_all(const struct stack *stacks, size_t count, bool runtime)
{
	for (size_t i = 0; i < count; i++) {
		struct profile *p = report_profile();
		uint32_t node = build(p, &stacks[i]);
		struct runtime *r = runtime_open(p);

		if (!!runtime_reason(r, node) != runtime)
			fail_msg("%s", stacks[i].what);
		runtime_close(r);
		profile_close(p);
	}
}

static void what_libc_and_the_loader_keep_is_runtime(void **state)
{
	static const struct stack stacks[] = {
		{"stdout's buffer",
		 {{LIBC, "_IO_file_doallocate"},
		  {LIBC, "_IO_doallocbuf"},
		  {LIBC, "_IO_file_overflow"},
		  {LIBC, "puts"},
		  {OWN, "main"}}},
		{"a wide stream's buffer",
		 {{LIBC, ""},
		  {LIBC, "_IO_wdoallocbuf"},
		  {LIBC, "_IO_wfile_overflow"},
		  {OWN, "main"}}},
		{"a thread's TLS vector",
		 {{LOADER, ""},
		  {LOADER, "_dl_allocate_tls"},
		  {LIBC, "pthread_create"},
		  {OWN, "main"}}},
		{"a dynamic TLS block",
		 {{LOADER, ""}, {LOADER, "__tls_get_addr"}, {OWN, "touch"}}},
		{"a link map",
		 {{LOADER, ""},
		  {LOADER, ""},
		  {LIBC, "_dl_catch_exception"},
		  {LIBC, "dlopen"},
		  {OWN, "main"}}},
		{"dlerror's text",
		 {{LIBC, ""}, {LIBC, "asprintf"}, {LIBC, "dlerror"}, {OWN, "main"}}},
		{"dlopen's result", {{LIBC, ""}, {LIBC, "dlopen"}, {OWN, "main"}}},
		{"strerror's buffer",
		 {{LIBC, ""}, {LIBC, "asprintf"}, {LIBC, "strerror_l"}, {OWN, "main"}}},
		{"a destructor's entry",
		 {{LIBC, "__cxa_thread_atexit_impl"},
		  {STDCXX, "__cxa_thread_atexit"},
		  {OWN, "main"}}},
		{"the emergency pool", {{STDCXX, ""}, {LOADER, ""}, {LOADER, ""}}},
		{"behind the shim",
		 {{"/usr/lib/libheapline.so", "malloc"}, {LOADER, ""}, {OWN, "main"}}},
		{"where Python's arenas are",
		 {{"/usr/lib/libheapline.so", "returned"},
		  {"/usr/lib/libheapline.so", "object_malloc"},
		  {OWN, "PyList_New"}}},
		{"the same, by a shim without names",
		 {{"/usr/lib/libheapline.so", ""}, {OWN, "PyList_New"}}},
	};

	(void)state;
	check_all(stacks, sizeof(stacks) / sizeof(stacks[0]), true);
}

static void what_the_program_asked_for_is_its_own(void **state)
{
	static const struct stack stacks[] = {
		{"malloc", {{OWN, "main"}, {LIBC, ""}, {LIBC, "__libc_start_main"}}},
		{"fopen's FILE", {{LIBC, ""}, {OWN, "main"}, {LIBC, ""}}},
		{"strdup", {{LIBC, "__strdup"}, {OWN, "main"}}},
		{"getline's line", {{LIBC, "__getdelim"}, {OWN, "main"}}},
		{"open_memstream", {{LIBC, "open_memstream"}, {OWN, "main"}}},
		{"asprintf", {{LIBC, ""}, {LIBC, "asprintf"}, {OWN, "main"}}},
		{"setenv", {{LIBC, ""}, {OWN, "main"}}},
		{"new", {{STDCXX, "operator new(unsigned long)"}, {OWN, "main"}}},
		{"a constructor's new, called in its tail",
		 {{STDCXX, "operator new(unsigned long)"}, {LOADER, ""}, {LOADER, ""}}},
		{"a thread that ends in strdup", {{LIBC, "__strdup"}, {LIBC, ""}}},
		{"a function of the program's that is called like libc's",
		 {{OWN, "_IO_file_doallocate"}, {OWN, "main"}}},
		{"a program's callback in libc",
		 {{OWN, "compare"}, {LIBC, "qsort"}, {OWN, "main"}}},
		{"in a library's initialiser",
		 {{"/usr/lib/libz.so.1", ""}, {LOADER, ""}, {LOADER, ""}}},
		{"a library called ldap", {{"/usr/lib/libldap.so", "ldap_open"}}},
		{"nobody knows", {{NULL, NULL}}},
	};

	(void)state;
	check_all(stacks, sizeof(stacks) / sizeof(stacks[0]), false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_libc_and_the_loader_keep_is_runtime),
		cmocka_unit_test(what_the_program_asked_for_is_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

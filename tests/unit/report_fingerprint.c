#include "tests/unit/unit.h"

#include "cli/report/fingerprint.h"
#include "tests/unit/report_views.h"

#define LIBC "/lib/x86_64-linux-gnu/libc.so.6"

static void check_name(const char *function, bool libc, const char *expected)
{
	char *name = fingerprint_name(function, libc);

	assert_string_equal(name, expected);
	free(name);
}

static void what_compilers_number_is_left_out_of_names(void **state)
{
	static const char *const names[][2] = {
		{"parse", "parse"},
		{"parse.cold", "parse"},
		{"parse.part.0", "parse"},
		{"parse.isra.0.cold", "parse"},
		{"parse.constprop.12", "parse"},
		{"parse.lto_priv.0", "parse"},
		{"parse.llvm.123456789", "parse"},
		{"parse.particular", "parse.particular"},
		{"a::f(int) [clone .cold]", "a::f(int)"},
		{"a::f(int) [clone .isra.0] [clone .cold]", "a::f(int)"},
		{"main::{lambda(int)#2}::operator()(int) const",
		 "main::{lambda}::operator()(int) const"},
		{"f<g()::{lambda({unnamed type#1})#3}>()", "f<g()::{lambda}>()"},
		{"f({unnamed type#1})", "f({unnamed type})"},
		{"main::$_0::operator()() const", "main::{lambda}::operator()() const"},
		{"price$_$of", "price$_$of"},
		{"app::run::{closure#0}", "app::run::{closure}"},
		{"app::run::{{closure}}", "app::run::{{closure}}"},
		{"app::run::h0123456789abcdef", "app::run"},
		{"app::run::h0123456789abcde", "app::run::h0123456789abcde"},
		{"std::__cxx11::basic_string<char>::f[abi:cxx11]()",
		 "std::basic_string<char>::f()"},
		{"std::__1::vector<int>::push_back(int&&)",
		 "std::vector<int>::push_back(int&&)"},
		{"{", "{"},
		{"{lambda(", "{lambda}"},
		{"[abi:", "[abi:"},
		{".cold", ".cold"},
		{"", ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		check_name(names[i][0], false, names[i][1]);
	check_name("__GI___strdup", true, "strdup");
	check_name("_IO_puts", true, "_IO_puts");
	check_name("__strdup", false, "__strdup");
}

/* Each would take days if every brace, or tag, were looked for to the name's end. */
static void a_name_of_megabytes_takes_no_longer_than_its_bytes(void **state)
{
	static const char *const parts[] = {
		"{", "{a", "}", "[abi:", " [clone ", "::h0", "{a#"};
	enum { BYTES = 4 << 20 };
	char *text = malloc(BYTES + 1);

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		size_t len = strlen(parts[i]), count = BYTES / len;

		for (size_t k = 0; k < count; k++)
			memcpy(text + k * len, parts[i], len);
		text[count * len] = '\0';
		check_name(text, false, text);
	}
	/* Closed only in the middle: {{{{}}}}. */
	memset(text, '{', BYTES / 2);
	memset(text + BYTES / 2, '}', BYTES / 2);
	text[BYTES] = '\0';
	check_name(text, false, text);
	free(text);
}

struct frame {
	const char *module, *function;
};

/* Innermost first; ended by no module. */
static uint32_t build(struct profile *p, const struct frame *frames, uint32_t line)
{
	uint32_t node = 0;
	size_t count = 0;

	while (frames[count].module)
		count++;
	while (count--)
		node = report_call(p, node, report_module(p, frames[count].module),
				   frames[count].function, "/src/a.c", line, 1, 2);
	return node;
}

/* The fingerprint's text, and its number. */
static uint64_t look(const struct frame *frames, char *where, size_t room)
{
	struct profile *p = report_profile();
	uint32_t stack = build(p, frames, 7);
	struct fingerprints *f = fingerprints_open(p);
	struct fingerprint print;

	assert_int_equal(fingerprint_of(f, stack, &print), 0);
	fingerprint_where(&print, where, room);
	fingerprints_close(f);
	profile_close(p);
	return print.hash;
}

static void check(const struct frame *frames, const char *expected)
{
	char where[400];

	look(frames, where, sizeof(where));
	assert_string_equal(where, expected);
}

static void a_stack_is_told_by_functions_and_base_names(void **state)
{
	(void)state;
	check((struct frame[]){{"/src/libq.so.1.2", "push"},
			       {"/src/demo", "work"},
			       {"/src/demo", "main"},
			       {LIBC, "__libc_start_call_main"},
			       {"/src/demo", "_start"},
			       {0}},
	      "push (libq.so) < work < main (demo)");
	check((struct frame[]){{"/src/demo", "std::map<int, a>::f(int)"}, {0}},
	      "std::map<...>::f (demo)");
	check((struct frame[]){{"/t/app-0123456789abcdef", "f"}, {0}}, "f (app)");
	check((struct frame[]){{"/t/demo", ""}, {"/t/demo", ""}, {"/t/demo", "f"}, {0}},
	      "? < f (demo)");
	check((struct frame[]){{"/t/demo", "a\033[31mb"}, {0}}, "a\\x1b[31mb (demo)");
	check((struct frame[]){{0}}, "(no stack)");
}

static void of_libc_what_was_called_is_left(void **state)
{
	(void)state;
	check((struct frame[]){{LIBC, ""}, {LIBC, "asprintf"}, {"/demo", "f"}, {0}},
	      "asprintf (libc.so) < f (demo)");
	check((struct frame[]){{LIBC, "__vasprintf_internal"},
			       {LIBC, "___asprintf"},
			       {"/demo", "f"},
			       {LIBC, "start_thread"},
			       {LIBC, "clone3"},
			       {0}},
	      "asprintf (libc.so) < f (demo)");
	check((struct frame[]){{"/demo", "f"}, {LIBC, "start_thread"}, {0}},
	      "f (demo)");
	check((struct frame[]){{LIBC, ""}, {LIBC, "qsort"}, {0}}, "qsort (libc.so)");
}

static void recursion_counts_once(void **state)
{
	char where[400];
	uint64_t hash = 0;

	(void)state;
	for (size_t turns = 1; turns < 12; turns++) {
		struct frame frames[40] = {{"/demo", "leaf"}};
		uint64_t now;
		size_t at = 1;

		for (size_t i = 0; i < turns; i++) {
			frames[at++] = (struct frame){"/demo", "a"};
			frames[at++] = (struct frame){"/demo", "b"};
			frames[at++] = (struct frame){"/demo", "c"};
		}
		frames[at] = (struct frame){"/demo", "main"};
		now = look(frames, where, sizeof(where));
		assert_string_equal(where, "leaf < a < b < c < main (demo)");
		assert_true(!hash || now == hash);
		hash = now;
	}
}

/* As a profile of the same program, built again after an edit, would be. */
static struct profile *rebuilt(const struct make *seed)
{
	struct make m = *seed;
	struct profile *p = views_profile(&m);

	for (size_t i = 0; i < p->frame_count; i++)
		p->frames[i].line += 17;
	for (size_t i = 0; i < p->stack_count; i++)
		p->stacks[i].pc += 0x7000000;
	for (size_t i = 0; i < p->module_count; i++) {
		char path[300];

		snprintf(path, sizeof(path), "/elsewhere%s",
			 strings_get(&p->strings, p->modules[i].path));
		if (i != 2) /* where libc is tells that it is libc */
			p->modules[i].path = report_string(p, path);
	}
	return p;
}

static void a_rebuilt_program_has_the_same_ones(void **state)
{
	struct make m = {0};
	size_t stacks = 0, differ = 0;

	(void)state;
	for (int round = 0; round < unit_rounds(300); round++) {
		struct make seed = m;
		struct profile *a = views_profile(&m), *b = rebuilt(&seed);
		struct fingerprints *f = fingerprints_open(a);
		struct fingerprints *g = fingerprints_open(b);
		uint64_t last = 0;

		for (uint32_t i = 0; i < a->stack_count; i++, stacks++) {
			struct fingerprint x, y;
			char s[300], t[300];

			assert_int_equal(fingerprint_of(f, i, &x), 0);
			assert_int_equal(fingerprint_of(g, i, &y), 0);
			assert_true(x.hash == y.hash);
			assert_string_equal(fingerprint_where(&x, s, sizeof(s)),
					    fingerprint_where(&y, t, sizeof(t)));
			differ += x.hash != last;
			last = x.hash;
		}
		fingerprints_close(f);
		fingerprints_close(g);
		profile_close(a);
		profile_close(b);
	}
	assert_true(differ > stacks / 4);
}

/* Files keep them: a change of the number is a change of the format. */
static void the_number_stays_from_release_to_release(void **state)
{
	char where[400];

	(void)state;
	assert_int_equal(look((struct frame[]){{"/src/libq.so.1", "push"},
					       {"/demo", "main"},
					       {0}},
			      where, sizeof(where)),
			 0xe960ba87b827862);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_compilers_number_is_left_out_of_names),
		cmocka_unit_test(a_name_of_megabytes_takes_no_longer_than_its_bytes),
		cmocka_unit_test(a_stack_is_told_by_functions_and_base_names),
		cmocka_unit_test(of_libc_what_was_called_is_left),
		cmocka_unit_test(recursion_counts_once),
		cmocka_unit_test(a_rebuilt_program_has_the_same_ones),
		cmocka_unit_test(the_number_stays_from_release_to_release),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

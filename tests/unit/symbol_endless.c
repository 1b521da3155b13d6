/*
 * symbol_endless.c - debug information whose entries refer to themselves, or to each
 * other, so that who follows them without a limit never comes back.
 */
#include "tests/unit/symbol_help.h"

#include "cli/symbol/locals.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum { CODE = 0x10000 }; /* address of the one function */

/* Abbreviations by number, for all that is written below. */
static const char abbreviations[] =
	".section .debug_abbrev,\"\",@progbits\n"
	".Labbrev:\n"
	/* 1 unit: language, name, low, high */
	".byte 1,0x11,1, 0x13,0x0b, 0x03,0x08, 0x11,0x01, 0x12,0x07, 0,0\n"
	/* 2 subprogram: name, low, high, with children */
	".byte 2,0x2e,1, 0x03,0x08, 0x11,0x01, 0x12,0x07, 0,0\n"
	/* 3 variable: name, type, location */
	".byte 3,0x34,0, 0x03,0x08, 0x49,0x13, 0x02,0x18, 0,0\n"
	/* 4 typedef: type */
	".byte 4,0x16,0, 0x49,0x13, 0,0\n"
	/* 5 namespace: sibling, with children */
	".byte 5,0x39,1, 0x01,0x13, 0,0\n"
	/* 6 subprogram of a declaration: low, high, specification */
	".byte 6,0x2e,0, 0x11,0x01, 0x12,0x07, 0x47,0x13, 0,0\n"
	/* 7 declared subprogram: name */
	".byte 7,0x2e,0, 0x03,0x08, 0,0\n"
	/* 8 array: type, with children; 9 its range: count */
	".byte 8,0x01,1, 0x49,0x13, 0,0\n"
	".byte 9,0x21,0, 0x37,0x07, 0,0\n"
	/* 10 base type: bytes */
	".byte 10,0x24,0, 0x0b,0x0b, 0,0\n"
	/* 11 class of a type unit: signature, with children */
	".byte 11,0x02,1, 0x69,0x20, 0,0\n"
	/* 12 type unit; 13 namespace with children; 14 class in it */
	".byte 12,0x41,1, 0,0\n"
	".byte 13,0x39,1, 0,0\n"
	".byte 14,0x02,0, 0x03,0x08, 0,0\n"
	".byte 0\n";

static FILE *begin(void)
{
	FILE *s = fopen(help_path("it.s"), "w");

	assert_non_null(s);
	fprintf(s, ".text\n.Lcode:\n.skip 64,0x90\n%s", abbreviations);
	fputs(".section .debug_info,\"\",@progbits\n.Linfo:\n"
	      ".long .Lend-.Lversion\n.Lversion:\n.short 4\n.long .Labbrev\n.byte 8\n"
	      /* 4: C++ */
	      ".byte 1\n.byte 4\n.string \"unit\"\n.quad .Lcode\n.quad 64\n",
	      s);
	return s;
}

static bool build(FILE *s)
{
	fputs(".byte 0\n.Lend:\n", s);
	fclose(s);
	return help_run("${CC:-cc} -shared -nostdlib -Wl,-Ttext=%#x \"$D/it.s\" "
			"-o \"$D/it\" 2>\"$D/said\"",
			CODE) == 0;
}

static bool is_small(void)
{
	struct rusage used;

	return !getrusage(RUSAGE_SELF, &used) && used.ru_maxrss < 1 << 20; /* KiB */
}

/* In a process of its own with little time and memory: whether it came to an end. */
static void ends(int (*what)(void))
{
	const struct rlimit time = {60, 60};
	int status = -1;
	pid_t child = fork();

	if (child == 0) {
		setrlimit(RLIMIT_CPU, &time);
#ifndef UNIT_SANITIZED /* that maps terabytes */
		const struct rlimit memory = {4ul << 30, 4ul << 30};

		setrlimit(RLIMIT_DATA, &memory);
#endif
		_exit(what() || !is_small());
	}
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

/* ---- variables ---------------------------------------------------------------- */

static uint64_t seen_bytes;

static int see(void *arg, size_t index, const char *function, bool linkage,
	       const struct locals_place *place)
{
	(void)arg, (void)index, (void)function, (void)linkage;
	if (place)
		seen_bytes = place->bytes;
	return 0;
}

static int ask_for_locals(void)
{
	struct location_frame frame = {.cfa = 0x7000};
	const struct location_frame *frames[] = {&frame};
	struct module *m;
	int fd = open(help_path("it"), O_RDONLY | O_CLOEXEC), r;

	frame.registers[LOCATION_PC] = CODE + 8;
	r = fd < 0 ? 1 : module_open(fd, -1, help_path("it"), &m);
	if (r)
		return 1;
	seen_bytes = 0;
	r = locals_find(m, 0, frames, 1, see, NULL);
	module_close(m);
	return r ? 1 : seen_bytes == 0;
}

/* A function with one variable, of the type that `type` writes at .Ltype. */
static void variable_of(const char *type)
{
	FILE *s = begin();

	fputs(".byte 2\n.string \"f\"\n.quad .Lcode\n.quad 64\n"
	      /* DW_OP_call_frame_cfa */
	      ".byte 3\n.string \"x\"\n.long .Ltype-.Linfo\n.byte 1,0x9c\n.byte 0\n",
	      s);
	fputs(type, s);
	assert_true(build(s));
}

static void a_type_that_is_itself_has_no_size(void **state)
{
	(void)state;
	variable_of(".Ltype: .byte 4\n.long .Ltype-.Linfo\n");
	ends(ask_for_locals);
	variable_of(".Ltype: .byte 4\n.long .Lb-.Linfo\n"
		    ".Lb: .byte 4\n.long .Ltype-.Linfo\n");
	ends(ask_for_locals);
	variable_of(".Ltype: .byte 8\n.long .Lb-.Linfo\n.byte 9\n.quad 3\n.byte 0\n"
		    ".Lb: .byte 4\n.long .Ltype-.Linfo\n");
	ends(ask_for_locals);
}

static void sizes_are_those_of_the_types(void **state)
{
	static const struct {
		const char *type;
		uint64_t bytes;
	} cases[] = {
		{".Ltype: .byte 10,4\n", 4},
		{".Ltype: .byte 4\n.long .Lb-.Linfo\n.Lb: .byte 10,2\n", 2},
		{".Ltype: .byte 8\n.long .Lb-.Linfo\n.byte 9\n.quad 3\n.byte 9\n"
		 ".quad 5\n.byte 0\n.Lb: .byte 10,4\n",
		 60},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		variable_of(cases[i].type);
		assert_int_equal(ask_for_locals(), 0);
		assert_int_equal(seen_bytes, cases[i].bytes);
	}
}

/* ---- scopes -------------------------------------------------------------------- */

static const char *wanted;

static int ask_for_names(void)
{
	struct symbols *s;
	struct profile p;
	int r;

	help_profile(&p, 1);
	help_stack(&p, CODE + 8, 1, PROFILE_STACK_EXACT);
	if (symbols_open(&s))
		return 1;
	symbols_module(s, 0, help_path("it"), NULL, "");
	r = symbols_resolve(s, &p);
	if (!r)
		r = strcmp(strings_get(&p.strings, help_frame(&p, 1, 0)->function),
			   wanted) != 0;
	symbols_close(s);
	help_profile_done(&p);
	return r ? 1 : 0;
}

/* Each namespace's sibling is what is inside it: 2^200 ways down. */
static void namespaces_in_each_other_come_to_an_end(void **state)
{
	FILE *s = begin();

	(void)state;
	fputs(".byte 6\n.quad .Lcode\n.quad 64\n.long .Lf-.Linfo\n"
	      ".Lf: .byte 7\n.string \"f\"\n",
	      s);
	for (int i = 0; i < 200; i++)
		fprintf(s, ".Ln%d: .byte 5\n.long .Ln%d-.Linfo\n", i, i + 1);
	fputs(".Ln200: .byte 7\n.string \"g\"\n", s);
	for (int i = 0; i < 200; i++)
		fputs(".byte 0\n", s);
	assert_true(build(s));
	wanted = "f";
	ends(ask_for_names);
}

/* A class whose declaration is in a type unit, below very many namespaces. */
static void a_type_unit_is_not_looked_at_by_recursion(void **state)
{
	enum { DEEP = 1000000 };
	FILE *s = begin();

	(void)state;
	fputs(".byte 6\n.quad .Lcode\n.quad 64\n.long .Lf-.Linfo\n"
	      ".byte 11\n.quad 0x1234\n.Lf: .byte 7\n.string \"f\"\n.byte 0\n.byte 0\n"
	      ".Lend:\n.section .debug_types,\"\",@progbits\n.Ltypes:\n"
	      ".long .Ltend-.Ltversion\n.Ltversion:\n.short 4\n.long .Labbrev\n.byte "
	      "8\n"
	      ".quad 0x1234\n.long .Lclass-.Ltypes\n.byte 12\n",
	      s);
	fprintf(s, ".rept %d\n.byte 13\n.endr\n.Lclass: .byte 14\n.string \"c\"\n",
		DEEP);
	fprintf(s, ".rept %d\n.byte 0\n.endr\n.byte 0\n.Ltend:\n", DEEP);
	fclose(s);
	assert_int_equal(help_run("${CC:-cc} -shared -nostdlib -Wl,-Ttext=%#x "
				  "\"$D/it.s\" -o \"$D/it\"",
				  CODE),
			 0);
	wanted = "(anonymous)::f"; /* too deep to be told */
	ends(ask_for_names);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_type_that_is_itself_has_no_size),
		cmocka_unit_test(sizes_are_those_of_the_types),
		cmocka_unit_test(namespaces_in_each_other_come_to_an_end),
		cmocka_unit_test(a_type_unit_is_not_looked_at_by_recursion),
	};

	return cmocka_run_group_tests(tests, help_setup, help_teardown);
}

#include "tests/unit/symbol_help.h"

#include "cli/symbol/elf_facts.h"

#include <elf.h>
#include <errno.h>
#include <sys/stat.h>

static const char *compile(const char *command)
{
	return help_run("cd \"$D\" && rm -f prog && %s 2>/dev/null", command)
		       ? NULL
		       : help_path("prog");
}

static void a_dynamic_program_can_be_preloaded(void **state)
{
	const char *prog = compile("${CC:-cc} \"$T/symbol_lines.c\" -o prog");
	struct elf_facts f;

	(void)state;
	if (!prog)
		skip();
	assert_int_equal(symbols_elf_check(prog, &f), 0);
	assert_int_equal(f.kind, ELF_FACTS_ELF);
	assert_int_equal(f.bits, sizeof(void *) * 8);
	assert_string_equal(f.path, prog);
	assert_int_equal(f.scripts, 0);
	assert_true(f.needs_libc && strstr(f.interpreter, "ld"));
	assert_false(f.is_static || f.is_static_pie || f.is_musl || f.is_setuid ||
		     f.is_setgid || f.has_capabilities || f.defines_malloc ||
		     f.is_library);
}

static void static_programs_are_told(void **state)
{
	const char *prog = compile("${CC:-cc} -static \"$T/symbol_lines.c\" -o prog");
	struct elf_facts f;

	(void)state;
	if (!prog)
		skip();
	assert_int_equal(symbols_elf_check(prog, &f), 0);
	assert_true(f.is_static);
	assert_false(f.is_static_pie || f.interpreter[0]);
	prog = compile("${CC:-cc} -static-pie -fPIE \"$T/symbol_lines.c\" -o prog");
	if (!prog)
		return;
	assert_int_equal(symbols_elf_check(prog, &f), 0);
	assert_true(f.is_static && f.is_static_pie);
}

/* The loader given as the program loads, and preloads. */
static void a_loader_is_not_static(void **state)
{
	struct elf_facts prog, loader;

	(void)state;
	assert_int_equal(symbols_elf_check("/bin/sh", &prog), 0);
	assert_true(prog.interpreter[0]);
	assert_int_equal(symbols_elf_check(prog.interpreter, &loader), 0);
	assert_int_equal(loader.kind, ELF_FACTS_ELF);
	assert_true(loader.is_library);
	assert_false(loader.is_static);
}

static void a_program_of_musl_is_told(void **state)
{
	const char *prog = help_has("musl-gcc")
				   ? compile("musl-gcc \"$T/symbol_lines.c\" -o prog")
				   : NULL;
	struct elf_facts f;

	(void)state;
	if (!prog)
		skip();
	assert_int_equal(symbols_elf_check(prog, &f), 0);
	assert_true(f.is_musl);
	assert_false(f.is_static);
}

static void a_malloc_of_its_own_is_told(void **state)
{
	const char *prog =
		compile("printf '#include <stddef.h>\\nvoid *malloc(size_t n) "
			"{ (void)n; return 0; }\\nint main(void) { return 0; }' "
			"> m.c && ${CC:-cc} -rdynamic m.c -o prog");
	struct elf_facts f;

	(void)state;
	if (!prog)
		skip();
	assert_int_equal(symbols_elf_check(prog, &f), 0);
	assert_true(f.defines_malloc);
}

static void a_program_of_32_bits_is_told(void **state)
{
	struct {
		Elf32_Ehdr e;
		Elf32_Phdr load, interp;
		char path[20];
	} file = {
		.e = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS32, ELFDATA2LSB,
				  EV_CURRENT},
		      .e_type = ET_EXEC,
		      .e_machine = EM_386,
		      .e_version = EV_CURRENT,
		      .e_phoff = sizeof(Elf32_Ehdr),
		      .e_ehsize = sizeof(Elf32_Ehdr),
		      .e_phentsize = sizeof(Elf32_Phdr),
		      .e_phnum = 2},
		.load = {.p_type = PT_LOAD,
			 .p_filesz = sizeof(file),
			 .p_memsz = sizeof(file)},
		.interp = {.p_type = PT_INTERP,
			   .p_offset = sizeof(Elf32_Ehdr) + 2 * sizeof(Elf32_Phdr),
			   .p_filesz = 19},
		.path = "/lib/ld-linux.so.2",
	};
	FILE *out = fopen(help_path("thirtytwo"), "wb");
	struct elf_facts f;

	(void)state;
	assert_non_null(out);
	assert_int_equal(fwrite(&file, sizeof(file), 1, out), 1);
	fclose(out);
	assert_int_equal(symbols_elf_check(help_path("thirtytwo"), &f), 0);
	assert_int_equal(f.kind, ELF_FACTS_ELF);
	assert_int_equal(f.bits, 32);
	assert_int_equal(f.machine, EM_386);
	assert_string_equal(f.interpreter, "/lib/ld-linux.so.2");
	assert_false(f.is_static);
	assert_int_equal(truncate(help_path("thirtytwo"), sizeof(file) - 8), 0);
	assert_int_equal(symbols_elf_check(help_path("thirtytwo"), &f), 0);
	assert_int_equal(f.kind, ELF_FACTS_DAMAGED);
	assert_int_equal(truncate(help_path("thirtytwo"), 40), 0);
	assert_int_equal(symbols_elf_check(help_path("thirtytwo"), &f), 0);
	assert_int_equal(f.kind, ELF_FACTS_DAMAGED);
}

static void the_interpreter_of_a_script_is_what_runs(void **state)
{
	struct elf_facts f;
	char want[300];

	(void)state;
	assert_int_equal(
		help_run("cd \"$D\" && printf '#! /bin/sh -e\\n' >one && "
			 "printf '#!%%s/one' \"$D\" >two && printf '#!%%s/loop' \"$D\" "
			 ">loop && printf '#!\\n' >bare && printf '#!/no/such' >gone "
			 "&& printf 'echo hi' >text && : >empty"),
		0);
	assert_int_equal(symbols_elf_check(help_path("one"), &f), 0);
	assert_string_equal(f.path, "/bin/sh");
	assert_int_equal(f.scripts, 1);
	assert_int_equal(f.kind, ELF_FACTS_ELF);
	assert_int_equal(symbols_elf_check(help_path("two"), &f), 0);
	assert_string_equal(f.path, "/bin/sh");
	assert_int_equal(f.scripts, 2);
	assert_int_equal(symbols_elf_check(help_path("loop"), &f), -ELOOP);
	assert_int_equal(symbols_elf_check(help_path("gone"), &f), -ENOENT);
	assert_string_equal(f.path, "/no/such");
	snprintf(want, sizeof(want), "%s/bare", help_dir);
	assert_int_equal(symbols_elf_check(want, &f), 0);
	assert_int_equal(f.kind, ELF_FACTS_NOT_ELF);
	assert_int_equal(symbols_elf_check(help_path("text"), &f), 0);
	assert_int_equal(f.kind, ELF_FACTS_NOT_ELF);
	assert_int_equal(symbols_elf_check(help_path("empty"), &f), 0);
	assert_int_equal(f.kind, ELF_FACTS_NOT_ELF);
	assert_int_equal(symbols_elf_check(help_dir, &f), -EINVAL);
	assert_int_equal(symbols_elf_check("/dev/null", &f), -EINVAL);
	assert_int_equal(symbols_elf_check(help_path("missing"), &f), -ENOENT);
}

/* Changing to the user that we are already changes nothing. */
static void privileges_are_relative_to_the_caller(void **state)
{
	const char *prog = compile("${CC:-cc} \"$T/symbol_lines.c\" -o prog");
	struct elf_facts f;

	(void)state;
	if (!prog)
		skip();
	assert_int_equal(chmod(prog, 06755), 0);
	assert_int_equal(symbols_elf_check(prog, &f), 0);
	assert_false(f.is_setuid || f.is_setgid);
	if (geteuid() != 0 || chown(prog, 1, 1) || chmod(prog, 06755))
		return;
	assert_int_equal(symbols_elf_check(prog, &f), 0);
	if (!f.is_setuid) /* a mount without set-user-ID */
		return;
	assert_true(f.is_setgid);
	assert_int_equal(chmod(prog, 02745), 0);
	assert_int_equal(symbols_elf_check(prog, &f), 0);
	assert_false(f.is_setuid || f.is_setgid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_dynamic_program_can_be_preloaded),
		cmocka_unit_test(static_programs_are_told),
		cmocka_unit_test(a_loader_is_not_static),
		cmocka_unit_test(a_program_of_musl_is_told),
		cmocka_unit_test(a_malloc_of_its_own_is_told),
		cmocka_unit_test(a_program_of_32_bits_is_told),
		cmocka_unit_test(the_interpreter_of_a_script_is_what_runs),
		cmocka_unit_test(privileges_are_relative_to_the_caller),
	};

	return cmocka_run_group_tests(tests, help_setup, help_teardown);
}

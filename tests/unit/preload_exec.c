#include "tests/unit/unit.h"

#include "preload/bare.h"
#include "preload/exec.h"

#include <elf.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* The test links the code in: its own file stands for the shim's. */
static char us[4096], session_text[WIRE_SESSION_BYTES];
/* The file that is looked at: in memory, as thousands are written. */
static char path[64];
static int file;

const char *__wrap_session_name(void);

const char *__wrap_session_name(void)
{
	return session_text;
}

static void write_file(const void *data, size_t len, mode_t mode)
{
	assert_int_equal(ftruncate(file, 0), 0);
	assert_int_equal(pwrite(file, data, len, 0), len);
	fchmod(file, mode);
}

static struct image {
	Elf64_Ehdr e;
	Elf64_Phdr ph[3];
	char interp[64];
	Elf64_Dyn dynamic[40];
	char strings[64];
} image;

enum { ADDRESS = 0x10000 }; /* that the image is to be loaded at */

/* A library more that it needs, that name being at strings + at. */
static void need(size_t entry, const char *name, size_t at)
{
	image.dynamic[entry].d_tag = DT_NEEDED;
	image.dynamic[entry].d_un.d_val = at;
	strcpy(image.strings + at, name);
}

static void make_image(const char *interp)
{
	memset(&image, 0, sizeof(image));
	memcpy(image.e.e_ident, ELFMAG, SELFMAG);
	image.e.e_ident[EI_CLASS] = ELFCLASS64;
#if defined(__x86_64__)
	image.e.e_machine = EM_X86_64;
#else
	image.e.e_machine = EM_AARCH64;
#endif
	image.e.e_phoff = offsetof(struct image, ph);
	image.e.e_phnum = 3;
	image.ph[0].p_type = PT_LOAD;
	image.ph[0].p_vaddr = ADDRESS;
	image.ph[0].p_filesz = sizeof(image);
	image.ph[1].p_type = interp ? PT_INTERP : PT_NOTE;
	image.ph[1].p_offset = offsetof(struct image, interp);
	image.ph[1].p_filesz = interp ? strlen(interp) + 1 : 0;
	if (interp)
		strcpy(image.interp, interp);
	image.ph[2].p_type = PT_DYNAMIC;
	image.ph[2].p_offset = offsetof(struct image, dynamic);
	image.ph[2].p_filesz = sizeof(image.dynamic);
	need(0, "libm.so.6", 1);
	image.dynamic[1].d_tag = DT_STRTAB;
	image.dynamic[1].d_un.d_ptr = ADDRESS + offsetof(struct image, strings);
}

static enum wire_exec kind(void)
{
	write_file(&image, sizeof(image), 0755);
	return exec_kind(path, NULL);
}

static void programs_are_told_apart(void **state)
{
	(void)state;
	make_image("/lib64/ld-linux-x86-64.so.2");
	assert_int_equal(kind(), WIRE_EXEC_EXPECTED);
	make_image("/lib/ld-musl-x86_64.so.1");
	assert_int_equal(kind(), WIRE_EXEC_OTHER_LIBC);
	make_image(NULL);
	assert_int_equal(kind(), WIRE_EXEC_STATIC);
	make_image("/lib/ld-linux.so.2");
	image.e.e_ident[EI_CLASS] = ELFCLASS32;
	assert_int_equal(kind(), WIRE_EXEC_FOREIGN);
	make_image("/lib/ld-linux.so.2");
	image.e.e_machine = EM_RISCV;
	assert_int_equal(kind(), WIRE_EXEC_FOREIGN);
	assert_int_equal(exec_kind("/no/such/file", NULL), WIRE_EXEC_EXPECTED);
	assert_int_equal(exec_kind("/tmp", NULL), WIRE_EXEC_EXPECTED);
}

/* Its runtime ends a program in which it does not come first. */
static void what_needs_asan_is_told(void **state)
{
	char *lenient[] = {(char *)"ASAN_OPTIONS=a=1:verify_asan_link_order=0", NULL};
	char *strict[] = {(char *)"ASAN_OPTIONS=verify_asan_link_order=1", NULL};
	char *preloads[] = {(char *)"LD_PRELOAD=/usr/lib/libasan.so.8:/x.so", NULL};
	char *both[] = {preloads[0], lenient[0], NULL};

	(void)state;
	make_image("/lib64/ld-linux-x86-64.so.2");
	assert_int_equal(kind(), WIRE_EXEC_EXPECTED);
	assert_int_equal(exec_kind(path, preloads), WIRE_EXEC_SANITIZED);
	assert_int_equal(exec_kind(path, both), WIRE_EXEC_EXPECTED);
	for (size_t i = 2; i < 39; i++) { /* wherever it is named */
		image.dynamic[i].d_tag = DT_DEBUG;
		need(i, "libasan.so.8", 30);
		assert_int_equal(kind(), WIRE_EXEC_SANITIZED);
		image.dynamic[i].d_tag = DT_DEBUG;
	}
	assert_int_equal(kind(), WIRE_EXEC_EXPECTED);
	need(2, "/opt/lib/libclang_rt.asan-x86_64.so", 20);
	assert_int_equal(kind(), WIRE_EXEC_SANITIZED);
	assert_int_equal(exec_kind(path, strict), WIRE_EXEC_SANITIZED);
	assert_int_equal(exec_kind(path, lenient), WIRE_EXEC_EXPECTED);
	need(2, "libtsan.so.2", 20);
	assert_int_equal(kind(), WIRE_EXEC_EXPECTED);
	need(2, "libasan.so.8", 20);
	image.dynamic[0].d_tag = DT_NULL; /* nothing is behind that */
	assert_int_equal(kind(), WIRE_EXEC_EXPECTED);
	image.dynamic[0].d_tag = DT_NEEDED;
	image.dynamic[1].d_un.d_ptr = 1; /* nowhere */
	assert_int_equal(kind(), WIRE_EXEC_EXPECTED);
}

static void scripts_are_what_runs_them(void **state)
{
	static const char *const lines[] = {"#!/bin/sh\n", "#! \t/bin/sh -e\n",
					    "#!/bin/sh"};
	char self[sizeof(path) + 8];

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		write_file(lines[i], strlen(lines[i]), 0755);
		assert_int_equal(exec_kind(path, NULL), WIRE_EXEC_EXPECTED);
	}
	snprintf(self, sizeof(self), "#!%s\n", path); /* for ever */
	write_file(self, strlen(self), 0755);
	assert_int_equal(exec_kind(path, NULL), WIRE_EXEC_EXPECTED);
	write_file("#!\n", 3, 0755);
	assert_int_equal(exec_kind(path, NULL), WIRE_EXEC_EXPECTED);
}

/* Whoever opened it to read would wait for a writer. */
static void a_pipe_is_not_opened(void **state)
{
	char folder[] = "/tmp/heapline-exec-XXXXXX", script[64], fifo[48];

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(fifo, sizeof(fifo), "%s/pipe", folder);
	assert_int_equal(mkfifo(fifo, 0755), 0);
	alarm(60);
	assert_int_equal(exec_kind(fifo, NULL), WIRE_EXEC_EXPECTED);
	snprintf(script, sizeof(script), "#!%s\n", fifo);
	write_file(script, strlen(script), 0755);
	assert_int_equal(exec_kind(path, NULL), WIRE_EXEC_EXPECTED);
	alarm(0);
	unlink(fifo);
	rmdir(folder);
}

static void damaged_files_do_no_harm(void **state)
{
	unsigned char bytes[sizeof(image)];

	(void)state;
	srand(1);
	for (int i = 0; i < 20000; i++) {
		size_t len = 1 + (size_t)rand() % sizeof(image);

		make_image(i % 2 ? "/lib/ld-musl-x86_64.so.1" : "/lib/ld-linux.so.2");
		memcpy(bytes, &image, sizeof(image));
		for (int k = rand() % 8; k >= 0; k--)
			bytes[(size_t)rand() % len] = (unsigned char)rand();
		write_file(bytes, len, 0755);
		assert_true(exec_kind(path, NULL) < WIRE_EXECS);
	}
}

/* ---- the environment ----------------------------------------------------- */

static bool has(char *const *env, const char *entry)
{
	for (; *env; env++)
		if (!strcmp(*env, entry))
			return true;
	return false;
}

static size_t count(char *const *env)
{
	size_t n = 0;

	while (env[n])
		n++;
	return n;
}

static char **make(char *const *env, enum wire_exec k)
{
	size_t bytes = exec_environment_bytes(env, k);
	char *room = bytes ? test_malloc(bytes) : NULL; /* cmocka sees an overrun */

	return bytes ? exec_environment(env, k, room) : NULL;
}

static char ours[8192], with_other[8192], session_entry[512];

static void an_environment_with_us_is_left_alone(void **state)
{
	char *env[] = {(char *)"A=1", ours, session_entry, NULL};
	char *other[] = {(char *)"A=1", with_other, session_entry, NULL};

	(void)state;
	assert_null(make(env, WIRE_EXEC_EXPECTED));
	assert_null(make(other, WIRE_EXEC_EXPECTED));
	assert_null(make(env, WIRE_EXEC_STATIC));
	assert_null(make(env, WIRE_EXEC_SECURE));
}

static void an_environment_without_us_gets_us(void **state)
{
	char *empty[] = {NULL};
	char *wrong[] = {(char *)"LD_PRELOAD=/lib/x.so /lib/y.so", (char *)"B=2",
			 (char *)WIRE_ENV_SESSION "=old", NULL};
	char expected[16384], **made;

	(void)state;
	made = make(empty, WIRE_EXEC_EXPECTED);
	assert_int_equal(count(made), 2);
	assert_true(has(made, ours) && has(made, session_entry));
	test_free(made);
	assert_int_equal(exec_environment_bytes(NULL, WIRE_EXEC_EXPECTED) > 0, 1);
	made = make(wrong, WIRE_EXEC_EXPECTED);
	snprintf(expected, sizeof(expected), "%s:/lib/x.so:/lib/y.so", ours);
	assert_int_equal(count(made), 3);
	assert_true(has(made, expected) && has(made, session_entry) &&
		    has(made, "B=2"));
	test_free(made);
}

static void we_are_taken_out_where_a_loader_would_complain(void **state)
{
	char *env[] = {ours, (char *)"A=1", session_entry, NULL};
	char *other[] = {with_other, (char *)"A=1", NULL};
	char *none[] = {(char *)"LD_PRELOAD=/lib/x.so", NULL};
	char **made;

	(void)state;
	made = make(env, WIRE_EXEC_FOREIGN);
	assert_int_equal(count(made), 2);
	assert_true(has(made, "A=1") && has(made, session_entry));
	test_free(made);
	made = make(other, WIRE_EXEC_SANITIZED);
	assert_int_equal(count(made), 2);
	assert_true(has(made, "LD_PRELOAD=/lib/x.so"));
	test_free(made);
	made = make(other, WIRE_EXEC_OTHER_LIBC);
	assert_int_equal(count(made), 2);
	assert_true(has(made, "LD_PRELOAD=/lib/x.so"));
	test_free(made);
	assert_null(make(none, WIRE_EXEC_NO_SHIM));
}

static void random_environments_keep_what_is_not_ours(void **state)
{
	static const char *const words[] = {
		"A=1", "LD_PRELOAD=",	     "LD_PRELOAD=/a:/b", "LD_PRELOAD= ::", "X",
		"",    WIRE_ENV_SESSION "=", "LD_PRELOADED=x"};
	char *env[12];

	(void)state;
	srand(2);
	for (int i = 0; i < 50000; i++) {
		enum wire_exec k = (enum wire_exec)(1 + rand() % (WIRE_EXECS - 1));
		size_t n = (size_t)rand() % 10;
		char **made;

		for (size_t e = 0; e < n; e++)
			env[e] = rand() % 4   ? (char *)words[rand() % 8]
				 : rand() % 2 ? ours
					      : session_entry;
		env[n] = NULL;
		made = make(env, k);
		for (size_t e = 0; made && e < n; e++)
			if (strncmp(env[e], "LD_PRELOAD=", 11) != 0 &&
			    strncmp(env[e], WIRE_ENV_SESSION "=",
				    sizeof(WIRE_ENV_SESSION)) != 0)
				assert_true(has(made, env[e]));
		if (made)
			test_free(made);
	}
}

static int set_up(void **state)
{
	ssize_t n;

	(void)state;
	file = memfd_create("program", MFD_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	exec_init();
	n = readlink("/proc/self/exe", us, sizeof(us) - 1);
	us[n > 0 ? n : 0] = '\0';
	snprintf(ours, sizeof(ours), "LD_PRELOAD=%s", us);
	snprintf(with_other, sizeof(with_other), "LD_PRELOAD=/lib/x.so:%s", us);
	strcpy(session_text, "heapline-1-2:0123");
	snprintf(session_entry, sizeof(session_entry), "%s=%s", WIRE_ENV_SESSION,
		 session_text);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	return close(file);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(programs_are_told_apart),
		cmocka_unit_test(what_needs_asan_is_told),
		cmocka_unit_test(scripts_are_what_runs_them),
		cmocka_unit_test(a_pipe_is_not_opened),
		cmocka_unit_test(damaged_files_do_no_harm),
		cmocka_unit_test(an_environment_with_us_is_left_alone),
		cmocka_unit_test(an_environment_without_us_gets_us),
		cmocka_unit_test(we_are_taken_out_where_a_loader_would_complain),
		cmocka_unit_test(random_environments_keep_what_is_not_ours),
	};

	/* The loader knows an executable by how it was called. */
	if (argv[0][0] != '/' && argc == 1 && readlink("/proc/self/exe", us, 4095) > 0)
		execl(us, us, (char *)NULL);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}

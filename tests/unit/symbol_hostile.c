#include "tests/unit/symbol_help.h"

#include "cli/symbol/elf_facts.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>

struct bytes {
	unsigned char *data;
	size_t len;
};

static struct bytes read_file(const char *path)
{
	struct bytes b = {0};
	FILE *f = fopen(path, "rb");

	assert_non_null(f);
	fseek(f, 0, SEEK_END);
	b.len = (size_t)ftell(f);
	rewind(f);
	b.data = malloc(b.len);
	assert_non_null(b.data);
	assert_int_equal(fread(b.data, 1, b.len, f), b.len);
	fclose(f);
	return b;
}

static void write_file(const char *path, const unsigned char *data, size_t len)
{
	FILE *f = fopen(path, "wb");

	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, len, f), len);
	fclose(f);
}

/* Whatever comes out, it is a sound profile. */
static void resolve_and_check(const char *path, uint64_t reach)
{
	struct symbols *s;
	struct profile p;
	struct elf_facts facts;

	help_profile(&p, 1);
	for (int i = 0; i < 40; i++)
		help_stack(&p, (uint64_t)rand() % reach, 1,
			   i % 2 ? PROFILE_STACK_EXACT : 0);
	help_stack(&p, UINT64_MAX, 1, PROFILE_STACK_EXACT);
	help_stack(&p, 0, 1, 0);
	assert_int_equal(symbols_open(&s), 0);
	symbols_module(s, 0, path, NULL, "");
	assert_int_equal(symbols_resolve(s, &p), 0);
	for (size_t i = 1; i < p.stack_count; i++)
		for (uint32_t n = 0; n == 0 || help_frame(&p, i, n); n++) {
			const struct profile_frame *f = help_frame(&p, i, n);

			assert_non_null(f);
			assert_true(f->function < p.strings.count);
			assert_true(f->file < p.strings.count);
			assert_true(f->function_first <= f->function_last);
		}
	symbols_close(s);
	help_profile_done(&p);
	symbols_elf_check(path, &facts);
}

/* Where bytes matter: headers at both ends, and anywhere. */
static void mutate(unsigned char *data, size_t len, const struct bytes *original)
{
	memcpy(data, original->data, len);
	for (int i = rand() % 24; i >= 0; i--) {
		size_t at = (size_t)rand() % len;

		if (rand() % 3 == 0)
			at = (size_t)rand() % (len < 1024 ? len : 1024);
		else if (rand() % 3 == 0)
			at = len - 1 - (size_t)rand() % (len < 3000 ? len : 3000);
		data[at] = rand() % 4 ? (unsigned char)rand() : rand() % 2 ? 0xff : 0;
	}
}

/* In a process of its own, so that a crash in a library is a failure with a seed; with
 * memory and time bounded. Returns the child's wait status. */
static int survive(const struct bytes *original, unsigned seed, int rounds,
		   uint64_t reach)
{
	const struct rlimit time = {60, 60};
	int status = -1;
	pid_t child = fork();

	if (child == 0) {
		unsigned char *data = malloc(original->len);

		setrlimit(RLIMIT_CPU, &time);
		srand(seed);
		for (int i = 0; i < rounds; i++) {
			size_t len = original->len;

			if (rand() % 4 == 0)
				len = (size_t)rand() % len + 1;
			mutate(data, len, original);
			write_file(help_path("mutant"), data, len);
			resolve_and_check(help_path("mutant"), reach);
		}
		_exit(0);
	}
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static void damaged_files_give_a_sound_profile(void **state)
{
	static const char *const ways[] = {
		"${CC:-cc} -O2 -gdwarf-4 -g \"$T/symbol_lines.c\" -o \"$D/seed\"",
		"${CC:-cc} -O2 -gdwarf-5 -g \"$T/symbol_lines.c\" -o \"$D/seed\"",
		"${CC:-cc} -O2 -gz=zlib -g \"$T/symbol_lines.c\" -o \"$D/seed\"",
		"${CC:-cc} -O2 -s -rdynamic \"$T/symbol_lines.c\" -o \"$D/seed\"",
		"${CC:-cc} -O2 -g -c \"$T/symbol_lines.c\" -o \"$D/seed\"",
	};
	const char *rounds = getenv("HEAPLINE_TEST_ROUNDS");
	unsigned seeds = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		struct bytes original;
		int status;

		if (help_run("%s 2>/dev/null", ways[i]))
			continue;
		original = read_file(help_path("seed"));
		resolve_and_check(help_path("seed"), original.len);
		for (unsigned n = 0; n < (rounds ? (unsigned)atoi(rounds) : 4); n++) {
			status = survive(&original, n + 1, 150, 0x3000);
			if (status)
				fprintf(stderr, "way %zu, seed %u: status %d\n", i,
					n + 1, status);
			assert_int_equal(status, 0);
			seeds++;
		}
		free(original.data);
	}
	assert_true(seeds || !help_has("cc"));
}

static void a_file_cut_anywhere_gives_a_sound_profile(void **state)
{
	struct bytes original;

	(void)state;
	if (help_run("${CC:-cc} -O2 -g \"$T/symbol_lines.c\" -o \"$D/seed\" "
		     "2>/dev/null"))
		skip();
	original = read_file(help_path("seed"));
	srand(4);
	for (size_t len = 0; len < original.len; len += len < 200 ? 1 : 61) {
		write_file(help_path("cut"), original.data, len);
		resolve_and_check(help_path("cut"), 0x3000);
	}
	free(original.data);
}

/* Without the last of its NULs a section's texts have no end there. */
static void open_ends(const struct bytes *original)
{
	unsigned char *data = malloc(original->len);
	Elf64_Ehdr header;
	Elf64_Shdr section;

	assert_non_null(data);
	memcpy(&header, original->data, sizeof(header));
	for (size_t i = 1; i < header.e_shnum; i++) {
		size_t end, at;

		memcpy(&section, original->data + header.e_shoff + i * sizeof(section),
		       sizeof(section));
		end = section.sh_offset + section.sh_size;
		if (section.sh_type == SHT_NOBITS || section.sh_flags & SHF_ALLOC ||
		    end > original->len)
			continue;
		memcpy(data, original->data, original->len);
		for (at = end; at > section.sh_offset && (at == end || data[at - 1]);)
			data[--at] = 'x';
		if (at > section.sh_offset)
			data[at - 1] = 'x';
		write_file(help_path("open"), data, original->len);
		for (int n = 0; n < 5; n++)
			resolve_and_check(help_path("open"), 0x1800);
	}
	free(data);
}

static void texts_without_an_end_give_a_sound_profile(void **state)
{
	static const char *const formats[] = {"-gdwarf-4", "-gdwarf-5", "-g0"};

	(void)state;
	srand(5);
	for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++) {
		struct bytes original;

		if (help_run("${CC:-cc} -O2 %s \"$T/symbol_lines.c\" -o \"$D/seed\" "
			     "2>/dev/null",
			     formats[i]))
			skip();
		original = read_file(help_path("seed"));
		open_ends(&original);
		free(original.data);
	}
}

/* The file shrinks between symbols_module() and symbols_resolve(), as when a linker
 * writes it anew: a mapping of it would be a bus error. */
static void a_file_truncated_after_opening_is_no_bus_error(void **state)
{
	struct symbols *s;
	struct profile p;

	(void)state;
	if (help_run("${CC:-cc} -O2 -g \"$T/symbol_lines.c\" -o \"$D/seed\" "
		     "2>/dev/null"))
		skip();
	for (off_t len = 0; len < 8192; len += 1024) {
		assert_int_equal(help_run("cp \"$D/seed\" \"$D/shrinks\""), 0);
		help_profile(&p, 1);
		help_stack(&p, 0x1100, 1, PROFILE_STACK_EXACT);
		assert_int_equal(symbols_open(&s), 0);
		assert_int_equal(symbols_module(s, 0, help_path("shrinks"), NULL, ""),
				 0);
		assert_int_equal(truncate(help_path("shrinks"), len), 0);
		assert_int_equal(symbols_resolve(s, &p), 0);
		assert_non_null(help_frame(&p, 1, 0));
		help_stack(&p, 0x1200, 1, PROFILE_STACK_EXACT);
		assert_int_equal(symbols_resolve(s, &p), 0);
		symbols_close(s);
		help_profile_done(&p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(damaged_files_give_a_sound_profile),
		cmocka_unit_test(a_file_cut_anywhere_gives_a_sound_profile),
		cmocka_unit_test(texts_without_an_end_give_a_sound_profile),
		cmocka_unit_test(a_file_truncated_after_opening_is_no_bus_error),
	};

	return cmocka_run_group_tests(tests, help_setup, help_teardown);
}

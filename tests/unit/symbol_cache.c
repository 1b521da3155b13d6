#include "tests/unit/symbol_help.h"

#include "cli/symbol/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

static const struct debugfile_id some_id = {
	.len = 20, .bytes = {0xab, 0xcd, 0xef, 1, 2, 3, 4, 5, 6, 7, 8, 9}};

static char *cache_dir(void)
{
	static char dir[256];

	snprintf(dir, sizeof(dir), "%s/cache/heapline", help_dir);
	return dir;
}

/* An empty cache in the scratch directory. */
static struct cache *fresh_cache(void)
{
	struct cache *c;

	assert_int_equal(help_run("rm -rf \"$D/cache\" && mkdir \"$D/cache\""), 0);
	setenv("XDG_CACHE_HOME", help_path("cache"), 1);
	assert_int_equal(cache_open(&c), 0);
	return c;
}

static void add(struct answers *a, uint64_t address, uint32_t frames, unsigned seed)
{
	struct profile *p = a->profile;
	char name[64];

	assert_int_equal(array_reserve(&p->stacks, &p->stack_room, p->stack_count + 1),
			 0);
	assert_int_equal(array_reserve(&p->codes, &p->code_room, p->code_count + 1), 0);
	assert_int_equal(
		array_reserve(&p->frames, &p->frame_room, p->frame_count + frames), 0);
	p->codes[p->code_count++] =
		(struct profile_code){(uint32_t)p->frame_count, frames};
	for (uint32_t i = 0; i < frames; i++) {
		snprintf(name, sizeof(name), "function %u.%u", seed, i);
		p->frames[p->frame_count++] = (struct profile_frame){
			.function = strings_add(&p->strings, name), .line = seed + i};
	}
	p->stacks[p->stack_count++] =
		(struct profile_stack){.pc = address,
				       .module = 1,
				       .flags = PROFILE_STACK_EXACT,
				       .code = (uint32_t)p->code_count};
}

static struct answers make_answers(unsigned count, unsigned seed)
{
	struct answers a;

	assert_int_equal(answers_open(&a), 0);
	for (unsigned i = 0; i < count; i++)
		add(&a, 0x1000 + 16 * i, 1 + i % 3, seed + i);
	return a;
}

static void put(struct cache *c, const struct debugfile_id *id, const char *key,
		unsigned count, unsigned seed)
{
	struct answers a = make_answers(count, seed);

	assert_int_equal(cache_put(c, id, key, &a), 0);
	answers_done(&a);
}

static void assert_answers(const struct answers *a, unsigned count, unsigned seed)
{
	const struct profile *p = a->profile;
	char name[64];

	assert_int_equal(p->stack_count, count + 1);
	for (unsigned i = 0; i < count; i++) {
		size_t code = answers_find(a, 0x1000 + 16 * i);

		assert_true(code < p->code_count);
		assert_int_equal(p->codes[code].frames, 1 + i % 3);
		for (uint32_t n = 0; n < p->codes[code].frames; n++) {
			const struct profile_frame *f =
				&p->frames[p->codes[code].first_frame + n];

			snprintf(name, sizeof(name), "function %u.%u", seed + i, n);
			assert_string_equal(strings_get(&p->strings, f->function),
					    name);
			assert_int_equal(f->line, seed + i + n);
		}
	}
	assert_int_equal(answers_find(a, 0x1001), SIZE_MAX);
}

static void what_is_put_is_got_with_the_same_key_alone(void **state)
{
	struct cache *c = fresh_cache();
	struct debugfile_id other = some_id, short_id = {.len = 4};
	struct answers a;

	(void)state;
	assert_int_equal(cache_get(c, &some_id, "key", &a), -ENOENT);
	put(c, &some_id, "key", 500, 7);
	assert_int_equal(cache_get(c, &some_id, "key", &a), 0);
	assert_answers(&a, 500, 7);
	answers_done(&a);
	assert_int_equal(cache_get(c, &some_id, "another", &a), -ESTALE);
	other.bytes[19]++;
	assert_int_equal(cache_get(c, &other, "key", &a), -ENOENT);
	assert_int_equal(cache_get(c, &short_id, "key", &a), -ENOENT);
	/* It is replaced as a whole. */
	put(c, &some_id, "another", 3, 90);
	assert_int_equal(cache_get(c, &some_id, "another", &a), 0);
	assert_answers(&a, 3, 90);
	answers_done(&a);
	assert_int_equal(help_run("test $(ls \"$D/cache/heapline\" | wc -l) = 1"), 0);
	cache_close(c);
}

static const char *entry_path(void)
{
	static char path[400];

	snprintf(path, sizeof(path),
		 "%s/abcdef0102030405060708090000000000000000.symbols", cache_dir());
	return path;
}

/* A byte changed, a cut, or other files altogether: no answer, or the same answers. */
static void a_damaged_entry_is_no_entry(void **state)
{
	struct cache *c = fresh_cache();
	unsigned char data[1 << 16], hurt[1 << 16];
	size_t refused = 0;
	ssize_t len;
	int fd;

	(void)state;
	put(c, &some_id, "key", 200, 3);
	fd = open(entry_path(), O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	len = read(fd, data, sizeof(data));
	assert_true(len > 100 && len < (ssize_t)sizeof(data));
	srand(11);
	for (int i = 0; i < 3000; i++) {
		struct answers a;
		size_t n = (size_t)len;

		memcpy(hurt, data, n);
		if (i % 3 == 0)
			n = (size_t)rand() % n;
		else
			hurt[(size_t)rand() % n] ^= (unsigned char)(1 + rand() % 255);
		assert_int_equal(ftruncate(fd, 0), 0);
		assert_int_equal(pwrite(fd, hurt, n, 0), (ssize_t)n);
		if (!cache_get(c, &some_id, "key", &a)) {
			assert_answers(&a, 200, 3);
			answers_done(&a);
		} else {
			refused++;
		}
	}
	assert_int_equal(refused, 3000);
	close(fd);
	/* And is written anew. */
	put(c, &some_id, "key", 20, 3);
	struct answers a;

	assert_int_equal(cache_get(c, &some_id, "key", &a), 0);
	assert_answers(&a, 20, 3);
	answers_done(&a);
	cache_close(c);
}

/* Sound as a profile, but not as answers. */
static void a_profile_of_another_kind_is_no_entry(void **state)
{
	struct cache *c = fresh_cache();
	struct answers a, got;

	(void)state;
	a = make_answers(3, 1);
	add(&a, 0x1000, 1, 1); /* an address twice */
	assert_int_equal(cache_put(c, &some_id, "key", &a), 0);
	assert_int_equal(cache_get(c, &some_id, "key", &got), -EBADMSG);
	answers_done(&a);
	a = make_answers(3, 1);
	a.profile->stacks[2].code = 0;
	assert_int_equal(cache_put(c, &some_id, "key", &a), 0);
	assert_int_equal(cache_get(c, &some_id, "key", &got), -EBADMSG);
	answers_done(&a);
	a = make_answers(3, 1);
	add(&a, 0x9000, MODULE_MAX_FRAMES + 1, 5);
	assert_int_equal(cache_put(c, &some_id, "key", &a), 0);
	assert_int_equal(cache_get(c, &some_id, "key", &got), -EBADMSG);
	answers_done(&a);
	cache_close(c);
}

static void links_and_other_things_are_not_followed(void **state)
{
	struct cache *c = fresh_cache();
	struct answers a;

	(void)state;
	put(c, &some_id, "key", 5, 1);
	assert_int_equal(
		help_run("cd \"$D/cache/heapline\" && mv *.symbols ../other && "
			 "ln -s ../other abcdef01020304050607080900000000000000"
			 "00.symbols"),
		0);
	assert_int_equal(cache_get(c, &some_id, "key", &a), -ELOOP);
	put(c, &some_id, "key", 6, 1); /* in its place */
	assert_int_equal(cache_get(c, &some_id, "key", &a), 0);
	answers_done(&a);
	assert_int_equal(help_run("cd \"$D/cache/heapline\" && rm *.symbols && mkfifo "
				  "abcdef0102030405060708090000000000000000.symbols"),
			 0);
	assert_true(cache_get(c, &some_id, "key", &a) < 0);
	cache_close(c);
}

static void a_directory_that_others_write_is_not_used(void **state)
{
	struct cache *c;

	(void)state;
	cache_close(fresh_cache());
	assert_int_equal(chmod(cache_dir(), 0777), 0);
	assert_int_equal(cache_open(&c), -EPERM);
	assert_int_equal(chmod(cache_dir(), 0700), 0);
	if (geteuid() == 0) {
		assert_int_equal(chown(cache_dir(), 12345, 12345), 0);
		assert_int_equal(cache_open(&c), -EPERM);
	}
	setenv("XDG_CACHE_HOME", "relative", 1);
	unsetenv("HOME");
	assert_int_equal(cache_open(&c), -ENOENT);
	setenv("HOME", help_path("nobody-home"), 1);
	assert_int_equal(cache_open(&c), -ENOENT);
	assert_int_equal(access(help_path("nobody-home"), F_OK), -1);
}

/* Files of zeroes stand for large entries: nobody has to read them. */
static void what_was_not_used_for_longest_goes_first(void **state)
{
	struct cache *c = fresh_cache();
	struct answers a;

	(void)state;
	put(c, &some_id, "key", 5, 1);
	assert_int_equal(
		help_run("cd \"$D/cache/heapline\" && for i in 1 2 3 4 5 6 7 8; do "
			 "truncate -s 40M 0$i.symbols; "
			 "touch -d \"2020-01-0$i\" 0$i.symbols; done; "
			 "touch -d 2020-01-01 0.symbols.unfinished; "
			 "touch 1.symbols.unfinished; touch other; "
			 "touch -d 2019-01-01 abcdef*.symbols"),
		0);
	/* Of use again: the oldest no more. */
	assert_int_equal(cache_get(c, &some_id, "key", &a), 0);
	answers_done(&a);
	struct debugfile_id other = {.len = 16, .bytes = {0x99}};

	put(c, &other, "key", 5, 1);
	assert_int_equal(help_run("cd \"$D/cache/heapline\" && ls | tr '\\n' ' ' "
				  ">../list && test \"$(cat ../list)\" = \"03.symbols "
				  "04.symbols 05.symbols 06.symbols 07.symbols "
				  "08.symbols 1.symbols.unfinished 9900000000000000"
				  "0000000000000000.symbols abcdef010203040506070809000"
				  "0000000000000.symbols other \""),
			 0);
	cache_close(c);
}

/* Readers see one whole entry or another, whoever writes meanwhile. */
static void processes_may_write_one_entry_at_a_time(void **state)
{
	struct cache *c = fresh_cache();
	pid_t writers[3];
	int status;

	(void)state;
	put(c, &some_id, "key", 300, 0);
	for (unsigned w = 0; w < 3; w++) {
		writers[w] = fork();
		assert_true(writers[w] >= 0);
		if (!writers[w]) {
			for (unsigned i = 0; i < 60; i++) {
				struct answers a = make_answers(300, w * 1000);

				if (cache_put(c, &some_id, "key", &a))
					_exit(1);
				answers_done(&a);
			}
			_exit(0);
		}
	}
	for (int i = 0; i < 100; i++) {
		struct answers a;
		uint32_t line;

		assert_int_equal(cache_get(c, &some_id, "key", &a), 0);
		line = a.profile->frames[0].line;
		assert_true(line == 0 || line == 1000 || line == 2000);
		assert_answers(&a, 300, line);
		answers_done(&a);
	}
	for (int w = 0; w < 3; w++) {
		assert_int_equal(waitpid(writers[w], &status, 0), writers[w]);
		assert_int_equal(status, 0);
	}
	cache_close(c);
}

/* ---- through symbols.h ---------------------------------------------------- */

static void resolve_all(struct profile *p, const char *file, bool cached)
{
	struct symbols *s;

	assert_int_equal(symbols_open(&s), 0);
	if (cached)
		symbols_use_cache(s);
	assert_int_equal(symbols_module(s, 0, file, NULL, ""), 0);
	assert_int_equal(symbols_resolve(s, p), 0);
	symbols_close(s);
}

static void assert_equal_frames(const struct profile *a, const struct profile *b)
{
	assert_int_equal(a->stack_count, b->stack_count);
	for (size_t i = 1; i < a->stack_count; i++) {
		const struct profile_frame *x, *y;
		uint32_t n = 0;

		do {
			x = help_frame(a, i, n);
			y = help_frame(b, i, n++);
			assert_int_equal(x != NULL, y != NULL);
			if (!x)
				break;
			assert_string_equal(strings_get(&a->strings, x->function),
					    strings_get(&b->strings, y->function));
			assert_string_equal(strings_get(&a->strings, x->linkage),
					    strings_get(&b->strings, y->linkage));
			assert_string_equal(strings_get(&a->strings, x->file),
					    strings_get(&b->strings, y->file));
			assert_int_equal(x->line, y->line);
			assert_int_equal(x->function_first, y->function_first);
			assert_int_equal(x->function_last, y->function_last);
		} while (x);
	}
}

static void ask_about(struct profile *p, size_t count, unsigned seed)
{
	help_profile(p, 1);
	srand(seed);
	for (size_t i = 0; i < count; i++)
		help_stack(p, 0x1000 + (uint64_t)rand() % 0x6000, 1,
			   PROFILE_STACK_EXACT);
}

static off_t size_of(const char *path)
{
	struct stat st;

	return stat(path, &st) < 0 ? 0 : st.st_size;
}

static const char *only_entry(void)
{
	static char path[512];
	FILE *f;

	assert_int_equal(help_run("ls \"$D\"/cache/heapline/*.symbols >\"$D/entry\""),
			 0);
	f = fopen(help_path("entry"), "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%511s", path), 1);
	fclose(f);
	return path;
}

static void compare(size_t count, unsigned seed)
{
	struct profile plain, cached;

	ask_about(&plain, count, seed);
	ask_about(&cached, count, seed);
	resolve_all(&plain, help_path("prog"), false);
	resolve_all(&cached, help_path("prog"), true);
	assert_equal_frames(&plain, &cached);
	help_profile_done(&plain);
	help_profile_done(&cached);
}

/* Once; a fresh copy for each test. */
static bool compile(void)
{
	static int compiled = -1;

	if (compiled < 0)
		compiled = !help_run("g++ -O2 -g -Wl,--build-id "
				     "\"$T/symbol_inline.cc\" -o \"$D/built\" "
				     "2>/dev/null");
	return compiled && !help_run("cp \"$D/built\" \"$D/prog\"");
}

/* Unknown, partly known, all known: the answers are those without a cache. */
static void cached_answers_are_the_same(void **state)
{
	off_t grown;

	(void)state;
	if (!compile())
		skip();
	cache_close(fresh_cache());
	compare(300, 1);
	grown = size_of(only_entry());
	assert_true(grown > 0);
	compare(300, 1);
	assert_int_equal(size_of(only_entry()), grown);
	compare(3000, 2);
	assert_true(size_of(only_entry()) > grown);
	compare(3000, 2);
}

/* What a cache says of a file that is stripped, and of its debug file that comes, is
 * not the other's. */
static void answers_change_with_the_files(void **state)
{
	struct profile p;

	(void)state;
	if (!compile() || !help_has("objcopy"))
		skip();
	cache_close(fresh_cache());
	compare(500, 3);
	assert_int_equal(help_run("cd \"$D\" && rm -f prog.debug && "
				  "objcopy --only-keep-debug prog kept && strip prog"),
			 0);
	compare(500, 3);
	assert_int_equal(help_run("cd \"$D\" && mv kept prog.debug && "
				  "objcopy --add-gnu-debuglink=prog.debug prog"),
			 0);
	compare(500, 3);
	assert_int_equal(help_run("rm \"$D/prog.debug\""), 0);
	compare(500, 3);
	ask_about(&p, 500, 3);
	resolve_all(&p, help_path("prog"), true);
	for (size_t i = 1; i < p.stack_count; i++)
		assert_int_equal(help_frame(&p, i, 0)->line, 0);
	help_profile_done(&p);
}

/* Where .dwo files are wanted, the key can't name what the answers depend on. */
static void answers_from_split_debug_information_are_not_kept(void **state)
{
	(void)state;
	if (help_run("cd \"$D\" && g++ -O2 -gdwarf-5 -gsplit-dwarf -Wl,--build-id "
		     "\"$T/symbol_inline.cc\" -o prog 2>/dev/null"))
		skip();
	cache_close(fresh_cache());
	compare(300, 5);
	assert_int_not_equal(help_run("ls \"$D\"/cache/heapline/*.symbols 2>/dev/null"),
			     0);
	assert_int_equal(help_run("cd \"$D\" && rm -f *.dwo"), 0);
	compare(300, 5);
}

/* Stacks in so many copies of a program, which s knows from now on. */
static void ask_copies(struct symbols *s, struct profile *p, uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to; i++) {
		char name[16];

		assert_int_equal(help_run("cp \"$D/prog\" \"$D/copy%u\"", i), 0);
		snprintf(name, sizeof(name), "copy%u", i);
		assert_int_equal(symbols_module(s, i, help_path(name), NULL, ""), 0);
		for (uint64_t at = 0; at < 800; at++)
			help_stack(p, 0x1000 + 40 * (at % 400) + i, i + 1,
				   PROFILE_STACK_EXACT);
	}
}

/* Has the frames that its addresses have in the program alone; p is done with. */
static void assert_as_in_one(struct profile *p)
{
	struct profile single;

	help_profile(&single, 1);
	for (size_t i = 1; i < p->stack_count; i++)
		help_stack(&single, p->stacks[i].pc, 1, PROFILE_STACK_EXACT);
	resolve_all(&single, help_path("prog"), false);
	assert_equal_frames(p, &single);
	help_profile_done(&single);
	help_profile_done(p);
}

/* One file is one thread's: many files, many threads, the answers of one. */
static void many_files_at_a_time_give_what_one_at_a_time_does(void **state)
{
	enum { FILES = 24 };
	struct profile together;
	struct symbols *s;

	(void)state;
	if (!compile())
		skip();
	unsetenv("XDG_CACHE_HOME");
	unsetenv("HOME");
	help_profile(&together, FILES);
	assert_int_equal(symbols_open(&s), 0);
	ask_copies(s, &together, 0, FILES);
	assert_int_equal(symbols_resolve(s, &together), 0);
	symbols_close(s);
	assert_as_in_one(&together);
}

/* What is begun early is not asked again: by then the first files are of no use. What has
 * come since, places and files, is. */
static void what_is_begun_gives_what_one_call_does(void **state)
{
	enum { FILES = 6, BEGUN = 4, RUINED = 2 };
	struct profile p;
	struct symbols *s;

	(void)state;
	if (!compile())
		skip();
	unsetenv("XDG_CACHE_HOME");
	unsetenv("HOME");
	help_profile(&p, FILES);
	assert_int_equal(symbols_open(&s), 0);
	assert_true(symbols_wait(s, 0));
	assert_int_equal(symbols_begin(s, &p), 0); /* there is nothing to do */
	ask_copies(s, &p, 0, BEGUN);
	assert_int_equal(symbols_begin(s, &p), 0);
	assert_int_equal(symbols_begin(s, &p), -EALREADY);
	for (size_t i = 1; i < p.stack_count; i++)
		assert_int_equal(p.stacks[i].code, 0);
	assert_true(symbols_wait(s, 600000000000));
	for (uint32_t i = 0; i < RUINED; i++)
		assert_int_equal(help_run("dd if=/dev/zero of=\"$D/copy%u\" bs=64K "
					  "count=1 conv=notrunc 2>/dev/null",
					  i),
				 0);
	for (uint64_t at = 0; at < 100; at++)
		help_stack(&p, 0x1010 + 40 * at, BEGUN, PROFILE_STACK_EXACT);
	ask_copies(s, &p, BEGUN, FILES);
	assert_int_equal(symbols_resolve(s, &p), 0);
	/* And again, of the same object. */
	assert_int_equal(symbols_begin(s, &p), 0);
	assert_int_equal(symbols_resolve(s, &p), 0);
	symbols_close(s);
	assert_as_in_one(&p);
}

static void what_is_begun_need_not_be_taken(void **state)
{
	struct profile p;
	struct symbols *s;

	(void)state;
	if (!compile())
		skip();
	help_profile(&p, 1);
	assert_int_equal(symbols_open(&s), 0);
	ask_copies(s, &p, 0, 1);
	assert_int_equal(symbols_begin(s, &p), 0);
	symbols_close(s);
	help_profile_done(&p);
}

/* Larger than what is read at a time, each of them and together. */
static void large_files_wait_for_each_other(void **state)
{
	enum { FILES = 8 };
	struct profile p;
	struct symbols *s;

	(void)state;
	if (!compile())
		skip();
	unsetenv("XDG_CACHE_HOME");
	unsetenv("HOME");
	help_profile(&p, FILES);
	assert_int_equal(symbols_open(&s), 0);
	for (uint32_t i = 0; i < FILES; i++) {
		char name[16];

		/* Sparse: bytes behind the ELF file that nobody reads. */
		assert_int_equal(help_run("cp \"$D/prog\" \"$D/large%u\" && "
					  "truncate -s %uM \"$D/large%u\"",
					  i, 200 * (1 + i % 4), i),
				 0);
		snprintf(name, sizeof(name), "large%u", i);
		assert_int_equal(symbols_module(s, i, help_path(name), NULL, ""), 0);
		for (uint64_t at = 0; at < 200; at++)
			help_stack(&p, 0x2000 + 40 * at, i + 1, PROFILE_STACK_EXACT);
	}
	assert_int_equal(symbols_resolve(s, &p), 0);
	symbols_close(s);
	for (size_t i = 1; i + 200 < p.stack_count; i++)
		assert_string_equal(
			strings_get(&p.strings, help_frame(&p, i, 0)->function),
			strings_get(&p.strings, help_frame(&p, i + 200, 0)->function));
	help_profile_done(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_put_is_got_with_the_same_key_alone),
		cmocka_unit_test(a_damaged_entry_is_no_entry),
		cmocka_unit_test(a_profile_of_another_kind_is_no_entry),
		cmocka_unit_test(links_and_other_things_are_not_followed),
		cmocka_unit_test(a_directory_that_others_write_is_not_used),
		cmocka_unit_test(what_was_not_used_for_longest_goes_first),
		cmocka_unit_test(processes_may_write_one_entry_at_a_time),
		cmocka_unit_test(cached_answers_are_the_same),
		cmocka_unit_test(answers_change_with_the_files),
		cmocka_unit_test(answers_from_split_debug_information_are_not_kept),
		cmocka_unit_test(many_files_at_a_time_give_what_one_at_a_time_does),
		cmocka_unit_test(what_is_begun_gives_what_one_call_does),
		cmocka_unit_test(what_is_begun_need_not_be_taken),
		cmocka_unit_test(large_files_wait_for_each_other),
	};

	return cmocka_run_group_tests(tests, help_setup, help_teardown);
}

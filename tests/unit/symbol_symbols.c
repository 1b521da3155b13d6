#include "tests/unit/symbol_help.h"

#include "cli/base/cleanup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

/* ---- addresses ------------------------------------------------------------ */

struct functions {
	struct {
		uint64_t start, size;
		char name[256];
	} * items;
	size_t count, room;
};

/* The functions of a file that have a size, as nm has them. */
static void read_functions(const char *file, struct functions *f)
{
	char command[512], line[8192], type;
	unsigned long long start, size;
	FILE *nm;

	*f = (struct functions){0};
	snprintf(command, sizeof(command), "nm -S --defined-only '%s' 2>/dev/null",
		 file);
	nm = popen(command, "r");
	assert_non_null(nm);
	while (fgets(line, sizeof(line), nm)) {
		char name[256];

		if (sscanf(line, "%llx %llx %c %255s", &start, &size, &type, name) !=
			    4 ||
		    !strchr("tTwWi", type) || !size)
			continue;
		assert_int_equal(array_reserve(&f->items, &f->room, f->count + 1), 0);
		f->items[f->count].start = start;
		f->items[f->count].size = size;
		strcpy(f->items[f->count++].name, name);
	}
	pclose(nm);
}

static uint64_t function_start(const char *file, const char *name)
{
	struct functions f;
	uint64_t start = 0;

	read_functions(file, &f);
	for (size_t i = 0; i < f.count; i++)
		if (!strcmp(f.items[i].name, name))
			start = f.items[i].start;
	free(f.items);
	assert_true(start);
	return start;
}

/* Random addresses inside functions, as exact frames of module 1. */
static void sample(struct profile *p, const char *file, size_t count, unsigned seed)
{
	struct functions f;

	read_functions(file, &f);
	assert_true(f.count);
	srand(seed);
	for (size_t i = 0; i < count; i++) {
		size_t n = (size_t)rand() % f.count;

		help_stack(p, f.items[n].start + (uint64_t)rand() % f.items[n].size, 1,
			   PROFILE_STACK_EXACT);
	}
	free(f.items);
}

/* Resolves all stacks of p in one file. */
static void resolve(struct profile *p, const char *file, const char *build_id)
{
	struct symbols *s;

	assert_int_equal(symbols_open(&s), 0);
	assert_int_equal(symbols_module(s, 0, file, NULL, build_id), 0);
	assert_int_equal(symbols_resolve(s, p), 0);
	assert_true(p->symbolised);
	symbols_close(s);
}

/* The same, and reads the sources: the last line of a function is then that of its
 * closing brace, whatever lines the compiler gave code to. */
static void resolve_with_sources(struct symbols *s, struct profile *p)
{
	struct symbols_sources found;

	assert_int_equal(symbols_resolve(s, p), 0);
	assert_int_equal(symbols_sources(s, p, &found), 0);
	assert_int_equal(found.files, 1);
	assert_int_equal(found.missing, 0);
}

/* ---- oracles -------------------------------------------------------------- */

struct tally {
	size_t frames, depth, file, line, name;
};

/* Another tool names the outermost function by its symbol (an alias, a clone), has no
 * scopes for what has no linkage name, and cuts parameters or not. */
static bool same_name(const char *ours, const char *theirs)
{
	size_t a = strlen(ours), b = strlen(theirs);

	if (!strcmp(ours, theirs))
		return true;
	return a > b + 2 && !strcmp(ours + a - b, theirs) &&
	       !memcmp(ours + a - b - 2, "::", 2);
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Reads what the tool says of one address, up to the next, and compares. */
static void compare_frames(const struct profile *p, size_t stack, FILE *tool,
			   char *name, struct tally *t)
{
	char place[8192];
	uint32_t n = 0;

	while (fgets(name, 8192, tool) && strncmp(name, "0x", 2) != 0) {
		const struct profile_frame *f = help_frame(p, stack, n++);
		char *colon;

		assert_non_null(fgets(place, sizeof(place), tool));
		name[strcspn(name, "\n")] = '\0';
		colon = strrchr(place, ':');
		assert_non_null(colon);
		*colon = '\0';
		if (!f) {
			t->depth++;
			continue;
		}
		t->frames++;
		t->line += f->line != (uint32_t)atoi(colon + 1);
		/* Where there is no DWARF they may guess from STT_FILE. */
		t->file +=
			f->file && strcmp(base_name(strings_get(&p->strings, f->file)),
					  base_name(place)) != 0;
		t->name += !same_name(strings_get(&p->strings, f->function), name);
	}
	t->depth += help_frame(p, stack, n) != NULL;
}

/* Asks a tool with addr2line's options about all stacks of p. */
static struct tally ask(const char *tool_name, const char *file,
			const struct profile *p)
{
	char command[1024], name[8192];
	struct tally t = {0};
	FILE *in = fopen(help_path("addresses"), "w"), *tool;

	assert_non_null(in);
	for (size_t i = 1; i < p->stack_count; i++)
		fprintf(in, "0x%llx\n", (unsigned long long)p->stacks[i].pc);
	fclose(in);
	snprintf(command, sizeof(command), "%s -a -i -f -C -e '%s' <'%s' 2>/dev/null",
		 tool_name, file, help_path("addresses"));
	tool = popen(command, "r");
	assert_non_null(tool);
	assert_non_null(fgets(name, sizeof(name), tool));
	for (size_t i = 1; i < p->stack_count; i++) {
		assert_int_equal(strtoull(name, NULL, 16), p->stacks[i].pc);
		compare_frames(p, i, tool, name, &t);
	}
	pclose(tool);
	printf("%s %s: %zu frames; differ: %zu depth, %zu line, %zu file, %zu name\n",
	       tool_name, base_name(file), t.frames, t.depth, t.line, t.file, t.name);
	return t;
}

/* ---- tests ---------------------------------------------------------------- */

static bool have_cxx(void)
{
	static int have = -1;

	if (have < 0)
		have = help_has("g++") && help_has("nm") &&
		       !help_run("g++ -O2 -gdwarf-4 \"$T/symbol_inline.cc\" -o "
				 "\"$D/base\"");
	return have;
}

/* DWARF 4: addr2line 2.40 gets the file of inlined code wrong in DWARF 5. Names differ
 * where it prefers the symbol (clones: .cold, .part) to the function. */
static void frames_are_those_of_addr2line(void **state)
{
	struct profile p;
	struct tally t;

	(void)state;
	if (!have_cxx() || !help_has("addr2line"))
		skip();
	help_profile(&p, 1);
	sample(&p, help_path("base"), 4000, 1);
	resolve(&p, help_path("base"), "");
	t = ask("addr2line", help_path("base"), &p);
	assert_true(t.frames > 8000);
	assert_int_equal(t.depth, 0);
	assert_int_equal(t.line, 0);
	assert_int_equal(t.file, 0);
	assert_true(t.name * 20 < t.frames);
	help_profile_done(&p);
}

static void frames_are_those_of_llvm_symbolizer(void **state)
{
	static const char *const options[] = {
		"g++ -O2 -g",
		"g++ -O0 -g",
		"g++ -O2 -g1",
		"g++ -O2 -g -flto",
		"g++ -O3 -g -ffunction-sections -Wl,--gc-sections",
		"g++ -O2 -gdwarf-2 -gstrict-dwarf",
		"clang++ -O2 -g",
		"clang++ -O2 -gmlt",
		"clang++ -O3 -gdwarf-5 -gz=zlib",
		"clang++ -O2 -gdwarf-4 -gsplit-dwarf",
		"clang++ -O2 -gdwarf-5 -gsplit-dwarf",
	};

	(void)state;
	if (!have_cxx() || !help_has("llvm-addr2line"))
		skip();
	for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++) {
		struct profile p;
		struct tally t;

		if (!unit_compiles(i) ||
		    help_run("cd \"$D\" && %s \"$T/symbol_inline.cc\" -o way "
			     "2>/dev/null",
			     options[i]))
			continue;
		help_profile(&p, 1);
		sample(&p, help_path("way"), 2000, (unsigned)i + 2);
		resolve(&p, help_path("way"), "");
		t = ask("llvm-addr2line", help_path("way"), &p);
		assert_int_equal(t.depth, 0);
		assert_int_equal(t.line, 0);
		assert_int_equal(t.file, 0);
		help_profile_done(&p);
	}
}

/* As gcc 16 writes it with -gdwarf-2 -gstrict-dwarf: of a call that was inlined in pieces
 * one piece is told, which may be empty, and calls inlined into it lie elsewhere. */
static const char in_pieces[] =
	".text\n.Lcode: .skip 64,0x90\n"
	".section .debug_abbrev,\"\",@progbits\n.Labbrev:\n"
	/* 1 unit: language, name, low, high */
	".byte 1,0x11,1, 0x13,0x0b, 0x03,0x08, 0x11,0x01, 0x12,0x01, 0,0\n"
	/* 2 subprogram, 3 inlined call: name, low, high */
	".byte 2,0x2e,1, 0x03,0x08, 0x11,0x01, 0x12,0x01, 0,0\n"
	".byte 3,0x1d,1, 0x03,0x08, 0x11,0x01, 0x12,0x01, 0,0\n"
	".byte 0\n"
	".section .debug_info,\"\",@progbits\n"
	".long .Lend-.Lversion\n.Lversion: .short 4\n.long .Labbrev\n.byte 8\n"
	".byte 1,12\n.string \"unit.c\"\n.quad .Lcode,.Lcode+64\n"
	".byte 2\n.string \"outer\"\n.quad .Lcode,.Lcode+64\n"
	".byte 3\n.string \"empty\"\n.quad .Lcode+10,.Lcode+10\n"
	".byte 3\n.string \"elsewhere\"\n.quad .Lcode+12,.Lcode+16\n"
	".byte 3\n.string \"inner\"\n.quad .Lcode+20,.Lcode+30\n"
	".byte 0,0,0,0,0\n.Lend:\n";

static void who_calls_what_was_inlined_is_told_wherever_its_own_code_lies(void **state)
{
	static const struct {
		uint64_t at;
		const char *frames[5];
	} codes[] = {
		{9, {"outer"}},
		{10, {"outer"}},
		{13, {"elsewhere", "empty", "outer"}},
		{19, {"outer"}},
		{20, {"inner", "elsewhere", "empty", "outer"}},
		{29, {"inner", "elsewhere", "empty", "outer"}},
		{30, {"outer"}},
	};
	enum { CODES = sizeof(codes) / sizeof(*codes), BASE = 0x10000 };
	FILE *s = fopen(help_path("pieces.s"), "w");
	struct profile p;

	(void)state;
	assert_non_null(s);
	fputs(in_pieces, s);
	fclose(s);
	assert_int_equal(help_run("${CC:-cc} -shared -nostdlib -Wl,-Ttext=%#x "
				  "\"$D/pieces.s\" -o \"$D/pieces\"",
				  BASE),
			 0);
	help_profile(&p, 1);
	for (size_t i = 0; i < CODES; i++)
		help_stack(&p, BASE + codes[i].at, 1, PROFILE_STACK_EXACT);
	resolve(&p, help_path("pieces"), "");
	for (size_t i = 0; i < CODES; i++) {
		const struct profile_frame *f;
		uint32_t n = 0;

		for (; (f = help_frame(&p, i + 1, n)); n++) {
			assert_non_null(codes[i].frames[n]);
			assert_string_equal(strings_get(&p.strings, f->function),
					    codes[i].frames[n]);
		}
		assert_null(codes[i].frames[n]);
	}
	help_profile_done(&p);
}

/* What another form of the same debug information must agree on with the base. */
static void assert_same_frames(const struct profile *a, const struct profile *b)
{
	for (size_t i = 1; i < a->stack_count; i++) {
		const struct profile_frame *x, *y;
		uint32_t n;

		for (n = 0; (x = help_frame(a, i, n)); n++) {
			y = help_frame(b, i, n);
			assert_non_null(y);
			assert_string_equal(strings_get(&a->strings, x->function),
					    strings_get(&b->strings, y->function));
			assert_string_equal(strings_get(&a->strings, x->file),
					    strings_get(&b->strings, y->file));
			assert_int_equal(x->line, y->line);
			assert_int_equal(x->function_first, y->function_first);
			assert_int_equal(x->function_last, y->function_last);
		}
		assert_null(help_frame(b, i, n));
	}
}

static void each_form_of_debug_information_says_the_same(void **state)
{
	static const char *const forms[] = {
		"g++ -O2 -gdwarf-5 \"$T/symbol_inline.cc\" -o \"$D/form\"",
		"g++ -O2 -gdwarf-3 \"$T/symbol_inline.cc\" -o \"$D/form\"",
		"cd \"$D\" && g++ -O2 -gdwarf-5 -gsplit-dwarf \"$T/symbol_inline.cc\" "
		"-o form",
		"cd \"$D\" && g++ -O2 -gdwarf-4 -gsplit-dwarf \"$T/symbol_inline.cc\" "
		"-o form",
		"g++ -O2 -gdwarf-5 -fdebug-types-section \"$T/symbol_inline.cc\" -o "
		"\"$D/form\"",
		"g++ -O2 -gdwarf-4 -gz=zlib \"$T/symbol_inline.cc\" -o \"$D/form\"",
		"dwz \"$D/base\" -o \"$D/form\"",
		"cp \"$D/base\" \"$D/other\" && cp \"$D/base\" \"$D/form\" && cd "
		"\"$D\" && "
		"dwz -m shared.dwz form other",
		/* Beside it, in .debug, linked by name and checked by its build-id. */
		"cd \"$D\" && mkdir -p .debug && objcopy --only-keep-debug base "
		".debug/link.dbg "
		"&& strip -o form base && objcopy --add-gnu-debuglink=.debug/link.dbg "
		"form",
		"rm -r \"$D/.debug\"; cd \"$D\" && objcopy --only-keep-debug base "
		"near.dbg && "
		"strip -o form base && objcopy --add-gnu-debuglink=near.dbg form",
		/* Without build-id: checked by its sum. */
		"cd \"$D\" && objcopy --remove-section .note.gnu.build-id base bare && "
		"objcopy --only-keep-debug bare near.dbg && strip -o form bare && "
		"objcopy --add-gnu-debuglink=near.dbg form",
	};
	struct profile base;
	size_t formed = 0;

	(void)state;
	if (!have_cxx())
		skip();
	help_profile(&base, 1);
	sample(&base, help_path("base"), 3000, 9);
	resolve(&base, help_path("base"), "");
	for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
		struct profile p;

		if (help_run("( rm -f \"$D/form\"; %s ) 2>/dev/null", forms[i]))
			continue;
		formed++;
		help_profile(&p, 1);
		for (size_t n = 1; n < base.stack_count; n++)
			help_stack(&p, base.stacks[n].pc, 1, PROFILE_STACK_EXACT);
		resolve(&p, help_path("form"), "");
		assert_same_frames(&base, &p);
		help_profile_done(&p);
	}
	printf("%zu of %zu forms compared\n", formed, sizeof(forms) / sizeof(*forms));
	assert_true(formed >= 6);
	help_profile_done(&base);
}

static void a_debug_file_of_another_build_is_not_used(void **state)
{
	struct profile p;

	(void)state;
	if (!have_cxx())
		skip();
	assert_int_equal(
		help_run("cd \"$D\" && objcopy --remove-section .note.gnu.build-id "
			 "base bare && objcopy --only-keep-debug bare wrong.dbg && "
			 "strip -o form bare && "
			 "objcopy --add-gnu-debuglink=wrong.dbg form && "
			 "printf x >> wrong.dbg"),
		0);
	help_profile(&p, 1);
	sample(&p, help_path("base"), 100, 3);
	resolve(&p, help_path("form"), "");
	for (size_t i = 1; i < p.stack_count; i++)
		assert_int_equal(help_frame(&p, i, 0)->line, 0);
	help_profile_done(&p);
}

/* libc with its separate debug file, found by build-id: the oracle gets it by name. */
static void libc_agrees_with_its_separate_debug_file(void **state)
{
	const char *tool = help_has("llvm-addr2line") ? "llvm-addr2line" : "addr2line";
	char libc[512] = "", debug[512] = "";
	struct profile p;
	struct tally t;
	FILE *f;

	(void)state;
	if (!help_has("readelf") || !help_has(tool) ||
	    help_run(
		    "ldd /bin/true | awk '/libc.so/{print $3}' >\"$D/libc\" && "
		    "readelf -n $(cat \"$D/libc\") 2>/dev/null | awk '/Build ID/{print "
		    "\"/usr/lib/debug/.build-id/\" substr($3,1,2) \"/\" substr($3,3) "
		    "\".debug\"}' >>\"$D/libc\""))
		skip();
	f = fopen(help_path("libc"), "r");
	assert_non_null(f);
	if (fscanf(f, "%511s %511s", libc, debug) != 2 || access(debug, R_OK)) {
		fclose(f);
		skip();
	}
	fclose(f);
	help_profile(&p, 1);
	sample(&p, debug, 4000, 5);
	resolve(&p, libc, "");
	t = ask(tool, debug, &p);
	assert_true(t.frames >= 4000);
	/* Functions that share code by alias or cold part; a handful of rows. */
	assert_true(t.depth * 200 < t.frames);
	assert_true(t.line * 200 < t.frames);
	help_profile_done(&p);
}

static bool compile_lines(const char *options)
{
	return help_has("nm") && help_has("objdump") &&
	       !help_run("${CC:-cc} -O2 -g %s \"$T/symbol_lines.c\" -o \"$D/lines\"",
			 options);
}

/* Return address of the n-th call in a function. */
static uint64_t after_call(const char *function, int n)
{
	char line[512];
	unsigned long long at = 0;
	bool called = false;
	FILE *f;

	assert_int_equal(help_run("objdump -d --no-show-raw-insn \"$D/lines\" | "
				  "sed -n '/<%s>:/,/^$/p' > \"$D/code\"",
				  function),
			 0);
	f = fopen(help_path("code"), "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		if (called && n-- == 0) {
			at = strtoull(line, NULL, 16);
			break;
		}
		called = strstr(line, "\tcall") != NULL;
	}
	fclose(f);
	return at;
}

static void assert_frame(const struct profile *p, size_t stack, uint32_t n,
			 const char *function, uint32_t line, uint32_t first,
			 uint32_t last)
{
	const struct profile_frame *f = help_frame(p, stack, n);

	assert_non_null(f);
	assert_string_equal(strings_get(&p->strings, f->function), function);
	assert_string_equal(base_name(strings_get(&p->strings, f->file)),
			    "symbol_lines.c");
	assert_int_equal(strings_get(&p->strings, f->file)[0], '/');
	assert_int_equal(f->line, line);
	assert_int_equal(f->function_first, first);
	assert_int_equal(f->function_last, last);
}

/* The call is the function's last but one instruction before abort's: the address after
 * a call of noreturn belongs to whatever comes next, so pc - 1 it must be. */
static void a_return_address_belongs_to_its_call(void **state)
{
	const uint64_t bias = 0x7f0000000000;
	struct symbols *s;
	struct profile p;

	(void)state;
	if (!compile_lines(""))
		skip();
	help_profile(&p, 1);
	p.modules[0].bias = bias;
	help_stack(&p, bias + after_call("known_allocate", 0), 1, 0);
	help_stack(&p, bias + after_call("known_twice", 0), 1, 0);
	assert_int_equal(symbols_open(&s), 0);
	assert_int_equal(symbols_module(s, 0, help_path("lines"), "", ""), 0);
	resolve_with_sources(s, &p);
	assert_frame(&p, 1, 0, "wrapped", 9, 7, 10);
	assert_frame(&p, 1, 1, "known_allocate", 14, 12, 19);
	assert_null(help_frame(&p, 1, 2));
	assert_frame(&p, 2, 0, "known_twice", 23, 21, 25);
	symbols_close(s);
	help_profile_done(&p);
}

static void equal_places_share_a_code_and_a_second_call_adds_only_new_ones(void **state)
{
	struct profile p;
	struct symbols *s;
	size_t codes;
	uint64_t at;

	(void)state;
	if (!compile_lines(""))
		skip();
	at = function_start(help_path("lines"), "known_twice");
	help_profile(&p, 2);
	p.modules[1].bias = 0x1000000;
	help_stack(&p, at, 1, PROFILE_STACK_EXACT);
	help_stack(&p, at + 0x1000000, 2, PROFILE_STACK_EXACT);
	help_stack(&p, at + 1, 1, 0);
	help_stack(&p, at, 0, 0); /* no module */
	help_stack(&p, 1, 0, PROFILE_STACK_CUT);
	assert_int_equal(symbols_open(&s), 0);
	assert_int_equal(symbols_module(s, 0, help_path("lines"), "", ""), 0);
	assert_int_equal(symbols_module(s, 1, help_path("lines"), "/", ""), 0);
	assert_int_equal(symbols_resolve(s, &p), 0);
	assert_int_equal(p.stacks[1].code, p.stacks[2].code);
	assert_int_equal(p.stacks[1].code, p.stacks[3].code);
	assert_int_not_equal(p.stacks[1].code, p.stacks[4].code);
	assert_int_not_equal(p.stacks[4].code, p.stacks[5].code);
	assert_int_equal(help_frame(&p, 4, 0)->function, 0);
	codes = p.code_count;
	help_stack(&p, at, 1, PROFILE_STACK_EXACT);
	assert_int_equal(symbols_resolve(s, &p), 0);
	assert_int_equal(p.code_count, codes);
	assert_int_equal(p.stacks[6].code, p.stacks[1].code);
	help_stack(&p, function_start(help_path("lines"), "main"), 1,
		   PROFILE_STACK_EXACT);
	assert_int_equal(symbols_resolve(s, &p), 0);
	assert_int_equal(p.code_count, codes + 1);
	assert_string_equal(strings_get(&p.strings, help_frame(&p, 7, 0)->function),
			    "main");
	symbols_close(s);
	help_profile_done(&p);
}

static void a_deleted_file_still_resolves_if_it_was_opened(void **state)
{
	struct profile p;
	struct symbols *s;

	(void)state;
	if (!compile_lines(""))
		skip();
	help_profile(&p, 2);
	help_stack(&p, function_start(help_path("lines"), "main"), 1,
		   PROFILE_STACK_EXACT);
	help_stack(&p, 0x1234, 2, PROFILE_STACK_EXACT);
	assert_int_equal(symbols_open(&s), 0);
	assert_int_equal(symbols_module(s, 0, help_path("lines"), "", ""), 0);
	unlink(help_path("lines"));
	assert_int_equal(symbols_module(s, 1, help_path("lines"), "", ""), -ENOENT);
	assert_int_equal(symbols_module(s, 5, "linux-vdso.so.1", "", ""), -ENOENT);
	assert_int_equal(symbols_module(s, 6, "/dev/null", "", ""), -EINVAL);
	assert_int_equal(symbols_module(s, 7, "/etc/passwd", "", ""), -ENOEXEC);
	resolve_with_sources(s, &p);
	assert_frame(&p, 1, 0, "main", 28, 27, 31);
	assert_int_equal(help_frame(&p, 2, 0)->function, 0);
	symbols_close(s);
	help_profile_done(&p);
}

static void a_replaced_file_is_not_used(void **state)
{
	char id[128] = "";
	struct symbols *s;
	FILE *f;

	(void)state;
	if (!compile_lines("-Wl,--build-id") || !help_has("readelf") ||
	    help_run("readelf -n \"$D/lines\" | awk '/Build ID/{print $3}' >\"$D/id\""))
		skip();
	f = fopen(help_path("id"), "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%127s", id), 1);
	fclose(f);
	assert_int_equal(symbols_open(&s), 0);
	assert_int_equal(symbols_module(s, 0, help_path("lines"), "", id), 0);
	id[0] = id[0] == '0' ? '1' : '0';
	assert_int_equal(symbols_module(s, 1, help_path("lines"), "", id), -ESTALE);
	symbols_close(s);
}

static void the_debug_directory_of_the_root_is_searched_by_build_id(void **state)
{
	char id[128] = "";
	struct profile p;
	struct symbols *s;
	FILE *f;

	(void)state;
	if (!compile_lines("-Wl,--build-id") || !help_has("objcopy"))
		skip();
	/* A root of its own, whose /bin is an absolute link that must not lead out. */
	assert_int_equal(
		help_run(
			"cd \"$D\" && readelf -n lines | awk '/Build ID/{print $3}' "
			">id && "
			"d=root/usr/lib/debug/.build-id/$(cut -c1-2 id) && mkdir -p $d "
			"root/usr/sbin && ln -s /usr/sbin root/sbin && "
			"objcopy --only-keep-debug lines $d/$(cut -c3- id).debug && "
			"strip -o root/usr/sbin/prog lines && "
			"mkdir -p \"root/$T\" && cp \"$T/symbol_lines.c\" "
			"\"root/$T\""),
		0);
	f = fopen(help_path("id"), "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%127s", id), 1);
	fclose(f);
	help_profile(&p, 2);
	help_stack(&p, function_start(help_path("lines"), "main"), 1,
		   PROFILE_STACK_EXACT);
	help_stack(&p, function_start(help_path("lines"), "main"), 2,
		   PROFILE_STACK_EXACT);
	assert_int_equal(symbols_open(&s), 0);
	if (symbols_module(s, 0, "/sbin/prog", help_path("root"), id) == -ENOSYS) {
		symbols_close(s);
		skip();
	}
	/* Deleted: its debug file alone will do. */
	assert_int_equal(symbols_module(s, 1, "/sbin/gone", help_path("root"), id), 0);
	resolve_with_sources(s, &p);
	assert_frame(&p, 1, 0, "main", 28, 27, 31);
	assert_frame(&p, 2, 0, "main", 28, 27, 31);
	symbols_close(s);
	help_profile_done(&p);
}

/* Of a stripped library only exported functions have names: the static one between
 * them is nobody's. */
static void symbols_end_where_their_size_ends(void **state)
{
	static const char *const names[] = {"known_allocate", "known_twice"};
	struct functions f;
	struct profile p;
	size_t named = 0;

	(void)state;
	if (!compile_lines("-rdynamic") ||
	    help_run("strip -o \"$D/bare\" \"$D/lines\""))
		skip();
	read_functions(help_path("lines"), &f);
	help_profile(&p, 1);
	for (size_t i = 0; i < f.count; i++) {
		help_stack(&p, f.items[i].start, 1, PROFILE_STACK_EXACT);
		help_stack(&p, f.items[i].start + f.items[i].size - 1, 1,
			   PROFILE_STACK_EXACT);
		help_stack(&p, f.items[i].start + f.items[i].size, 1,
			   PROFILE_STACK_EXACT);
	}
	resolve(&p, help_path("bare"), "");
	for (size_t i = 0; i < f.count; i++)
		for (size_t n = 0; n < 2; n++) {
			if (strcmp(f.items[i].name, names[n]) != 0)
				continue;
			for (size_t at = 0; at < 3; at++) {
				const char *name = strings_get(
					&p.strings,
					help_frame(&p, 1 + 3 * i + at, 0)->function);

				if (at < 2)
					assert_string_equal(name, names[n]);
				else
					assert_string_not_equal(name, names[n]);
			}
			named++;
		}
	assert_int_equal(named, 2);
	free(f.items);
	help_profile_done(&p);
}

/* What a distribution of the mini-debuginfo kind ships: names of static functions, in
 * an xz-compressed ELF file inside the stripped one. */
static void mini_debuginfo_names_static_functions(void **state)
{
	struct profile p;
	uint64_t at;

	(void)state;
	if (!compile_lines("-fno-inline -O0") || !help_has("xz") ||
	    help_run("cd \"$D\" && strip -o bare lines && "
		     "objcopy --only-keep-debug lines full && "
		     "objcopy --strip-debug full mini && xz -k -f mini && "
		     "objcopy --add-section .gnu_debugdata=mini.xz bare packed"))
		skip();
	at = function_start(help_path("lines"), "main");
	help_profile(&p, 1);
	help_stack(&p, at, 1, PROFILE_STACK_EXACT);
	resolve(&p, help_path("packed"), "");
	assert_string_equal(strings_get(&p.strings, help_frame(&p, 1, 0)->function),
			    "main");
	assert_int_equal(help_frame(&p, 1, 0)->line, 0);
	help_profile_done(&p);
}

/* A server that nobody may talk to: it waits, and sees that nobody came, whatever part
 * of the debug information is missing. */
static void no_debuginfod_server_is_asked(void **state)
{
	static const char *const lacking[] = {
		"strip lines",
		"objcopy --only-keep-debug lines lines.dbg && strip lines && "
		"objcopy --add-gnu-debuglink=lines.dbg lines && rm lines.dbg",
		"cp lines other && dwz -m shared.dwz lines other && rm shared.dwz",
		"cc -O2 -g -gsplit-dwarf -Wl,--build-id \"$T/symbol_lines.c\" -o lines "
		"&& "
		"rm -f *.dwo",
		"rm lines && ln -s gone lines",
	};
	_cleanup_(closep) int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	char url[64];

	(void)state;
	if (!compile_lines("-Wl,--build-id"))
		skip();
	assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
	assert_int_equal(listen(fd, 4), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/", ntohs(address.sin_port));
	setenv("DEBUGINFOD_URLS", url, 1);
	for (size_t i = 0; i < sizeof(lacking) / sizeof(*lacking); i++) {
		struct profile p;
		struct symbols *s;

		assert_true(compile_lines("-Wl,--build-id"));
		if (help_run("cd \"$D\" && ( %s ) 2>/dev/null", lacking[i]))
			continue;
		help_profile(&p, 1);
		for (uint64_t at = 0x1000; at < 0x1400; at += 8)
			help_stack(&p, at, 1, PROFILE_STACK_EXACT);
		assert_int_equal(symbols_open(&s), 0);
		symbols_module(s, 0, help_path("lines"), NULL,
			       "0123456789abcdef0123456789abcdef01234567");
		symbols_module(s, 0, help_path("lines"), NULL, "");
		assert_int_equal(symbols_resolve(s, &p), 0);
		symbols_close(s);
		help_profile_done(&p);
		assert_int_equal(accept(fd, NULL, NULL), -1);
		assert_int_equal(errno, EAGAIN);
	}
	unsetenv("DEBUGINFOD_URLS");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_are_those_of_addr2line),
		cmocka_unit_test(frames_are_those_of_llvm_symbolizer),
		cmocka_unit_test(
			who_calls_what_was_inlined_is_told_wherever_its_own_code_lies),
		cmocka_unit_test(each_form_of_debug_information_says_the_same),
		cmocka_unit_test(a_debug_file_of_another_build_is_not_used),
		cmocka_unit_test(libc_agrees_with_its_separate_debug_file),
		cmocka_unit_test(a_return_address_belongs_to_its_call),
		cmocka_unit_test(
			equal_places_share_a_code_and_a_second_call_adds_only_new_ones),
		cmocka_unit_test(a_deleted_file_still_resolves_if_it_was_opened),
		cmocka_unit_test(a_replaced_file_is_not_used),
		cmocka_unit_test(
			the_debug_directory_of_the_root_is_searched_by_build_id),
		cmocka_unit_test(symbols_end_where_their_size_ends),
		cmocka_unit_test(mini_debuginfo_names_static_functions),
		cmocka_unit_test(no_debuginfod_server_is_asked),
	};

	return cmocka_run_group_tests(tests, help_setup, help_teardown);
}

/*
 * doctor_program.c - whether one program's heap can be recorded, and its code named.
 */
#include "cli/cmd/doctor.h"
#include "cli/cmd/target.h"
#include "cli/symbol/elf_contents.h"
#include "cli/symbol/elf_facts.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static void problem(struct doctor *d, const char *remedy, const char *text,
		    const char *path)
{
	doctor_add(d, DOCTOR_PROBLEM, "program", remedy, "'%s' %s", path, text);
}

/* Whether the loader will preload into it. */
static bool check_loader(struct doctor *d, const struct elf_facts *f)
{
	static struct elf_facts self;

	if (symbols_elf_check("/proc/self/exe", &self) < 0)
		self = *f;
	if (f->kind != ELF_FACTS_ELF)
		problem(d, "name the program itself; a script needs a first line #!",
			f->kind == ELF_FACTS_DAMAGED
				? "begins as a program and goes on as something else"
				: "is no program",
			f->path);
	else if (f->bits != self.bits || f->machine != self.machine)
		problem(d, "build it for this machine's 64-bit instruction set",
			f->bits == 32 ? "is a 32-bit program; the shim has 64 bits"
				      : "is for another machine than the shim",
			f->path);
	else if (f->is_static || f->is_static_pie)
		problem(d, "link it dynamically (without -static)",
			"is statically linked: no loader runs in it that could preload "
			"the shim",
			f->path);
	else if (f->is_setuid || f->is_setgid || f->has_capabilities)
		problem(d,
			"record as the user that it changes to, or a copy of it "
			"without that bit",
			"changes its privileges when executed, so the loader ignores "
			"LD_PRELOAD",
			f->path);
	else if (f->is_musl)
		problem(d, "build it against glibc",
			"uses musl; the shim is made for glibc", f->path);
	else if (*f->interpreter && access(f->interpreter, X_OK) < 0)
		problem(d, "install it: the program cannot start at all",
			"names a loader that is not here", f->path);
	else
		return true;
	return false;
}

static bool check_malloc(struct doctor *d, const struct elf_facts *f,
			 const struct elf_contents *c)
{
	if (f->defines_malloc || c->own_malloc) {
		problem(d,
			"link the allocator as a shared library, or build without it",
			c->allocator ? "has an allocator linked into it: its calls of "
				       "malloc never reach the shim"
			: f->defines_malloc
				? "defines malloc itself, before the shim's"
				: "defines a malloc of its own: its calls never reach "
				  "the shim",
			f->path);
		return false;
	}
	if (c->allocator_hidden)
		doctor_add(d, DOCTOR_WARNING, "allocator",
			   "build it with the system's allocator to record it",
			   "%s is linked into it under names of its own: what it hands "
			   "out is not seen",
			   c->allocator);
	else if (c->allocator)
		doctor_add(d, DOCTOR_WARNING, "allocator",
			   "if nothing is recorded, build it without",
			   "%s is linked into it", c->allocator);
	return true;
}

static void check_libraries(struct doctor *d, const struct elf_contents *c)
{
	for (size_t i = 0; i < c->needed_count; i++)
		if (symbols_is_allocator(c->needed[i]))
			doctor_add(d, DOCTOR_OK, "allocator", NULL,
				   "its allocator is %s, behind the shim: calls of "
				   "malloc and of operators new are seen",
				   c->needed[i]);
	if (c->sanitizer)
		doctor_add(d, DOCTOR_PROBLEM, "sanitizer",
			   "build it without -fsanitize to record it (with "
			   "AddressSanitizer, ASAN_OPTIONS=verify_asan_link_order=0 "
			   "will do)",
			   "it is built with %s, which replaces malloc and insists on "
			   "being loaded first",
			   c->sanitizer);
	if (c->is_go)
		doctor_add(d, DOCTOR_WARNING, "runtime",
			   "use Go's own profiler (pprof) for its heap",
			   "it is a Go program: its heap is not malloc's; C code in it "
			   "is recorded");
}

static void check_names(struct doctor *d, const struct elf_contents *c)
{
	if (c->has_lines)
		doctor_add(d, DOCTOR_OK, "debuginfo", NULL,
			   "functions and lines are in the program itself");
	else if (*c->debug_file)
		doctor_add(d, DOCTOR_OK, "debuginfo", NULL,
			   "functions and lines are in %s", c->debug_file);
	else if (c->has_symbols || c->has_mini_debug)
		doctor_add(
			d, DOCTOR_WARNING, "debuginfo",
			"compile it with -g, or install its debug symbols",
			"functions have names%s, but there are no lines: `lines` has "
			"nothing to show",
			c->has_symbols ? "" : " (mini-debuginfo)");
	else
		doctor_add(d, DOCTOR_WARNING, "debuginfo",
			   "compile it with -g, or install its debug symbols: "
			   "/usr/lib/debug/.build-id is looked at",
			   "it is stripped: only functions that it exports have names");
	if (*c->build_id)
		doctor_add(d, DOCTOR_OK, "build-id", NULL, "%s", c->build_id);
	else
		doctor_add(d, DOCTOR_WARNING, "build-id", "link it with -Wl,--build-id",
			   "none: a separate debug file cannot be matched, nor runs of "
			   "one build be told from another's");
}

void doctor_program(struct doctor *d, const char *name)
{
	static struct elf_facts f; /* paths long */
	static struct elf_contents c;
	char path[4096];
	int err = 0;

	if (target_path(name, path, sizeof(path), &err)) {
		doctor_add(d, DOCTOR_PROBLEM, "program",
			   err == EACCES
				   ? "make it executable: chmod +x"
				   : "check the spelling, or give the program's path",
			   "cannot execute '%s': %s", name, strerror(err));
		return;
	}
	err = symbols_elf_check(path, &f);
	if (err < 0) {
		doctor_add(d, DOCTOR_WARNING, "program",
			   "look as the user that may read it",
			   "cannot look into '%s': %s", f.scripts ? f.path : path,
			   strerror(-err));
		return;
	}
	if (!check_loader(d, &f))
		return;
	err = symbols_elf_contents_and_debug(f.path, &c);
	if (err < 0 || !check_malloc(d, &f, &c))
		return;
	doctor_add(d, DOCTOR_OK, "program", NULL,
		   "'%s'%s is dynamically linked, %u-bit", f.path,
		   f.scripts ? ", which runs that script," : "", f.bits);
	check_libraries(d, &c);
	check_names(d, &c);
}

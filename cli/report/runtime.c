#include "cli/report/runtime.h"

#include "cli/report/frames.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

enum module_kind { /* bits */
	LOADER = 1,
	LIBC = 2,
	LIBSTDCXX = 4,
	SHIM = 8,
	ANY = 16, /* every module but the shim's is of this kind too */
};

static const struct {
	const char *glob; /* of a path's last part */
	unsigned char kind;
} modules[] = {
	{"ld-linux*", LOADER},	   {"ld-2.*.so", LOADER}, {"ld.so.*", LOADER},
	{"ld64.so.*", LOADER},	   {"libc.so.*", LIBC},	  {"libc-2.*.so", LIBC},
	{"libpthread*.so*", LIBC}, {"libdl*.so*", LIBC},  {"libstdc++.so*", LIBSTDCXX},
	{"libheapline*", SHIM},
};

/* A distribution's libc has names for what it exports only. */
#define UNNAMED ""

/*
 * The frame that called the allocator is in a module of kind `module` and its function
 * matches `function` (NULL: any). If `via` is given, then one of the next `reach`
 * frames matches it as well, all before it being of kind `module`.
 */
static const struct rule {
	unsigned char module;
	const char *function;
	unsigned char via_module;
	const char *via;
	unsigned reach;
	const char *reason;
} rules[] = {
	/* Link maps, search paths, TLS vectors and the blocks of dynamic TLS, which
	 * __tls_get_addr() makes at a thread's first use: the loader's own, whoever
	 * made it work. No program frees them. */
	{LOADER, NULL, 0, NULL, 0, "the loader's tables and thread-local storage"},

	/* dlerror() and its kin keep their last result for the thread. */
	{LIBC, "dlerror*", 0, NULL, 0, "dlerror's message"},
	{LIBC, NULL, LIBC, "dlerror*", 3, "dlerror's message"},
	{LIBC, NULL, LIBC, "dlopen*", 2, "dlopen's result"},
	{LIBC, NULL, LIBC, "dlmopen*", 2, "dlopen's result"},
	{LIBC, NULL, LIBC, "dlsym*", 2, "dlsym's result"},
	{LIBC, NULL, LIBC, "dlvsym*", 2, "dlsym's result"},
	{LIBC, NULL, LIBC, "dlclose*", 2, "dlclose's result"},

	/* A stream's buffer, at its first use; stdout's and its like are never freed.
	 * The FILE is the program's if it opened one: it is allocated elsewhere. The
	 * wide functions are not exported, their caller is. */
	{LIBC, "_IO_file_doallocate*", 0, NULL, 0, "a stdio buffer"},
	{LIBC, "_IO_wfile_doallocate*", 0, NULL, 0, "a stdio buffer"},
	{LIBC, NULL, LIBC, "_IO_doallocbuf*", 2, "a stdio buffer"},
	{LIBC, NULL, LIBC, "_IO_wdoallocbuf*", 2, "a stdio buffer"},

	/* A thread's descriptor and stack are cached for the next thread. */
	{LIBC, "pthread_create*", 0, NULL, 0, "a thread's own storage"},
	{LIBC, NULL, LIBC, "pthread_create*", 3, "a thread's own storage"},
	{LIBC, NULL, LIBC, "__pthread_create*", 3, "a thread's own storage"},

	/* Texts kept for the calling thread, until it makes another or ends. */
	{LIBC, NULL, LIBC, "strerror_l*", 2, "a thread's message buffer"},
	{LIBC, NULL, LIBC, "strsignal*", 2, "a thread's message buffer"},

	/* Lists of what to call at exit: the program cannot take a thing off them. */
	{LIBC, "__cxa_thread_atexit_impl*", 0, NULL, 0, "the list of exit handlers"},
	{LIBC, "__cxa_atexit*", 0, NULL, 0, "the list of exit handlers"},
	{LIBC, "__new_exitfn*", 0, NULL, 0, "the list of exit handlers"},
	{LIBC, UNNAMED, LIBC, "__cxa_atexit*", 2, "the list of exit handlers"},
	{LIBC, UNNAMED, LIBC, "__cxa_at_quick_exit*", 2, "the list of exit handlers"},
	{LIBC, UNNAMED, LIBC, "on_exit*", 2, "the list of exit handlers"},

	/* 72,704 bytes to throw exceptions from when memory is out. The initialiser
	 * has no exported name and is called by the loader; operator new has one. */
	{LIBSTDCXX, UNNAMED, LOADER, NULL, 1, "the C++ runtime's emergency pool"},
	{LIBSTDCXX, "*pool::pool*", 0, NULL, 0, "the C++ runtime's emergency pool"},
	{LIBSTDCXX, "_GLOBAL__sub_I*", LOADER, NULL, 1, "the C++ runtime's start-up"},
	{ANY, "_GLOBAL__sub_I__ZN9__gnu_cxx9__freeresEv", 0, NULL, 0,
	 "the C++ runtime's emergency pool"},
};

enum {
	RULES = sizeof(rules) / sizeof(rules[0]),
	REACH = 4, /* frames looked at */
};

struct runtime {
	const struct profile *profile;
	unsigned char *kinds; /* by module index + 1; [0] is "no module" */
};

static unsigned char kind_of(const char *path)
{
	const char *base = frames_base(path);

	for (size_t i = 0; i < sizeof(modules) / sizeof(modules[0]); i++)
		if (!fnmatch(modules[i].glob, base, 0))
			return modules[i].kind == SHIM ? SHIM : modules[i].kind | ANY;
	return ANY;
}

struct runtime *runtime_open(const struct profile *p)
{
	struct runtime *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->profile = p;
	r->kinds = calloc(p->module_count + 1, 1);
	if (!r->kinds) {
		free(r);
		return NULL;
	}
	for (size_t i = 0; i < p->module_count; i++)
		r->kinds[i + 1] = kind_of(strings_get(&p->strings, p->modules[i].path));
	return r;
}

void runtime_close(struct runtime *r)
{
	if (!r)
		return;
	free(r->kinds);
	free(r);
}

struct seen {
	unsigned char kind;
	const char *function; /* "" unknown */
};

static unsigned char kind_at(const struct runtime *r, const struct profile_stack *s)
{
	return s->module <= r->profile->module_count ? r->kinds[s->module] : 0;
}

/* glibc's debug information calls what it exports by inner names as well. */
static const char *plain_name(const char *function)
{
	return strncmp(function, "__GI_", 5) ? function : function + 5;
}

static size_t look(const struct runtime *r, uint32_t stack, struct seen seen[REACH])
{
	struct frames_walk walk = frames_of(r->profile, stack);
	struct frames_frame frame;
	size_t count = 0;

	while (count < REACH && frames_next(&walk, &frame)) {
		unsigned char kind = kind_at(r, frame.stack);

		if (kind == SHIM && !count)
			continue;
		seen[count].kind = kind;
		seen[count++].function =
			frame.code ? plain_name(strings_get(&r->profile->strings,
							    frame.code->function))
				   : "";
	}
	return count;
}

static bool is(const struct seen *s, unsigned char kind, const char *function)
{
	if (!(s->kind & kind))
		return false;
	return !function || (*function ? !fnmatch(function, s->function, 0)
				       : !*s->function);
}

static bool applies(const struct rule *rule, const struct seen *seen, size_t count)
{
	if (!is(&seen[0], rule->module, rule->function))
		return false;
	if (!rule->reach)
		return true;
	for (size_t i = 1; i < count && i <= rule->reach; i++) {
		if (is(&seen[i], rule->via_module, rule->via))
			return true;
		if (!(seen[i].kind & rule->module))
			return false;
	}
	return false;
}

/* What Python's object allocators have of malloc for themselves, and keep to the end: the
 * shim's wrapping of them called (preload/tables.c), and has no name if it is stripped. */
static bool is_python_table(const struct runtime *r, uint32_t stack)
{
	struct frames_walk walk = frames_of(r->profile, stack);
	struct frames_frame frame;

	while (frames_next(&walk, &frame) && kind_at(r, frame.stack) == SHIM) {
		const char *name = frame.code ? strings_get(&r->profile->strings,
							    frame.code->function)
					      : "";

		if (!*name || !fnmatch("object_*", name, 0))
			return true;
	}
	return false;
}

const char *runtime_reason(const struct runtime *r, uint32_t stack)
{
	struct seen seen[REACH];
	size_t count = look(r, stack, seen);

	if (!count)
		return NULL;
	if (is_python_table(r, stack))
		return "tables of Python's object allocator";
	for (size_t i = 0; i < RULES; i++)
		if (applies(&rules[i], seen, count))
			return rules[i].reason;
	return NULL;
}

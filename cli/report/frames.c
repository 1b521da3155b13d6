#include "cli/report/frames.h"

#include "cli/report/wrappers.h"

#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>


/* The run of frames that a node's pc stands for, or NULL. */
static const struct profile_code *code_of(const struct profile *p,
					  const struct profile_stack *s)
{
	return s->code && s->code <= p->code_count ? &p->codes[s->code - 1] : NULL;
}

bool frames_next(struct frames_walk *walk, struct frames_frame *ret)
{
	const struct profile *p = walk->profile;
	const struct profile_stack *s;
	const struct profile_code *code;

	if (!walk->stack || walk->stack >= p->stack_count)
		return false;
	s = &p->stacks[walk->stack];
	code = code_of(p, s);
	*ret = (struct frames_frame){.stack = s};
	if (code && walk->inline_depth < code->frames)
		ret->code = &p->frames[code->first_frame + walk->inline_depth];
	walk->inline_depth++;
	if (!code || walk->inline_depth >= code->frames) {
		walk->stack = s->parent;
		walk->inline_depth = 0;
	}
	return true;
}

const char *frames_module(const struct profile *p, const struct profile_stack *stack)
{
	if (!stack->module || stack->module > p->module_count)
		return "";
	return strings_get(&p->strings, p->modules[stack->module - 1].path);
}

const char *frames_base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

static const char *cut_name(uint64_t why)
{
	switch (why) {
	case PROFILE_CUT_DEPTH:
		return "[frames left out: a very deep stack]";
	case PROFILE_CUT_FULL:
		return "[frames left out: no room for more stacks]";
	default:
		return "[frames lost: no unwind information]";
	}
}

const char *frames_name(const struct profile *p, const struct frames_frame *frame,
			char *buffer, size_t room)
{
	const struct profile_stack *s = frame->stack;
	const char *module = frames_module(p, s);

	if (frame->code && *strings_get(&p->strings, frame->code->function))
		return strings_get(&p->strings, frame->code->function);
	if (s->flags & PROFILE_STACK_CUT)
		return cut_name(s->pc);
	if (*module)
		snprintf(buffer, room, "%s+0x%" PRIx64, frames_base(module),
			 s->pc - p->modules[s->module - 1].bias);
	else
		snprintf(buffer, room, "0x%" PRIx64, s->pc);
	return buffer;
}

/* Whether the name goes on with "operator<", "operator->", "operator()", ... whose
 * brackets belong to the name; its length then. */
static size_t operator_length(const char *s)
{
	static const char word[] = "operator";
	size_t len = sizeof(word) - 1;

	if (strncmp(s, word, len) != 0)
		return 0;
	if (s[len] == '(' && s[len + 1] == ')')
		return len + 2;
	while (s[len] && strchr("<>=-", s[len]))
		len++;
	return len;
}

/* The length of ".<locals>", ".<listcomp>", ...: where CPython defined a function. */
static size_t python_scope_length(const char *s)
{
	size_t len = s[0] == '.' && s[1] == '<' ? 2 : 0;

	while (len && s[len] >= 'a' && s[len] <= 'z')
		len++;
	return len > 2 && s[len] == '>' ? len + 1 : 0;
}

const char *frames_short_name(const char *name, char *buffer, size_t room)
{
	unsigned angles = 0, rounds = 0;
	size_t at = 0;

	for (const char *s = name; *s && at + 5 < room;) {
		size_t op = angles || rounds ? 0 : operator_length(s);

		if (!strncmp(s, "(anonymous namespace)", 21))
			op = 21;
		if (!op)
			op = python_scope_length(s);
		if (op && !angles && !rounds) {
			op = op < room - 5 - at ? op : room - 5 - at;
			memcpy(buffer + at, s, op);
			at += op;
			s += op;
			continue;
		}
		if (*s == '<' && !rounds && !angles++ && at) {
			memcpy(buffer + at, "<...", 4);
			at += 4;
		}
		if (*s == '(' && !angles)
			rounds++;
		if (!angles && !rounds)
			buffer[at++] = *s;
		if (*s == ')' && !angles && rounds)
			rounds--;
		if (*s == '>' && angles && !--angles && !rounds && at)
			buffer[at++] = '>';
		s++;
	}
	buffer[at] = '\0';
	return at ? buffer : name;
}

/* ---- owners -------------------------------------------------------------- */

enum {
	UNSEEN = 0,
	SYSTEM_FILE = 1,    /* of files: nobody's own, wherever the module is */
	PACKAGED_FILE = 2,  /* as distributions build: own only in an own module */
	OTHER_FILE = 3,
	SYSTEM_MODULE = 1, /* of modules */
	BASE_MODULE = 2,
	OTHER_MODULE = 3,
	PYTHON_MODULE = 4, /* the script's, the libraries' and the interpreter's alike */
};

struct frames_owners {
	const struct profile *profile;
	unsigned char *files;	/* by string */
	unsigned char *modules; /* by index */
	bool has_python;	/* frames, for which the interpreter allocates */
};

static const char *const system_files[] = {
	"/usr/include/*", "/usr/lib/*", "/usr/lib64/*", "/usr/share/*", "/usr/src/*",
	"/usr/local/include/*", "/rustc/*", "*/.cargo/registry/*", "*/.rustup/*",
	"*/sysdeps/*", "*/libstdc++-v3/*",
};

static const char *const packaged_files[] = {"/build/*", "./*", "../*", "/usr/*"};

static const char *const system_modules[] = {
	"/lib/*", "/lib32/*", "/lib64/*", "/libx32/*", "/usr/lib/*", "/usr/lib32/*",
	"/usr/lib64/*", "/usr/libexec/*", "/nix/store/*", "/snap/*", "linux-vdso*",
	"[[]vdso]", "/usr/local/lib/libheapline*", "*/lib/python[23].[0-9]*/*",
};

static const char *const base_modules[] = {
	"libc.so.*",	   "libc-*.so",	    "libc.musl-*",  "ld-linux*",
	"ld-musl-*",	   "ld-2.*.so",	    "ld.so*",	    "ld64.so*",
	"libpthread*.so*", "libdl*.so*",    "libm.so.*",    "libstdc++.so*",
	"libc++.so*",	   "libc++abi.so*", "libgcc_s.so*", "libheapline*.so*",
	"linux-vdso*",	   "[[]vdso]",
};

/* Of Python: what is installed, and what comes with the interpreter. */
static const char *const library_scripts[] = {
	"<frozen *",	       "*/site-packages/*",	   "*/dist-packages/*",
	"/usr/lib/python3/*", "*/lib/python[23].[0-9]*/*", "*/lib/python[23].[0-9]*.zip/*",
};

static const char *const interpreters[] = {
	"python", "python[23]", "python[23].[0-9]", "python[23].[0-9][0-9]",
	"libpython[23]*.so*",
};

static bool among(const char *const *patterns, size_t count, const char *text)
{
	for (size_t i = 0; i < count; i++)
		if (!fnmatch(patterns[i], text, 0))
			return true;
	return false;
}

#define AMONG(patterns, text)                                                          \
	among(patterns, sizeof(patterns) / sizeof((patterns)[0]), text)

bool frames_is_python(const struct profile *p, uint32_t module)
{
	return module && module <= p->module_count &&
	       !strcmp(strings_get(&p->strings, p->modules[module - 1].path),
		       PROFILE_PYTHON);
}

struct frames_owners *frames_owners_open(const struct profile *p)
{
	struct frames_owners *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	o->profile = p;
	o->files = calloc(p->strings.count + 1, 1);
	o->modules = calloc(p->module_count + 1, 1);
	for (size_t i = 0; i < p->module_count; i++)
		o->has_python |= frames_is_python(p, (uint32_t)i + 1);
	if (!o->files || !o->modules) {
		frames_owners_close(o);
		return NULL;
	}
	return o;
}

void frames_owners_close(struct frames_owners *o)
{
	if (!o)
		return;
	free(o->files);
	free(o->modules);
	free(o);
}

static unsigned char file_kind(struct frames_owners *o, uint32_t file)
{
	const char *path = strings_get(&o->profile->strings, file);
	unsigned char *kind;

	if (!*path)
		return SYSTEM_FILE;
	kind = &o->files[file];
	if (*kind == UNSEEN)
		*kind = AMONG(system_files, path)     ? SYSTEM_FILE
			: AMONG(packaged_files, path) ? PACKAGED_FILE
						      : OTHER_FILE;
	return *kind;
}

static bool is_executable(const struct profile *p, uint32_t path)
{
	for (size_t i = 0; i < p->process_count; i++)
		if (p->processes[i].exe == path)
			return true;
	return false;
}

static bool is_runtime(const struct frames_owners *o, const char *path)
{
	return AMONG(base_modules, frames_base(path)) ||
	       (o->has_python && AMONG(interpreters, frames_base(path)));
}

static unsigned char module_kind(struct frames_owners *o, uint32_t module)
{
	const struct profile *p = o->profile;
	uint32_t string = p->modules[module - 1].path;
	const char *path = strings_get(&p->strings, string);
	unsigned char *kind = &o->modules[module];

	if (*kind == UNSEEN)
		*kind = frames_is_python(p, module)	       ? PYTHON_MODULE
			: is_runtime(o, path)		       ? BASE_MODULE
			: !*path || is_executable(p, string)   ? OTHER_MODULE
			: AMONG(system_modules, path)	       ? SYSTEM_MODULE
							       : OTHER_MODULE;
	return *kind;
}

enum frames_owner frames_whose(struct frames_owners *o,
			       const struct frames_frame *frame)
{
	uint32_t index = frame->stack->module;
	unsigned char module = index && index <= o->profile->module_count
				       ? module_kind(o, index)
				       : OTHER_MODULE;
	unsigned char file;

	if (module == BASE_MODULE || frame->stack->flags & PROFILE_STACK_CUT)
		return FRAMES_BASE;
	if (!frame->code || !frame->code->line)
		return FRAMES_LIBRARY;
	if (module == PYTHON_MODULE)
		return AMONG(library_scripts, strings_get(&o->profile->strings,
							  frame->code->file))
			       ? FRAMES_LIBRARY
			       : FRAMES_OWN;
	file = file_kind(o, frame->code->file);
	if (file == SYSTEM_FILE || module == SYSTEM_MODULE)
		return FRAMES_LIBRARY;
	if (file == PACKAGED_FILE && strncmp(frames_module(o->profile, frame->stack),
					     "/usr/", 5) == 0)
		return FRAMES_LIBRARY;
	return FRAMES_OWN;
}

enum frames_owner frames_owner(struct frames_owners *o,
			       const struct frames_frame *frame)
{
	uint32_t module = frame->stack->module;
	bool python = module && module <= o->profile->module_count &&
		      module_kind(o, module) == PYTHON_MODULE;

	if (!python && frame->code && wrappers_why(o->profile, frame->code->function))
		return FRAMES_BASE;
	return frames_whose(o, frame);
}

bool frames_own_module(struct frames_owners *o, const struct profile_stack *stack)
{
	uint32_t index = stack->module;

	return index && index <= o->profile->module_count &&
	       module_kind(o, index) == OTHER_MODULE;
}

bool frames_chief(struct frames_owners *o, uint32_t stack, struct frames_frame *ret)
{
	struct frames_walk walk = frames_of(o->profile, stack);
	enum frames_owner best = FRAMES_BASE;
	struct frames_frame frame;
	bool any = false;

	while (frames_next(&walk, &frame)) {
		enum frames_owner is = frames_owner(o, &frame);

		if (!any || is < best) {
			*ret = frame;
			best = is;
		}
		any = true;
		if (best == FRAMES_OWN)
			break;
	}
	return any;
}

const char *frames_site(struct frames_owners *o, uint32_t stack, char *buffer,
			size_t room)
{
	char name[512], whole[1024];
	const struct profile *p = o->profile;
	struct frames_frame frame;
	const char *file, *shown;

	if (!frames_chief(o, stack, &frame)) {
		snprintf(buffer, room, "(no stack)");
		return buffer;
	}
	shown = frames_short_name(frames_name(p, &frame, whole, sizeof(whole)), name,
				  sizeof(name));
	file = frame.code ? strings_get(&p->strings, frame.code->file) : "";
	if (*file && frame.code->line)
		snprintf(buffer, room, "%s (%s:%u)", shown, frames_base(file),
			 frame.code->line);
	else
		snprintf(buffer, room, "%s", shown);
	return buffer;
}

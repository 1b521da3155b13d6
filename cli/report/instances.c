#include "cli/report/instances.h"

#include "cli/report/frames.h"

#include <errno.h>
#include <string.h>

enum caller { /* bits of a call's value */
	      BY_CLASS = 1,
	      BY_OTHERS = 2,
};

static const char generic[] = "PyType_GenericAlloc";
/* Which calls that, or a copy of it that has no name: Debian's 3.14 has one. */
static const char new[] = "PyType_GenericNew";

/* What makes objects without it: one of these shares what it calls, if that is for all
 * objects. Others, as PySet_New(), have it inlined. */
static const char *const others[] = {
	"PyObject_GC_", "PyObject_New", "PyObject_Malloc", "PyObject_Calloc",
	"PyList_",	"PyTuple_",	"PyDict_",	   "PyUnicode_",
	"PyBytes_",	"PyLong_",	"PyFloat_",	   "PyCode_",
};

static bool is_other(const char *name)
{
	name += *name == '_';
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		if (!strncmp(name, others[i], strlen(others[i])))
			return true;
	return false;
}

static struct table_key call_of(const struct profile *p, uint32_t stack)
{
	const struct profile_stack *s = &p->stacks[stack];

	return (struct table_key){s->module, s->pc};
}

/* Of the node around the innermost one; 0: a Python frame, or one without a name. */
static unsigned caller_of(const struct profile *p, uint32_t stack)
{
	uint32_t parent = p->stacks[stack].parent;
	struct frames_walk walk = frames_of(p, parent);
	struct frames_frame frame;
	unsigned by = 0;

	while (walk.stack == parent && frames_next(&walk, &frame)) {
		const char *name;

		if (frames_is_python(p, frame.stack->module) || !frame.code)
			return 0;
		name = strings_get(&p->strings, frame.code->function);
		if (!strcmp(name, generic) || !strcmp(name, new))
			return BY_CLASS;
		if (is_other(name))
			by = BY_OTHERS;
	}
	return by;
}

int instances_init(struct instances *n, const struct profile *p)
{
	for (size_t i = 0; i < p->site_count; i++) {
		uint32_t stack = p->sites[i].stack;
		unsigned by = stack < p->stack_count ? caller_of(p, stack) : 0;
		uint64_t *value;

		if (!by)
			continue;
		value = table_put(&n->calls, call_of(p, stack), NULL);
		if (!value)
			return -ENOMEM;
		*value |= by;
	}
	return 0;
}

void instances_done(struct instances *n)
{
	table_done(&n->calls);
}

bool instances_has(const struct instances *n, const struct profile *p, uint32_t stack)
{
	struct frames_walk walk = frames_of(p, stack);
	struct frames_frame frame;
	const uint64_t *by = NULL;

	if (stack < p->stack_count)
		by = table_get(&n->calls, call_of(p, stack));
	if (by && *by == BY_CLASS)
		return true;
	while (frames_next(&walk, &frame)) {
		if (frames_is_python(p, frame.stack->module))
			return false;
		if (frame.code &&
		    !strcmp(strings_get(&p->strings, frame.code->function), generic))
			return true;
	}
	return false;
}

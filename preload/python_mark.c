#include "preload/python_mark.h"

#include "preload/session.h"

#include <string.h>

enum { FILE_INPUT = 257 }; /* Py_file_input */

static struct {
	int (*add_pending)(int (*)(void *), void *);
	void *(*run)(const char *, int, void *, void *, void *);
	void *(*dict)(void);
	int (*set)(void *, const char *, void *);
	void *(*builtins)(void);
	void (*release)(void *);
	void (*clear)(void);
	_Atomic bool done;
} python_calls;

static const char text[] =
	"import builtins, sys\n"
	"def profile(function=None, *args, **more):\n"
	"    return function if callable(function) else (lambda f: f)\n"
	"class Finder:\n"
	"    @staticmethod\n"
	"    def find_spec(name, path=None, target=None):\n"
	"        if name == 'memory_profiler':\n"
	"            from importlib.machinery import ModuleSpec\n"
	"            return ModuleSpec(name, Finder)\n"
	"    @staticmethod\n"
	"    def create_module(spec):\n"
	"        return None\n"
	"    @staticmethod\n"
	"    def exec_module(module):\n"
	"        module.profile = profile\n"
	"if not hasattr(builtins, 'profile'):\n"
	"    builtins.profile = profile\n"
	"sys.meta_path.append(Finder)\n";

/* Called by the interpreter, between two instructions of its main thread. */
static int make(void *unused)
{
	void *names = python_calls.dict(), *result;

	(void)unused;
	if (!names)
		return -1;
	python_calls.set(names, "__builtins__", python_calls.builtins());
	result = python_calls.run(text, FILE_INPUT, names, names, NULL);
	if (result)
		python_calls.release(result);
	else
		python_calls.clear();
	python_calls.release(names);
	return 0;
}

static void find(const struct dynsym *d, const char *name, void *ret)
{
	uintptr_t at = dynsym_find(d, name);

	memcpy(ret, &at, sizeof(at));
}

void python_mark_init(const struct dynsym *d)
{
	if (!(session.flags & WIRE_MARKS))
		return;
	find(d, "Py_AddPendingCall", &python_calls.add_pending);
	find(d, "PyRun_StringFlags", &python_calls.run);
	find(d, "PyDict_New", &python_calls.dict);
	find(d, "PyDict_SetItemString", &python_calls.set);
	find(d, "PyEval_GetBuiltins", &python_calls.builtins);
	find(d, "Py_DecRef", &python_calls.release);
	find(d, "PyErr_Clear", &python_calls.clear);
}

void python_mark_met(const unsigned char *file, size_t len)
{
	if (!(session.flags & WIRE_MARKS) || !memmem(file, len, "codecs", 6) ||
	    !python_calls.add_pending || !python_calls.run || !python_calls.dict ||
	    !python_calls.set || !python_calls.builtins || !python_calls.release ||
	    !python_calls.clear ||
	    atomic_exchange_explicit(&python_calls.done, true, memory_order_relaxed))
		return;
	python_calls.add_pending(make, NULL);
}

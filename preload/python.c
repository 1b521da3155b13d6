#include "preload/python.h"

#include "preload/modules.h"
#include "preload/probe.h"
#include "preload/python_code.h"
#include "preload/python_getter.h"
#include "preload/python_loop.h"
#include "preload/python_mark.h"
#include "preload/session.h"
#include "preload/sys.h"

#include <pthread.h>
#include <string.h>

enum {
	CHECKS = 64, /* walks that are checked, of threads that run Python */
	CHECKED_FRAMES = 1 << 16,
	OWNER_LAST = 4,
	OWNER_LOOP = 3, /* from here on: no code runs in it */
	TYPE_AT = 8,
	SIZE_AT = 16,
	BASIC_SIZE_AT = 32, /* of a type, since 2.x */
	FLOAT_BYTES = 24,   /* a usual build's: two words, and the number */
	DEBUG_WORDS = 48,
};

struct python python;
_Atomic uint32_t python_checks;

static struct {
	_Atomic uint32_t state; /* 0; 1: being looked at; 2: decided */
	_Atomic uint32_t word;	/* as of wire_process.python */
	void *base;
	void (*on_start)(void);
} self;

/* ---- reading ------------------------------------------------------------- */

bool python_read(uintptr_t from, void *to, size_t bytes)
{
	uintptr_t last = from + bytes - 1;

	if (!bytes || last < from)
		return false;
	for (uintptr_t page = from; page <= last; page = (page | (ARCH_PAGE - 1)) + 1)
		if (!probe_readable(page))
			return false;
	memcpy(to, (const void *)from, bytes);
	return true;
}

static bool read_word(uintptr_t at, uintptr_t *ret)
{
	return at % ARCH_WORD == 0 && python_read(at, ret, sizeof(*ret));
}

void python_on_start(void (*function)(void))
{
	self.on_start = function;
}

static void starting(void)
{
	if (self.on_start && python.get_allocator && python.set_allocator)
		self.on_start();
}

/* ---- what became of it --------------------------------------------------- */

static _Atomic uint32_t *said(void)
{
	struct wire_process *own = session_own_slot();

	if (!own && self.base && session_identity)
		own = wire_process(self.base, session_identity->process);
	return own ? &own->python : NULL;
}

static void tell(uint32_t word)
{
	/* relaxed: read after the fact. */
	atomic_store_explicit(&self.word, word, memory_order_relaxed);
	if (said())
		atomic_store_explicit(said(), word, memory_order_relaxed);
}

static void say(uint32_t version, uint32_t why)
{
	tell(WIRE_PYTHON(version, why));
}

void python_has_objects(void)
{
	tell(atomic_load_explicit(&self.word, memory_order_relaxed) |
	     WIRE_PYTHON_OBJECTS);
}

void python_forked(struct wire_process *p)
{
	uint32_t looking = 1;

	/* The parent's thread that looked at it, or closed a module, is not here. */
	if (atomic_compare_exchange_strong(&self.state, &looking, 0)) {
		modules_dlclose_begin();
		modules_dlclose_end(); /* met again in the next generation */
	}
	python_dlclose_end();
	atomic_store_explicit(&p->python,
			      atomic_load_explicit(&self.word, memory_order_relaxed),
			      memory_order_relaxed);
}

static _Atomic bool was_on; /* before a dlclose that is under way, or was */

void python_off(uint32_t why)
{
	atomic_store(&was_on, false);
	atomic_store_explicit(&python.on, false, memory_order_relaxed);
	atomic_store_explicit(&self.state, 2, memory_order_relaxed);
	say(python.layout.version, why);
}

/* ---- finding it ---------------------------------------------------------- */

static bool function(const struct dynsym *d, const char *name, void *ret)
{
	uintptr_t at = dynsym_find(d, name);

	if (at)
		memcpy(ret, &at, sizeof(at));
	return at != 0;
}

/* Major and minor; 0: not to be told. */
static uint32_t version_of(const struct dynsym *d)
{
	uintptr_t word = dynsym_find(d, "Py_Version");
	const char *(*get)(void) = NULL;
	uint32_t major = 0, minor = 0;
	const char *text;

	if (word) /* 3.11 and later: the number, which runs no code */
		return *(const uint32_t *)word >> 16;
	if (!function(d, "Py_GetVersion", &get) || !(text = get()))
		return 0;
	for (; *text >= '0' && *text <= '9' && major < 100; text++)
		major = major * 10 + (uint32_t)(*text - '0');
	for (text += *text == '.'; *text >= '0' && *text <= '9' && minor < 100; text++)
		minor = minor * 10 + (uint32_t)(*text - '0');
	return major << 8 | minor;
}

static bool take_symbols(const struct dynsym *d)
{
	python.type_code = dynsym_find(d, "PyCode_Type");
	python.type_bytes = dynsym_find(d, "PyBytes_Type");
	python.type_text = dynsym_find(d, "PyUnicode_Type");
	python.type_int = dynsym_find(d, "PyLong_Type");
	python.type_float = dynsym_find(d, "PyFloat_Type");
	python.type_complex = dynsym_find(d, "PyComplex_Type");
	function(d, "PyInterpreterState_Head", &python.interpreter_head);
	function(d, "PyInterpreterState_Main", &python.interpreter_main);
	function(d, "PyMem_GetAllocator", &python.get_allocator);
	function(d, "PyMem_SetAllocator", &python.set_allocator);
	function(d, "PyObject_GetArenaAllocator", &python.get_arenas);
	function(d, "PyObject_SetArenaAllocator", &python.set_arenas);
	return python.type_code && python.type_bytes && python.type_text &&
	       function(d, "PyGILState_GetThisThreadState", &python.gil_state) &&
	       (function(d, "PyThreadState_GetUnchecked", &python.current_state) ||
		function(d, "_PyThreadState_UncheckedGet", &python.current_state)) &&
	       (function(d, "Py_IsFinalizing", &python.is_finalizing) ||
		function(d, "_Py_IsFinalizing", &python.is_finalizing)) &&
	       dynsym_is_writable(d, python.type_code, 256);
}

/* What is asked at each event, and takes no more than a look. */
static void find_words(const struct dynsym *d)
{
	uintptr_t runtime = dynsym_find(d, "_PyRuntime");
	const unsigned char *current, *finalizing;

	memcpy(&current, &python.current_state, sizeof(current));
	memcpy(&finalizing, &python.is_finalizing, sizeof(finalizing));
	python.current_word = python_getter_word(current, runtime, false);
	python.finalizing_word = python_getter_word(finalizing, runtime, true);
}

/* An object of a usual build begins with its count and its type, and nothing else. */
static bool is_usual_build(const struct dynsym *d)
{
	uintptr_t type = dynsym_find(d, "PyFloat_Type"), size = 0;

	return type && read_word(type + BASIC_SIZE_AT, &size) && size == FLOAT_BYTES;
}

/*
 * From 3.13 on an interpreter says itself where its fields are. What it says of frames
 * must be what the table says: a build that differs is none that we know.
 *
 *	cookie, version, free-threaded (3 words) | runtime | interpreter | thread state
 *	(size, prev, next, interp, current_frame, ...) | frame (size, previous,
 *	executable, instr_ptr, localsplus, owner, ...)
 */
static bool agrees_with_itself(const struct dynsym *d)
{
	const struct python_layout *l = &python.layout;
	uintptr_t runtime = dynsym_find(d, "_PyRuntime");
	uint64_t word[DEBUG_WORDS], *state, *frame;
	size_t interpreter = l->version == 0x30d ? 13 : 16;
	size_t thread = l->version < 0x30f ? 9 : 17; /* with an exception's */

	if (l->version < 0x30d)
		return true;
	if (!runtime || !python_read(runtime, word, sizeof(word)) ||
	    memcmp(word, "xdebugpy", 8) != 0 || word[1] >> 16 != l->version || word[2])
		return false;
	state = word + 3 + 3 + interpreter;
	frame = state + thread;
	return state[4] == (uint64_t)l->state_frame &&
	       frame[1] == (uint64_t)l->frame_outside &&
	       frame[2] == (uint64_t)l->frame_code &&
	       frame[3] == (uint64_t)l->frame_at &&
	       frame[5] == (uint64_t)l->frame_owner;
}

static uint32_t look(const struct dynsym *d, uint32_t version)
{
	size_t i = 0, count = sizeof(python_layouts) / sizeof(*python_layouts);

	while (i < count && python_layouts[i].version != version)
		i++;
	if (i == count)
		return WIRE_PYTHON_NEW;
	python.layout = python_layouts[i];
	if (!take_symbols(d))
		return WIRE_PYTHON_SYMBOLS;
	if (!is_usual_build(d) || !agrees_with_itself(d))
		return WIRE_PYTHON_BUILD;
	find_words(d);
	return python_code_init(self.base) < 0 ? WIRE_PYTHON_MEMORY : WIRE_PYTHON_ON;
}

/* The only one to look. */
static void meet(void *base, const struct dynsym *d)
{
	uint32_t version, why;

	self.base = base;
	atomic_store_explicit(&python_checks, CHECKS, memory_order_relaxed);
	version = version_of(d);
	why = look(d, version);
	python.layout.version = (uint16_t)version;
	if (why == WIRE_PYTHON_ON) {
		python_code_watch();
		python_mark_init(d);
		python_loop_init(base, dynsym_find(d, "_PyEval_EvalFrameDefault"));
	}
	say(version, why);
	atomic_store_explicit(&self.state, 2, memory_order_relaxed);
	if (why != WIRE_PYTHON_ON)
		return;
	/* release: pairs with python_is_on(). */
	atomic_store_explicit(&python.on, true, memory_order_release);
	starting();
}

void python_meet(void *base, const struct dynsym *d)
{
	uint32_t none = 0;
	uint64_t signals;

	if (session.flags & WIRE_NATIVE_ONLY || !dynsym_find(d, "Py_GetVersion") ||
	    !dynsym_find(d, "PyCode_Type"))
		return;
	/* A handler that jumped out of this would leave it at that. */
	sys_signals_block(&signals);
	/* The first interpreter is the one: two in a process are not known to exist. */
	if (atomic_compare_exchange_strong_explicit(
		    &self.state, &none, 1, memory_order_acquire, memory_order_relaxed))
		meet(base, d);
	sys_signals_restore(&signals);
}

/* Behind modules_dlclose_begin(). */
void python_dlclose_begin(void)
{
	if (atomic_exchange(&python.on, false))
		atomic_store(&was_on, true);
}

/* Behind modules_dlclose_end(). While another one is under way, its own end will do; one
 * that has just begun says so before it switches this off. */
void python_dlclose_end(void)
{
	if (!atomic_load(&was_on) || atomic_load(&modules_clock.closing) ||
	    !modules_has(python.type_code))
		return;
	atomic_store(&python.on, true);
	if (atomic_load(&modules_clock.closing))
		atomic_store(&python.on, false);
}

/* ---- the thread's state -------------------------------------------------- */

/* Up to 3.11 the state by thread is the one that the thread had first; with several
 * interpreters the one that holds the lock may be this thread's, or another's. That
 * one may go at any time. */
static uintptr_t state_of_several(uintptr_t own)
{
	uintptr_t holder = (uintptr_t)python.current_state();
	uintptr_t thread = 0;

	if (holder && holder != own &&
	    read_word(holder + (uintptr_t)python.layout.state_thread, &thread) &&
	    thread == (uintptr_t)pthread_self())
		return holder;
	return own;
}

uintptr_t python_state(void)
{
	uintptr_t own = (uintptr_t)python.gil_state();
	uintptr_t current;

	if (__builtin_expect(
		    !atomic_load_explicit(&python.started, memory_order_relaxed), 0))
		starting();
	if (!own || python_finalizes())
		return 0;
	if (python.layout.version >= 0x30c) {
		/* The thread's own; none while it has let the lock go. */
		current = (uintptr_t)python.current_state();
		return current ? current : own;
	}
	if (python.interpreter_head && python.interpreter_main &&
	    python.interpreter_head() != python.interpreter_main())
		return state_of_several(own);
	return own;
}

uintptr_t python_state_locked(void)
{
	if (__builtin_expect(
		    !atomic_load_explicit(&python.started, memory_order_relaxed), 0))
		return python_state();
	return python_state_settled();
}

/* ---- is it what we think? ------------------------------------------------ */

/* Whether a frame's instruction is in its code. */
static bool is_inside(uintptr_t frame, uintptr_t code)
{
	const struct python_layout *l = &python.layout;
	uintptr_t at = 0, size = 0, bytes = 0, type = 0;
	int32_t index = 0;

	if (l->code_start >= 0) {
		uintptr_t start = code + (uintptr_t)l->code_start;

		/* One unit before the first: it has not begun. */
		return read_word(frame + (uintptr_t)l->frame_at, &at) &&
		       read_word(code + SIZE_AT, &size) && size < 1u << 28 &&
		       (!at || at - (start - 2) <= 2 * size);
	}
	return python_read(frame + (uintptr_t)l->frame_at, &index, sizeof(index)) &&
	       read_word(code + (uintptr_t)l->code_bytes, &bytes) &&
	       read_word(bytes + TYPE_AT, &type) && type == python.type_bytes &&
	       read_word(bytes + SIZE_AT, &size) && index >= -1 &&
	       (uintptr_t)(index + 1) <= size;
}

/* Whether a frame is one; *ret_outside is the next. */
static bool check_frame(uintptr_t frame, uintptr_t *ret_outside)
{
	const struct python_layout *l = &python.layout;
	uintptr_t code = 0, type = 0;
	unsigned char owner = 0;

	if (!read_word(frame + (uintptr_t)l->frame_outside, ret_outside) ||
	    (l->frame_owner >= 0 &&
	     !python_read(frame + (uintptr_t)l->frame_owner, &owner, 1)) ||
	    owner > OWNER_LAST)
		return false;
	if (l->version >= 0x30c && owner >= OWNER_LOOP)
		return true;
	return read_word(frame + (uintptr_t)l->frame_code, &code) &&
	       read_word((code & ~7ul) + TYPE_AT, &type) && type == python.type_code &&
	       is_inside(frame, code & ~7ul);
}

/* The innermost frame. */
static bool first_frame(uintptr_t state, uintptr_t *ret)
{
	const struct python_layout *l = &python.layout;

	if (!read_word(state + (uintptr_t)l->state_frame, ret))
		return false;
	return l->link_frame < 0 ||
	       (*ret && read_word(*ret + (uintptr_t)l->link_frame, ret));
}

bool python_check_slowly(uintptr_t state)
{
	uint32_t left = atomic_load_explicit(&python_checks, memory_order_relaxed);
	uintptr_t frame = 0, outside = 0;
	size_t n = 0;
	bool ok;

	if (!left)
		return true;
	ok = first_frame(state, &frame);
	for (; ok && frame && n <= CHECKED_FRAMES; frame = outside, n++)
		ok = check_frame(frame, &outside);
	if (!ok || n > CHECKED_FRAMES) {
		python_off(WIRE_PYTHON_CHECK);
		return false;
	}
	/* relaxed: one more or less. */
	if (n)
		atomic_compare_exchange_strong_explicit(&python_checks, &left, left - 1,
							memory_order_relaxed,
							memory_order_relaxed);
	return true;
}

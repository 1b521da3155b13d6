/*
 * python.h - the CPython in this process: found, told apart by version, and trusted
 * only once its frames were seen to lie where they should.
 *
 * No header of Python's is needed and nothing of it is linked. When the unwinder meets
 * a module for the first time (modules.c), its exported symbols are looked at; whatever
 * allocates from Python has the interpreter on its stack, so an interpreter that was
 * loaded late is met as well, by whatever name it was loaded. The layouts of 3.8 to
 * 3.15 are in a table. The first walks check every step (python_check()): code objects
 * are of the type that the interpreter exports, instructions are inside of them, the
 * chain ends. Whatever is unknown or fails switches Python's frames off for good in
 * this process; native stacks stay. The process's slot says what became of it.
 *
 * Everything here runs inside malloc(), with or without the GIL: it reads this thread's
 * own state, which nobody else frees or changes, and never calls what could allocate.
 */
#pragma once

#include "preload/dynsym.h"
#include "preload/hidden.h"
#include "preload/python_layout.h"
#include "preload/wire.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct python {
	/* Whether frames are to be recorded. A thread that sees it (acquire) sees the
	 * rest, which is constant then. */
	_Atomic bool on;
	struct python_layout layout;
	uintptr_t type_code, type_bytes, type_text;
	uintptr_t type_int, type_float, type_complex; /* or 0 */
	void *(*gil_state)(void);     /* PyGILState_GetThisThreadState */
	void *(*current_state)(void); /* _PyThreadState_UncheckedGet, ... */
	int (*is_finalizing)(void);
	/* What the latter two read and nothing else, where that was found out. */
	const uintptr_t *current_word, *finalizing_word;
	void *(*interpreter_head)(void), *(*interpreter_main)(void);
	/* PyMem_GetAllocator, PyMem_SetAllocator; both there or none. */
	void (*get_allocator)(int, void *), (*set_allocator)(int, void *);
	/* PyObject_GetArenaAllocator, PyObject_SetArenaAllocator; likewise. */
	void (*get_arenas)(void *), (*set_arenas)(void *);
	_Atomic bool started; /* it has run code */
};

extern HIDDEN struct python python;

static inline bool python_is_on(void)
{
	/* acquire: pairs with what switched it on. */
	return atomic_load_explicit(&python.on, memory_order_acquire);
}

/* Called when an interpreter was found, and until it has run its first code: inside of
 * a hook. */
void python_on_start(void (*function)(void));

/* In a fork child: its slot says what its parent's did. */
void python_forked(struct wire_process *p);

/* To be told of: the interpreter's object allocators are recorded. */
void python_has_objects(void);

/* A module was met: is it an interpreter? base: the session's mapping. */
void python_meet(void *base, const struct dynsym *d);

/* Before and after the real dlclose(): the interpreter may go. */
void python_dlclose_begin(void);
void python_dlclose_end(void);

/* Frames are switched off for good; why: enum wire_python. */
void python_off(uint32_t why);

/* This thread's state, or 0: it runs no Python, or the interpreter is being taken
 * down. */
uintptr_t python_state(void);

/* The same of a thread that holds the interpreter's lock, of whatever interpreter. */
uintptr_t python_state_locked(void);

static inline bool python_finalizes(void)
{
	if (__builtin_expect(python.finalizing_word != NULL, 1))
		return *(const volatile uintptr_t *)python.finalizing_word;
	return python.is_finalizing();
}

/* The same once code has run. */
static inline uintptr_t python_state_settled(void)
{
	uintptr_t state;

	if (__builtin_expect(python.current_word != NULL, 1))
		state = *(const volatile uintptr_t *)python.current_word;
	else
		state = (uintptr_t)python.current_state();
	return python_finalizes() ? 0 : state;
}

/* Reads memory that may not be there: false, and nothing of it is used. */
bool python_read(uintptr_t from, void *to, size_t bytes);

/* Looks at the frames of a thread state with python_read() alone, for as many first
 * walks as it takes to believe the layout. False: they are not as they should be, and
 * Python's frames are off. */
bool python_check_slowly(uintptr_t state);

extern HIDDEN _Atomic uint32_t python_checks; /* walks to be looked at */

static inline bool python_check(uintptr_t state)
{
	/* relaxed: one more or less. */
	return __builtin_expect(
		       !atomic_load_explicit(&python_checks, memory_order_relaxed),
		       1) ||
	       python_check_slowly(state);
}

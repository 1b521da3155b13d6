/*
 * fake_python.c - exports what an interpreter does, and is none: of a version, a build
 * (FAKE_BASIC_SIZE) or with frames (FAKE_STATE) that nobody may believe. It allocates a
 * block of 4321 bytes, so that it is met.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#ifndef FAKE_VERSION
#define FAKE_VERSION 0x030b02f0
#endif
#ifndef FAKE_BASIC_SIZE
#define FAKE_BASIC_SIZE 24
#endif
#ifndef FAKE_STATE
#define FAKE_STATE 0
#endif
#define EXPORT __attribute__((visibility("default"), used))

struct type {
	uintptr_t count, type, size;
	const char *name;
	uintptr_t basic_size, item_size, dealloc, rest[57];
};

EXPORT const unsigned long Py_Version = FAKE_VERSION;
EXPORT struct type PyCode_Type, PyBytes_Type, PyUnicode_Type;
EXPORT struct type PyFloat_Type = {.basic_size = FAKE_BASIC_SIZE};
EXPORT uintptr_t fake_state[64] = {[0 ... 63] = 0x7f0000001000};
EXPORT const char *Py_GetVersion(void);
EXPORT void *PyGILState_GetThisThreadState(void);
EXPORT void *_PyThreadState_UncheckedGet(void);
EXPORT int _Py_IsFinalizing(void);
EXPORT int fake_run(void);

const char *Py_GetVersion(void)
{
	return "3.11.2 (fake)";
}

void *PyGILState_GetThisThreadState(void)
{
	return FAKE_STATE == 1 ? (void *)0x1000 : fake_state;
}

void *_PyThreadState_UncheckedGet(void)
{
	return PyGILState_GetThisThreadState();
}

int _Py_IsFinalizing(void)
{
	return 0;
}

int fake_run(void)
{
	/* Twice: whoever met it by the first looks at its frames by the second. */
	free(malloc(4321));
	printf("%p\n", malloc(4321));
	return 0;
}

#ifdef FAKE_MAIN
int main(void)
{
	return fake_run();
}
#endif

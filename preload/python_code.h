/*
 * python_code.h - code objects become small numbers, and their texts go to shared
 * memory.
 *
 * At first sight, while a frame keeps a code object alive, its file, name, first line
 * and line table are copied into the wire (wire_code); objects with the same contents,
 * as those of a text that is executed again and again, share a number. From then on its
 * address leads to the number, until the object dies: the type's dealloc slot, which
 * belongs to the interpreter's data, leads through python_code_watch()'s. Without that,
 * the next code object at the same address would be taken for the old one.
 *
 * Code that was made of a text ("<string>", as of exec) belongs to who executes it: its
 * file is that of the caller, and behind it the name:
 *
 *	/usr/lib/python3.11/dataclasses.py <string>
 *
 * The code of such a text's functions is among the constants of the text's own. What was
 * typed in belongs to nobody else ("<stdin>", a notebook's cells), and keeps its name.
 *
 * Any thread, any time; no lock.
 */
#pragma once

#include "preload/hidden.h"

#include <stdatomic.h>
#include <stdint.h>

/* base: the session's mapping. 0 or -ENOMEM. */
int python_code_init(void *base);

/* From here on the ends of code objects are seen. */
void python_code_watch(void);

/* Grows when an address stopped to mean what it did. */
extern HIDDEN _Atomic uint32_t python_code_epoch;

/* The number of the code object at the address; 0: it is none, it is going, or there is
 * no room for more. outside: the number of the code that calls it, 0: none does. */
uint32_t python_code_id(uintptr_t code, uint32_t outside);

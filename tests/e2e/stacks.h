/*
 * stacks.h - the parts of the stacks test: programs whose stacks unwind_stack() and
 * libunwind must see alike.
 */
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

/* Plays the hook: compares the stack above it. */
void check(void);

/* As check(), and the innermost interrupted frame is nowhere in a module. */
extern void (*volatile check_pointer)(void);

void cxx_exceptions(void); /* check() in destructors, handlers, nested throws */
/* Without check(), to be stopped anywhere. */
void cxx_churn(void); /* maps, strings, streams */
void cxx_throws(void);

#ifdef __cplusplus
}
#endif

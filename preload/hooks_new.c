/*
 * hooks_new.c - C++'s operators new and delete. Of the shim's second form alone,
 * libheapline-cxx.so, for allocators that bring operators of their own (jemalloc,
 * tcmalloc, mimalloc): those reach no malloc. libstdc++'s and libc++'s do, and are just
 * passed on to. It is a form of its own since a hook answers for all: also for libraries
 * that were loaded apart (RTLD_LOCAL), whose own operators are then to be found first.
 *
 * Names and parameters as of the Itanium C++ ABI; a parameter that an operator does not
 * have is passed on as it came, in its register.
 */
#include "preload/block.h"
#include "preload/real.h"
#include "preload/sample.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#define HOOK __attribute__((visibility("default")))

typedef void *new_function(size_t size, size_t b, size_t c);
typedef void delete_function(void *p, size_t b, size_t c);

/* Of a look-up in vain, for the program's next dlerror(): the second call frees it. */
static void forget_message(void)
{
	while (dlerror())
		continue;
}

/* What is found from an object that is loaded already: in it and what it needs. */
static void *of_object(const char *file, const char *name)
{
	void *handle = dlopen(file, RTLD_LAZY | RTLD_NOLOAD), *found;

	if (!handle)
		return NULL;
	found = dlsym(handle, name);
	real.dlclose(handle);
	return found && !real_is_one_object(found, &real) ? found : NULL;
}

/* As the loader would have bound the caller's object without us. Of a call that was its
 * caller's last act nothing tells the object: then it is the usual library's. */
static void *of_caller(const char *name, const void *caller)
{
	static const char *const usual[] = {"libstdc++.so.6", "libc++.so.1"};
	void *found = NULL;
	Dl_info at;

	if (!real_init())
		return NULL;
	if (dladdr(caller, &at) && at.dli_fname)
		found = of_object(at.dli_fname, name);
	for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]) && !found; i++)
		found = of_object(usual[i], name);
	if (!found)
		forget_message();
	return found;
}

struct cxx_operator {
	const char *name;
	void *_Atomic all; /* what is called by who is in nobody's own scope */
	_Atomic bool looked_up;
	bool reaches_no_malloc; /* it is the allocator's own */
};

static void look_up(struct cxx_operator *o)
{
	void *found = dlsym(RTLD_NEXT, o->name);

	if (!found)
		forget_message();
	o->reaches_no_malloc = found && real_init() &&
			       real_is_one_object(found, (const void *)real.malloc);
	/* release: pairs with next()'s acquire. Whoever looks finds the same. */
	atomic_store_explicit(&o->all, found, memory_order_relaxed);
	atomic_store_explicit(&o->looked_up, true, memory_order_release);
}

/* The operator that the caller would have called. What the loader allocates to tell is
 * part of the hook, and not recorded. */
static void *next(struct cxx_operator *o, struct hook_call call)
{
	struct hook h;
	void *found;
	bool entered;

	if (__builtin_expect(!atomic_load_explicit(&o->looked_up, memory_order_acquire),
			     0))
		look_up(o);
	found = atomic_load_explicit(&o->all, memory_order_relaxed);
	if (__builtin_expect(found != NULL, 1))
		return found;
	entered = hook_enter(&h, call);
	found = of_caller(o->name, (const void *)call.pc);
	if (entered)
		hook_leave(&h);
	return found;
}

/* Behind it, not around it: what it allocates to throw is the program's. */
static inline void *made(struct hook_call call, void *p, size_t size)
{
	struct hook h;

	if (sample_skips(size) || !hook_enter(&h, call))
		return p;
	return block_allocated(&h, p, size);
}

static inline void ends(struct hook_call call, const struct cxx_operator *o, void *p)
{
	struct hook h;

	if (!p || !o->reaches_no_malloc || sample_skips_free(p) ||
	    !hook_enter(&h, call))
		return;
	block_freeing(&h, p);
	hook_leave(&h);
}

/* X(name): all of them. */
#define ALL_NEW(X)                                                                     \
	X(_Znwm)                                                                       \
	X(_Znam)                                                                       \
	X(_ZnwmRKSt9nothrow_t)                                                         \
	X(_ZnamRKSt9nothrow_t)                                                         \
	X(_ZnwmSt11align_val_t)                                                        \
	X(_ZnamSt11align_val_t)                                                        \
	X(_ZnwmSt11align_val_tRKSt9nothrow_t)                                          \
	X(_ZnamSt11align_val_tRKSt9nothrow_t)

#define ALL_DELETE(X)                                                                  \
	X(_ZdlPv)                                                                      \
	X(_ZdaPv)                                                                      \
	X(_ZdlPvm)                                                                     \
	X(_ZdaPvm)                                                                     \
	X(_ZdlPvRKSt9nothrow_t)                                                        \
	X(_ZdaPvRKSt9nothrow_t)                                                        \
	X(_ZdlPvSt11align_val_t)                                                       \
	X(_ZdaPvSt11align_val_t)                                                       \
	X(_ZdlPvmSt11align_val_t)                                                      \
	X(_ZdaPvmSt11align_val_t)                                                      \
	X(_ZdlPvSt11align_val_tRKSt9nothrow_t)                                         \
	X(_ZdaPvSt11align_val_tRKSt9nothrow_t)

#define NUMBER(name) AT##name,
enum { ALL_NEW(NUMBER) ALL_DELETE(NUMBER) OPERATORS };

#define ENTRY(symbol) [AT##symbol] = {.name = #symbol},
static struct cxx_operator operators[OPERATORS] = {ALL_NEW(ENTRY) ALL_DELETE(ENTRY)};

void hooks_new_init(void)
{
	struct hook h;
	bool entered = hook_enter(&h, HOOK_CALL); /* as in next() */

	for (size_t i = 0; i < OPERATORS; i++)
		look_up(&operators[i]);
	if (entered)
		hook_leave(&h);
}

/* Where none is to be found (in a plugin's own libstdc++, by its caller's last act): they
 * do no more, but for an end of memory. */
static void *plain_new(const struct cxx_operator *o, size_t size, size_t b)
{
	return strstr(o->name, "align_val_t") ? aligned_alloc(b, size)
					      : malloc(size ? size : 1);
}

#define NEW(name)                                                                      \
	HOOK void *name(size_t size, size_t b, size_t c);                              \
	HOOK void *name(size_t size, size_t b, size_t c)                               \
	{                                                                              \
		struct cxx_operator *o = &operators[AT##name];                         \
		new_function *real_one = next(o, HOOK_CALL);                           \
                                                                                       \
		if (!real_one)                                                         \
			return plain_new(o, size, b);                                  \
		if (!o->reaches_no_malloc)                                             \
			return real_one(size, b, c);                                   \
		return made(HOOK_CALL, real_one(size, b, c), size);                    \
	}

#define DELETE(name)                                                                   \
	HOOK void name(void *p, size_t b, size_t c);                                   \
	HOOK void name(void *p, size_t b, size_t c)                                    \
	{                                                                              \
		struct cxx_operator *o = &operators[AT##name];                         \
		delete_function *real_one = next(o, HOOK_CALL);                        \
                                                                                       \
		ends(HOOK_CALL, o, p);                                                 \
		if (real_one)                                                          \
			real_one(p, b, c);                                             \
		else                                                                   \
			free(p);                                                       \
	}

ALL_NEW(NEW)
ALL_DELETE(DELETE)

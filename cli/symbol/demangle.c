#include "cli/symbol/demangle.h"

#include "cli/base/cleanup.h"

#include <libiberty/demangle.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdbool.h>
#include <string.h>

/* Parameter types, and no Rust hashes. */
#define OPTIONS (DMGL_PARAMS | DMGL_ANSI)

/* libiberty's own bound of recursion is 2 * length, and refuses the long names that
 * real templates have. Above this length we lift it and give the parser a stack that
 * DEMANGLE_MAX_IN cannot exhaust: about 1 KiB per byte of name is seen at worst. */
#define SHORT_NAME 1000
#define LONG_NAME_STACK ((size_t)DEMANGLE_MAX_IN * 4096)

struct job {
	const char *linkage;
	int options;
	char *text;
	size_t len, room;
	bool ok;
	jmp_buf give_up;
};

/*
 * A name of a few hundred bytes can stand for terabytes. The demanglers cannot be
 * stopped by their callback, so it jumps out: they hold all they have in frames of the
 * stack (but for Rust's punycode buffer, which is small and leaks).
 */
static void take(const char *piece, size_t len, void *opaque)
{
	struct job *j = opaque;

	if (len >= j->room - j->len) {
		size_t room = j->room;
		char *grown;

		while (room <= DEMANGLE_MAX_OUT && len >= room - j->len)
			room *= 2;
		grown = room <= DEMANGLE_MAX_OUT ? realloc(j->text, room) : NULL;
		if (!grown)
			longjmp(j->give_up, 1);
		j->text = grown;
		j->room = room;
	}
	memcpy(j->text + j->len, piece, len);
	j->len += len;
}

/* Rust's first mangling is a C++ name that ends in a hash: _ZN4core3fmt17h...E. */
static bool may_be_rust(const char *name)
{
	return !strncmp(name, "_R", 2) ||
	       (!strncmp(name, "_ZN", 3) && strstr(name, "17h"));
}

static bool with(struct job *j,
		 int (*demangler)(const char *, int, demangle_callbackref, void *))
{
	j->len = 0;
	return demangler(j->linkage, j->options, take, j) && j->len;
}

static void *work(void *arg)
{
	struct job *j = arg;

	if (setjmp(j->give_up))
		return NULL;
	j->ok = (may_be_rust(j->linkage) && with(j, rust_demangle_callback)) ||
		(!strncmp(j->linkage, "_Z", 2) &&
		 with(j, cplus_demangle_v3_callback));
	return NULL;
}

static void work_on_large_stack(struct job *j)
{
	pthread_attr_t attr;
	pthread_t thread;

	if (pthread_attr_init(&attr))
		return;
	if (!pthread_attr_setstacksize(&attr, LONG_NAME_STACK) &&
	    !pthread_create(&thread, &attr, work, j))
		pthread_join(thread, NULL);
	pthread_attr_destroy(&attr);
}

char *demangle(const char *linkage)
{
	struct job j = {.linkage = linkage, .options = OPTIONS, .room = 256};
	size_t len = strnlen(linkage, DEMANGLE_MAX_IN + 1);

	if (linkage[0] != '_' || len > DEMANGLE_MAX_IN)
		return NULL;
	j.text = malloc(j.room);
	if (!j.text)
		return NULL;
	if (len > SHORT_NAME) {
		j.options |= DMGL_NO_RECURSE_LIMIT;
		work_on_large_stack(&j);
	} else {
		work(&j);
	}
	if (!j.ok) {
		free(j.text);
		return NULL;
	}
	j.text[j.len] = '\0';
	return j.text;
}

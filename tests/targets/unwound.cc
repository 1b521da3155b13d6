/*
 * unwound.cc - allocates from stacks of many kinds, and says by libgcc's own unwinder
 * which they were: "BYTES FUNCTION < FUNCTION < ...", the innermost first, as far as
 * the program's functions have names for the loader (-rdynamic).
 */
#include <alloca.h>
#include <dlfcn.h>
#include <execinfo.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <map>
#include <stdexcept>
#include <string>
#include <thread>

#define PLACE extern "C" __attribute__((noipa))

enum { FRAMES = 512, STACKS = 4096 };

static struct {
	char *chain;
	unsigned long bytes;
} said[STACKS];
static size_t count;
static char text[1 << 22];
static size_t used;

static void put(const char *chain, size_t bytes)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(said[i].chain, chain)) {
			said[i].bytes += bytes;
			return;
		}
	if (count == STACKS || used + strlen(chain) + 1 > sizeof(text))
		abort();
	said[count].chain = strcpy(text + used, chain);
	said[count++].bytes = bytes;
	used += strlen(chain) + 1;
}

/* The allocation, and what the stack was at it, by libgcc. */
PLACE void place(size_t bytes)
{
	static void *frames[FRAMES];
	static char chain[FRAMES * 32];
	void *volatile p = malloc(bytes);
	int n = backtrace(frames, FRAMES);
	size_t at = 0;

	for (int i = 0; i < n; i++) {
		Dl_info d;

		if (dladdr((char *)frames[i] - 1, &d) && d.dli_sname &&
		    !strncmp(d.dli_sname, "place", 5))
			at += (size_t)snprintf(chain + at, 32, "%s%s", at ? " < " : "",
					       d.dli_sname);
	}
	put(chain, bytes);
	free(p);
}

PLACE int place_deep(int n)
{
	volatile char own[40];

	own[0] = (char)n;
	if (n)
		return place_deep(n - 1) + own[0];
	place(11);
	return own[0];
}

PLACE void place_wide(size_t n)
{
	char *own = (char *)alloca(n);

	memset(own, 1, n);
	place(13 + own[n / 2]);
}

PLACE void place_handler(int)
{
	place(17);
	place_deep(3);
}

PLACE int place_compare(const void *a, const void *b)
{
	place(19);
	return *(const int *)a - *(const int *)b;
}

struct place_guard {
	__attribute__((noipa)) ~place_guard();
};

place_guard::~place_guard()
{
	place(23);
}

PLACE void place_throw(int n)
{
	place_guard guard;

	if (!n)
		throw std::runtime_error("here");
	place_throw(n - 1);
}


PLACE void place_signals()
{
	static char other[1 << 16];
	stack_t stack = {};
	struct sigaction action = {};

	stack.ss_sp = other;
	stack.ss_size = sizeof(other);
	sigaltstack(&stack, nullptr);
	action.sa_handler = place_handler;
	sigaction(SIGUSR1, &action, nullptr);
	action.sa_flags = SA_ONSTACK;
	sigaction(SIGUSR2, &action, nullptr);
	raise(SIGUSR1);
	raise(SIGUSR2);
}

PLACE void place_thread()
{
	place_deep(5);
	place_signals();
}

PLACE void place_all()
{
	int v[] = {5, 3, 9, 1, 7};

	place(7);
	for (int n : {0, 1, 7, 60, 300})
		place_deep(n);
	for (size_t n = 1; n < 5000; n = n * 3 + 8)
		place_wide(n);
	place_signals();
	qsort(v, 5, sizeof(*v), place_compare);
	for (int n : {0, 4})
		try {
			place_throw(n);
		} catch (const std::exception &) {
			place(29);
		}
	std::thread(place_thread).join();
}

int main()
{
	void *first[1];

	backtrace(first, 1); /* which loads libgcc */
	for (int i = 0; i < 3; i++)
		place_all();
	for (size_t i = 0; i < count; i++)
		printf("%lu %s\n", said[i].bytes, said[i].chain);
	return 0;
}

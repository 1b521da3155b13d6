/* symbol_lines.c - functions whose lines the symbol tests know. Never run. */
#include <stdlib.h>

void *known_allocate(size_t n);
void *known_twice(size_t n);

static inline __attribute__((always_inline)) void *wrapped(size_t n)
{
	return malloc(n); /* line 9 */
}

__attribute__((noinline)) void *known_allocate(size_t n)
{
	void *p = wrapped(n + 1); /* line 14 */

	if (!p)
		abort();
	return p;
} /* line 19 */

__attribute__((noinline)) void *known_twice(size_t n)
{
	free(known_allocate(n)); /* line 23 */
	return known_allocate(n); /* line 24 */
}

int main(int argc, char **argv)
{
	(void)argv;
	return known_twice((size_t)argc) == NULL;
}

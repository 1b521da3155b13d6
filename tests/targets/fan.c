/*
 * fan.c - blocks with many neighbours; prints "NAME ADDRESS" of some.
 *
 *	hub	points at 300 leaves of one site, and at the pair
 *	pair	points at the large block three times, and at itself
 *	large	is held by the pair, by a variable, and by another into its middle
 */
#include <stdio.h>
#include <stdlib.h>

#define NOINLINE __attribute__((noinline))

enum { LEAVES = 300, LARGE = 100000 };

void **hub;
char *large, *middle;

static NOINLINE void *leaf(void)
{
	return calloc(1, 24);
}

static NOINLINE void **make_pair(char *to)
{
	void **pair = calloc(8, sizeof(*pair));

	pair[1] = pair[2] = pair[5] = to;
	pair[7] = pair;
	return pair;
}

int main(void)
{
	large = calloc(1, LARGE);
	middle = large + LARGE / 2;
	hub = calloc(LEAVES + 1, sizeof(*hub));
	for (int i = 0; i < LEAVES; i++)
		hub[i] = leaf();
	hub[LEAVES] = make_pair(large);
	printf("hub %p\nleaf %p\npair %p\nlarge %p\n", (void *)hub, hub[7], hub[LEAVES],
	       (void *)large);
	return 0;
}

/*
 * growth.c - a heap that grows and is freed at random.
 *
 *	growth BLOCKS	makes BLOCKS of them; of each three, one is freed again, some
 *			random one that is still there. The rest stays to the end.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static uint64_t state = 88172645463325252u;

static uint64_t chance(uint64_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (state >> 11) % below;
}

__attribute__((noinline)) static void *small(void)
{
	return malloc(16 + chance(100));
}

__attribute__((noinline)) static void *large(void)
{
	return malloc(1000 + chance(4000));
}

__attribute__((noinline)) static void *make(int left)
{
	void *p;

	if (left > 0)
		p = make(left - 1);
	else
		p = chance(20) ? small() : large();
	if (p)
		memset(p, left, 8);
	return p;
}

int main(int argc, char **argv)
{
	size_t blocks = argc > 1 ? strtoull(argv[1], NULL, 10) : 0, live = 0;
	void **block = calloc(blocks + 1, sizeof(*block));

	if (!blocks || !block)
		return 2;
	for (size_t i = 0; i < blocks; i++) {
		block[live++] = make((int)chance(24));
		if (i % 3 == 2) {
			size_t victim = chance(live);

			free(block[victim]);
			block[victim] = block[--live];
		}
	}
	return 0;
}

/* Three ways to waste time: 200 series of reallocs that double, 2000 temporary blocks,
 * 20000 small blocks in a ring. */
#include <stdlib.h>

__attribute__((noinline)) static void grow(void)
{
	char *block = NULL;

	for (size_t bytes = 16; bytes <= 4096; bytes *= 2)
		block = realloc(block, bytes);
	free(block);
}

__attribute__((noinline)) static void format(void)
{
	char *text = malloc(200);

	*(volatile char *)text = 'x';
	free(text);
}

static void *ring[16];

__attribute__((noinline)) static void turn(unsigned i)
{
	free(ring[i % 16]);
	ring[i % 16] = malloc(40);
}

int main(void)
{
	for (int i = 0; i < 200; i++)
		grow();
	for (int i = 0; i < 2000; i++)
		format();
	for (unsigned i = 0; i < 20000; i++)
		turn(i);
	for (unsigned i = 0; i < 16; i++)
		free(ring[i]);
	return 0;
}

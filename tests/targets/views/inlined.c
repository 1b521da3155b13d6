/* Two inlined functions, one inside the other: 3 times 1000 bytes, 1 time 500; 1000
 * bytes are kept. */
#include <stdlib.h>

static inline void *get(size_t bytes)
{
	char *block = malloc(bytes);

	*(volatile char *)block = 1;
	return block;
}

static inline void *get_large(void)
{
	return get(1000);
}

void *volatile kept;

int main(void)
{
	void *small = get(500);

	for (int i = 0; i < 3; i++) {
		void *large = get_large();

		if (i < 2)
			free(large);
		else
			kept = large;
	}
	free(small);
	return 0;
}

/* unlocked.c - for scripts (ctypes): allocates and frees without Python's lock. */
#include <stdlib.h>

void loop(int n);

void loop(int n)
{
	for (int i = 0; i < n; i++) {
		void *volatile p = malloc(700 + (size_t)i * 8 % 2000);

		free(p);
	}
}

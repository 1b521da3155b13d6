/* example.c - the documents' example: 8,000,000 bytes kept, 160,000,000 not. */
#include <stdlib.h>

static void *my_func(void)
{
	void *a = malloc(8000000);
	void *b = malloc(160000000);
	free(b);
	return a;
}

int main(void)
{
	return my_func() ? 0 : 1;
}

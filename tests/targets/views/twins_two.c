/* The other file: see twins_one.c. */
#include <stdlib.h>

void *two(void);

static void *make(void)
{
	return calloc(5, 40);
}

void *two(void)
{
	return make();
}

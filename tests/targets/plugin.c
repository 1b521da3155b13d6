/* plugin.c - what loader.c loads: allocates when it comes, when asked, and when it
 * goes; frees all of it. */
#include <stdlib.h>

void *plugin_block(size_t size);
static void *volatile table;

__attribute__((constructor)) static void come(void)
{
	table = calloc(10, 100);
}

__attribute__((destructor)) static void go(void)
{
	table = realloc(table, 5000);
	free(table);
}

void *plugin_block(size_t size)
{
	return malloc(size);
}

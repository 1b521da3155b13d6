/* cases_plugin.c - a module that holds what it is given, and allocates. */
#include <stdlib.h>

static __thread void *volatile small;
static __thread volatile struct {
	char pad[1 << 19];
	void *held;
	char more[1 << 19];
} large;
void *volatile plugin_held;

void *plugin_tls(void *block);
void *plugin_large_tls(void *block);
void *plugin_global(void *block);
void *case_plugin_take(void *size);

void *plugin_tls(void *block)
{
	return small = block;
}

void *plugin_large_tls(void *block)
{
	large.pad[0] = large.more[0] = 1;
	return large.held = block;
}

void *plugin_global(void *block)
{
	return plugin_held = block;
}

void *case_plugin_take(void *size)
{
	void *block = malloc((size_t)size);

	__asm__ volatile("" : "+r"(block));
	return block;
}

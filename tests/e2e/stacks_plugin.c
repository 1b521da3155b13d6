/*
 * stacks_plugin.c - a shared object whose functions call back. Built twice, with
 * frames of different shapes (FRAME words), so that a row of the one is wrong for the
 * other when they are loaded at the same address.
 */
#include <stddef.h>

int plugin_call(void (*callback)(void));
int plugin_resolved(int x);
extern void (*volatile check_pointer)(void);

int plugin_call(void (*callback)(void))
{
	volatile char room[FRAME * 8];

	room[0] = 1;
	callback();
	room[FRAME * 8 - 1] = 2;
	return room[0] + room[FRAME * 8 - 1];
}

static int resolved(int x)
{
	return x + 1;
}

/* Runs at the first call of plugin_resolved() through a lazy PLT slot: inside
 * _dl_runtime_resolve. */
static int (*resolve(void))(int)
{
	if (check_pointer)
		check_pointer();
	return resolved;
}

int plugin_resolved(int x) __attribute__((ifunc("resolve")));

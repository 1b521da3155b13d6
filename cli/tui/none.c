/*
 * none.c - what there is of the terminal viewer in a build without ncurses.
 */
#include "cli/tui/tui.h"

#include <errno.h>
#include <stdio.h>

bool tui_is_built(void)
{
	return false;
}

int tui_load(const char *path, char *why, size_t room)
{
	snprintf(why, room, "%s: built without ncurses", path);
	return -ENOSYS;
}

int tui_run(const struct profile *p, const struct tui_options *o)
{
	(void)p, (void)o;
	return -ENOSYS;
}

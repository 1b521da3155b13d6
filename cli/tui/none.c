/*
 * none.c - what there is of the terminal viewer in a build without ncurses.
 */
#include "cli/tui/tui.h"

#include <errno.h>

int tui_run(const struct profile *p, const struct tui_options *o)
{
	(void)p;
	(void)o;
	return -ENOSYS;
}

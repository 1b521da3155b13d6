#include "cli/cmd/progress.h"

#include "cli/base/message.h"

#include <stdio.h>
#include <unistd.h>

enum { QUIET_MS = 500 }; /* what is over by then needs no word */

void progress_begin(struct progress *p)
{
	*p = (struct progress){.wanted = isatty(STDERR_FILENO) && !message_is_quiet()};
	clock_gettime(CLOCK_MONOTONIC, &p->began);
}

void progress_show(struct progress *p, size_t done, size_t all)
{
	struct timespec now;

	if (!p->wanted)
		return;
	clock_gettime(CLOCK_MONOTONIC, &now);
	if ((now.tv_sec - p->began.tv_sec) * 1000 +
		    (now.tv_nsec - p->began.tv_nsec) / 1000000 <
	    QUIET_MS)
		return;
	fprintf(stderr, "\rlooking up names: %3zu %%", all ? done * 100 / all : 100);
	p->shown = true;
}

void progress_end(struct progress *p)
{
	if (p->shown)
		fputs("\r\033[K", stderr);
	p->shown = false;
}

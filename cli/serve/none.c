/*
 * none.c - a heapline that was built without libmicrohttpd serves nothing.
 */
#include "cli/serve/web.h"

#include <errno.h>
#include <stdio.h>

bool web_is_built(void)
{
	return false;
}

int web_load(const char *path, char *why, size_t room)
{
	snprintf(why, room, "%s: built without libmicrohttpd", path);
	return -ENOSYS;
}

int web_open(const struct web_options *o, struct web **ret, unsigned *ret_port)
{
	(void)o, (void)ret, (void)ret_port;
	return -ENOSYS;
}

int web_run(struct web *s)
{
	(void)s;
	return -ENOSYS;
}

int web_watch(struct web *s, int fd, void (*ready)(void *context), void *context)
{
	(void)s, (void)fd, (void)ready, (void)context;
	return -ENOSYS;
}

void web_unwatch(struct web *s, int fd)
{
	(void)s, (void)fd;
}

void web_answer(struct web_call *call, const struct web_answer *a)
{
	(void)call, (void)a;
}

void web_refuse(struct web_call *call, unsigned status, const char *why)
{
	(void)call, (void)status, (void)why;
}

void web_close(struct web *s)
{
	(void)s;
}

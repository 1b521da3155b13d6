/*
 * load.c - web.h in the binary itself: every call goes to the module (module.h).
 */
#include "cli/serve/module.h"

#include <errno.h>

static const struct web_module *module; /* once loaded, as long as we live */

bool web_is_built(void)
{
	return true;
}

int web_load(const char *path, char *why, size_t room)
{
	const struct part *p;
	int err = part_load(path, WEB_MODULE, &p, why, room);

	if (!err)
		module = (const struct web_module *)p;
	return err;
}

int web_open(const struct web_options *o, struct web **ret, unsigned *ret_port)
{
	return module ? module->open(o, ret, ret_port) : -ENOSYS;
}

int web_run(struct web *s)
{
	return module->run(s);
}

int web_watch(struct web *s, int fd, void (*ready)(void *context), void *context)
{
	return module->watch(s, fd, ready, context);
}

void web_unwatch(struct web *s, int fd)
{
	module->unwatch(s, fd);
}

void web_answer(struct web_call *call, const struct web_answer *a)
{
	module->answer(call, a);
}

void web_refuse(struct web_call *call, unsigned status, const char *why)
{
	module->refuse(call, status, why);
}

void web_close(struct web *s)
{
	if (module)
		module->close(s);
}

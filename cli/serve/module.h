/*
 * module.h - what the server's module has for load.c, which hands calls of web.h over.
 *
 * libmicrohttpd brings a dozen libraries along, and `heapline view` alone needs them: so
 * web.c is in a file of its own (part.h).
 */
#pragma once

#include "cli/base/part.h"
#include "cli/serve/web.h"

#define WEB_MODULE "heapline_web" /* the one name that the module exports */

struct web_module {
	struct part part;
	int (*open)(const struct web_options *o, struct web **ret, unsigned *ret_port);
	int (*run)(struct web *s);
	int (*watch)(struct web *s, int fd, void (*ready)(void *context),
		     void *context);
	void (*unwatch)(struct web *s, int fd);
	void (*answer)(struct web_call *call, const struct web_answer *a);
	void (*refuse)(struct web_call *call, unsigned status, const char *why);
	void (*close)(struct web *s);
};

#include "cli/symbol/debugserver.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

struct debugserver {
	void *library;
	/* As elfutils/debuginfod.h has them. */
	void *(*begin)(void);
	int (*find)(void *client, const unsigned char *id, int len, char **path);
	void (*end)(void *client);
	_Atomic int error;
};

/* ISO C knows no way from an object's pointer to a function's. */
static bool find_function(void *library, const char *name, void *ret)
{
	*(void **)ret = dlsym(library, name);
	return *(void **)ret != NULL;
}

int debugserver_open(struct debugserver **ret)
{
	const char *urls = getenv("DEBUGINFOD_URLS");
	struct debugserver *d;

	if (!urls || !*urls)
		return -ENOENT;
	d = calloc(1, sizeof(*d));
	if (!d)
		return -ENOMEM;
	d->library = dlopen("libdebuginfod.so.1", RTLD_NOW | RTLD_LOCAL);
	if (!d->library || !find_function(d->library, "debuginfod_begin", &d->begin) ||
	    !find_function(d->library, "debuginfod_find_debuginfo", &d->find) ||
	    !find_function(d->library, "debuginfod_end", &d->end)) {
		debugserver_close(d);
		return -ELIBACC;
	}
	*ret = d;
	return 0;
}

void debugserver_close(struct debugserver *d)
{
	if (!d)
		return;
	/* Stays loaded: what it is made of keeps state of threads. */
	free(d);
}

int debugserver_find(struct debugserver *d, const struct debugfile_id *id)
{
	void *client;
	int fd;

	/* relaxed: a question too many does no harm. */
	if (!id->len || atomic_load_explicit(&d->error, memory_order_relaxed))
		return -ENOENT;
	client = d->begin();
	if (!client)
		return -ENOMEM;
	fd = d->find(client, id->bytes, (int)id->len, NULL);
	d->end(client);
	if (fd < 0 && fd != -ENOENT)
		atomic_store_explicit(&d->error, fd, memory_order_relaxed);
	return fd;
}

int debugserver_error(struct debugserver *d)
{
	return atomic_load_explicit(&d->error, memory_order_relaxed);
}

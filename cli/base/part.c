#include "cli/base/part.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

int part_load(const char *path, const char *name, const struct part **ret, char *why,
	      size_t room)
{
	void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	const struct part *p = library ? dlsym(library, name) : NULL;

	if (!p) {
		const char *said = dlerror();

		snprintf(why, room, "%s", said ? said : path);
		return -ELIBACC;
	}
	if (strcmp(p->version, HEAPLINE_VERSION) != 0) {
		snprintf(why, room, "%s: it is of heapline %.32s, this is %s", path,
			 p->version, HEAPLINE_VERSION);
		return -ELIBBAD;
	}
	*ret = p;
	return 0;
}

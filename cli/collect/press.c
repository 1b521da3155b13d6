#include "cli/collect/press.h"

#include "cli/base/aside.h"

#include <stdlib.h>

struct press {
	struct aside aside;
	struct profile_writer *writer;
	struct profile *profile;
	int err;
};

static void update(void *press)
{
	struct press *p = press;

	p->err = profile_writer_update(p->writer, p->profile);
}

struct press *press_open(struct profile_writer *writer, struct profile *profile)
{
	struct press *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->writer = writer;
	p->profile = profile;
	aside_begin(&p->aside, update, p, false);
	return p;
}

bool press_is_done(const struct press *p)
{
	return aside_is_done(&p->aside);
}

int press_close(struct press *p, uint64_t *ret_took_ns)
{
	int err;

	*ret_took_ns = aside_join(&p->aside);
	err = p->err;
	free(p);
	return err;
}

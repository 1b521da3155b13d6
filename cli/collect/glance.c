#include "cli/collect/glance.h"

#include "cli/base/aside.h"
#include "cli/collect/procfs.h"

#include <stdlib.h>

struct glance {
	struct aside aside;
	pid_t pid;
	char *text;
};

static void look(void *glance)
{
	struct glance *g = glance;

	g->text = procfs_smaps(g->pid);
}

struct glance *glance_open(pid_t pid, bool here)
{
	struct glance *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->pid = pid;
	aside_begin(&g->aside, look, g, here);
	return g;
}

bool glance_is_done(const struct glance *g)
{
	return aside_is_done(&g->aside);
}

char *glance_close(struct glance *g, uint64_t *ret_took_ns)
{
	char *text;

	*ret_took_ns = aside_join(&g->aside);
	text = g->text;
	free(g);
	return text;
}

#include "cli/report/images.h"

#include "cli/base/cleanup.h"

#include <errno.h>
#include <stdlib.h>

static int by_pid(const void *left, const void *right, void *arg)
{
	const struct profile *p = arg;
	const struct profile_process *a = &p->processes[*(const uint32_t *)left];
	const struct profile_process *b = &p->processes[*(const uint32_t *)right];

	if (a->pid != b->pid)
		return a->pid < b->pid ? -1 : 1;
	return a->serial < b->serial ? -1 : a->serial > b->serial;
}

/* Whether b, the next of its pid, is what a became: pids are used again, but a
 * process that became another program has not ended. */
static bool became(const struct profile_process *a, const struct profile_process *b)
{
	return a->pid == b->pid && a->end == PROFILE_EXECED &&
	       a->parent_serial == b->parent_serial;
}

int images_init(struct images *m, const struct profile *p)
{
	size_t n = p->process_count, processes = 0;
	_cleanup_(freep) uint32_t *order = calloc(n + 1, sizeof(*order));

	*m = (struct images){.profile = p};
	m->next = calloc(n + 1, sizeof(*m->next));
	m->first = calloc(n + 1, sizeof(*m->first));
	if (!order || !m->next || !m->first) {
		images_done(m);
		return -ENOMEM;
	}
	for (size_t i = 0; i < n; i++) {
		if (!p->processes[i].counted)
			order[processes++] = (uint32_t)i;
		m->next[i] = IMAGES_NONE;
		m->first[i] = true;
	}
	qsort_r(order, processes, sizeof(*order), by_pid, (void *)p);
	for (size_t i = 0; i + 1 < processes; i++) {
		if (!became(&p->processes[order[i]], &p->processes[order[i + 1]]))
			continue;
		m->next[order[i]] = order[i + 1];
		m->first[order[i + 1]] = false;
	}
	return 0;
}

void images_done(struct images *m)
{
	free(m->next);
	free(m->first);
	*m = (struct images){0};
}

/* Ends: the next one's serial is greater. */
const struct profile_process *images_last(const struct images *m, size_t process)
{
	while (m->next[process] != IMAGES_NONE)
		process = m->next[process];
	return &m->profile->processes[process];
}

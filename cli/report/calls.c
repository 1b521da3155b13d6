#include "cli/report/calls.h"

#include "cli/base/array.h"

#include <errno.h>
#include <stdlib.h>

int calls_init(struct calls *c, const struct view *v)
{
	const struct profile *p = v->profile;

	*c = (struct calls){.view = v};
	c->child = calloc(p->stack_count + 1, sizeof(*c->child));
	c->sibling = calloc(p->stack_count + 1, sizeof(*c->sibling));
	c->site = calloc(p->stack_count + 1, sizeof(*c->site));
	c->next_site = calloc(p->site_count + 1, sizeof(*c->next_site));
	if (!c->child || !c->sibling || !c->site || !c->next_site)
		return -ENOMEM;
	for (size_t i = p->stack_count; i-- > 1;) {
		uint32_t parent = p->stacks[i].parent;

		c->sibling[i] = c->child[parent];
		c->child[parent] = (uint32_t)i;
	}
	for (size_t i = 0; i < p->site_count; i++) {
		if (!scope_has(&v->scope, &p->sites[i]))
			continue;
		c->next_site[i] = c->site[p->sites[i].stack];
		c->site[p->sites[i].stack] = (uint32_t)i + 1;
	}
	return 0;
}

void calls_done(struct calls *c)
{
	free(c->child);
	free(c->sibling);
	free(c->site);
	free(c->next_site);
	*c = (struct calls){0};
}

struct view_sums calls_own(const struct calls *c, uint32_t node)
{
	struct view_sums sums = {0}, one;

	for (uint32_t i = c->site[node]; i; i = c->next_site[i - 1])
		if (view_site(c->view, i - 1, &one))
			view_add(&sums, &one);
	return sums;
}

const struct profile_code *calls_code(const struct profile *p, uint32_t node)
{
	uint32_t code = p->stacks[node].code;

	return code && code <= p->code_count ? &p->codes[code - 1] : NULL;
}

int calls_walk(const struct calls *c, const struct calls_visitor *visitor,
	       void *context)
{
	const struct profile *p = c->view->profile;
	struct view_sums *path = NULL; /* [1..depth]: of the nodes down to here */
	size_t room = 0, depth = 0;
	uint32_t node = c->child[0];

	while (node) {
		if (array_reserve(&path, &room, depth + 2) < 0) {
			free(path);
			return -ENOMEM;
		}
		visitor->enter(context, node, depth);
		path[++depth] = calls_own(c, node);
		if (c->child[node]) {
			node = c->child[node];
			continue;
		}
		for (;;) { /* up, until there is a sibling to go to */
			visitor->leave(context, node, &path[depth]);
			view_add(&path[depth - 1], &path[depth]);
			depth--;
			if (c->sibling[node] || !p->stacks[node].parent)
				break;
			node = p->stacks[node].parent;
		}
		node = c->sibling[node];
	}
	free(path);
	return 0;
}

#include "cli/collect/strangers.h"

#include "cli/base/array.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void strangers_done(struct strangers *s)
{
	for (size_t i = 0; i < s->count; i++)
		free(s->items[i].program);
	free(s->items);
	*s = (struct strangers){0};
}

void strangers_add(struct strangers *s, const struct stranger *stranger)
{
	if (array_reserve(&s->items, &s->room, s->count + 1) < 0)
		free(stranger->program);
	else
		s->items[s->count++] = *stranger;
}

void strangers_withdraw(struct strangers *s, pid_t pid)
{
	for (size_t i = s->count; i-- > 0;) {
		struct stranger *at = &s->items[i];

		if (at->pid != pid || at->why != WIRE_EXEC_EXPECTED)
			continue;
		free(at->program);
		memmove(at, at + 1, (--s->count - i) * sizeof(*at));
		return;
	}
}

int strangers_fill(const struct strangers *s, struct profile *p)
{
	if (array_reserve(&p->unfolloweds, &p->unfollowed_room, s->count) < 0)
		return -ENOMEM;
	p->unfollowed_count = 0;
	for (size_t i = 0; i < s->count; i++) {
		const struct stranger *from = &s->items[i];
		uint32_t program =
			strings_add(&p->strings, from->program ? from->program : "");

		if (program == UINT32_MAX)
			return -ENOMEM;
		p->unfolloweds[i] = (struct profile_unfollowed){
			.parent_serial = from->parent_serial,
			.pid = from->pid,
			.program = program,
			.why = from->why,
			.at_ns = from->at_ns,
		};
		p->unfollowed_count = i + 1;
	}
	return 0;
}

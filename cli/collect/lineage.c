#include "cli/collect/lineage.h"

#include "cli/base/array.h"
#include "cli/collect/pools.h"
#include "preload/wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { FORKS = 4096 }; /* whose children have not come: the oldest are forgotten */

static struct table_key key(uint64_t address)
{
	return (struct table_key){address, 0};
}

static void forget_log(struct lineage *l)
{
	table_done(&l->latest);
	free(l->gone);
	l->gone = NULL;
	l->gone_count = l->gone_room = 0;
}

void lineage_done(struct lineage *l)
{
	table_done(&l->given);
	table_done(&l->ignored);
	forget_log(l);
	free(l->forks);
	l->forks = NULL;
	l->fork_count = l->fork_room = 0;
}

/* Once nobody can ask any more. */
static void quiet(struct lineage *l)
{
	if (!lineage_is_parent(l))
		forget_log(l);
}

static void drop_fork(struct lineage *l, size_t i)
{
	memmove(&l->forks[i], &l->forks[i + 1],
		(--l->fork_count - i) * sizeof(*l->forks));
}

/* Where a fork was dated late, more may be freed than was counted. */
static uint64_t left(uint64_t of, uint64_t freed)
{
	return of > freed ? of - freed : 0;
}

/* All that a child gets, of what is live of the parent's own. */
static struct profile_amount with_inherited(const struct lineage *parent,
					    struct profile_amount live)
{
	live.blocks += left(parent->inherited.blocks, parent->freed.blocks);
	live.bytes += left(parent->inherited.bytes, parent->freed.bytes);
	return live;
}

int lineage_fork(struct lineage *parent, uint32_t serial, uint64_t ns,
		 struct profile_amount live)
{
	if (parent->fork_count == FORKS)
		drop_fork(parent, 0);
	if (array_reserve(&parent->forks, &parent->fork_room, parent->fork_count + 1) <
	    0)
		return -ENOMEM;
	live = with_inherited(parent, live);
	parent->forks[parent->fork_count++] = (struct lineage_fork){serial, ns, live};
	if (ns > parent->last_fork_ns)
		parent->last_fork_ns = ns;
	return 0;
}

void lineage_begin(struct lineage *child, struct lineage *parent, uint32_t serial,
		   uint64_t ns, struct profile_amount live)
{
	size_t i = 0;
	bool dated;

	while (i < parent->fork_count && parent->forks[i].serial != serial)
		i++;
	dated = i == parent->fork_count;
	if (dated && lineage_fork(parent, serial, ns, live) < 0)
		return;
	if (i >= parent->fork_count)
		i = parent->fork_count - 1;
	child->parent = parent;
	child->dated = dated;
	child->fork_ns = parent->forks[i].ns;
	child->inherited = parent->forks[i].had;
	parent->heirs++;
	drop_fork(parent, i);
}

void lineage_told(struct lineage *child, uint32_t serial)
{
	struct lineage *parent = child->parent;

	for (size_t i = parent && child->dated ? parent->fork_count : 0; i-- > 0;)
		if (parent->forks[i].serial == serial) {
			child->fork_ns = parent->forks[i].ns;
			child->inherited = parent->forks[i].had;
			child->dated = false;
			drop_fork(parent, i);
			return;
		}
}

void lineage_untold(struct lineage *child, uint64_t ns, struct profile_amount live)
{
	struct lineage *parent = child->parent;

	if (!parent || !child->dated)
		return;
	child->fork_ns = ns;
	child->inherited = with_inherited(parent, live);
	if (ns > parent->last_fork_ns)
		parent->last_fork_ns = ns;
}

int lineage_gone(struct lineage *l, uint64_t address, const struct lineage_block *b,
		 uint64_t ns)
{
	uint64_t *latest;

	if (b->born_ns > l->last_fork_ns)
		return 0; /* no child has it */
	if (array_reserve(&l->gone, &l->gone_room, l->gone_count + 1) < 0)
		return -ENOMEM;
	latest = table_put(&l->latest, key(address), NULL);
	if (!latest)
		return -ENOMEM;
	l->gone[l->gone_count++] = (struct lineage_gone){*b, ns, *latest};
	*latest = l->gone_count;
	return 0;
}

/* What the process had at address at the moment ns, of its own. */
static bool had(const struct lineage *l, uint64_t address, uint64_t ns,
		lineage_peek *peek, void *context, struct lineage_block *ret)
{
	const uint64_t *latest;

	if (peek(context, l, address, ret) && ret->born_ns <= ns)
		return true;
	latest = table_get(&l->latest, key(address));
	for (uint64_t i = latest ? *latest : 0; i; i = l->gone[i - 1].before) {
		const struct lineage_gone *gone = &l->gone[i - 1];

		if (gone->block.born_ns <= ns && gone->gone_ns > ns) {
			*ret = gone->block;
			return true;
		}
	}
	return false;
}

/* Whether the process had freed an inherited block at address before ns. */
static bool had_given(const struct lineage *l, uint64_t address, uint64_t ns)
{
	const uint64_t *when = table_get(&l->given, key(address));

	return when && *when && *when - 1 <= ns;
}

bool lineage_take(struct lineage *l, uint64_t address, uint64_t ns, lineage_peek *peek,
		  void *context, struct lineage_block *ret)
{
	uint64_t at = UINT64_MAX, *given;
	bool found = false;

	for (const struct lineage *p = l; p->parent && !found; p = p->parent) {
		if (had_given(p, address, at))
			return false;
		at = p->fork_ns;
		found = had(p->parent, address, at, peek, context, ret);
	}
	given = found ? table_put(&l->given, key(address), NULL) : NULL;
	if (!given)
		return false;
	*given = ns + 1;
	if (!(address & POOLS_CHUNK)) {
		l->freed.blocks += wire_weight(l->sample, ret->size);
		l->freed.bytes += wire_weight(l->sample, ret->size) * ret->size;
	}
	return true;
}

struct seen {			     /* of one ancestor's blocks */
	const struct lineage *heir;  /* who asks */
	const struct lineage *child; /* the ancestor's, in the line to the heir */
	lineage_see *see;
	void *to;
};

/* Whether somebody in the line from the ancestor down to the heir freed it before the
 * next one was forked. */
static bool given_away(const struct seen *s, uint64_t address)
{
	uint64_t at = UINT64_MAX;

	for (const struct lineage *p = s->heir;; p = p->parent) {
		if (had_given(p, address, at))
			return true;
		if (p == s->child)
			return false;
		at = p->fork_ns;
	}
}

static void show(const struct seen *s, uint64_t address, struct lineage_block b,
		 uint32_t site)
{
	if (given_away(s, address))
		return;
	b.ignored |= table_get(&s->heir->ignored, key(address)) != NULL;
	s->see(s->to, address, &b, site);
}

static void see_own(void *to, uint64_t address, const struct lineage_block *b,
		    uint32_t site)
{
	const struct seen *s = to;

	if (b->born_ns <= s->child->fork_ns)
		show(s, address, *b, site);
}

/* What the ancestor had at the fork and has freed since. */
static void see_gone(const struct seen *s, const struct lineage *of)
{
	uint64_t ns = s->child->fork_ns, k;
	struct table_key address;
	size_t at = 0;

	while (table_next(&of->latest, &at, &address, &k))
		for (; k; k = of->gone[k - 1].before) {
			const struct lineage_gone *gone = &of->gone[k - 1];

			if (gone->block.born_ns > ns || gone->gone_ns <= ns)
				continue;
			show(s, address.a, gone->block, 0);
			break;
		}
}

void lineage_each(const struct lineage *l, lineage_all *all, void *context,
		  lineage_see *see, void *to)
{
	for (const struct lineage *p = l; p->parent; p = p->parent) {
		struct seen s = {l, p, see, to};

		all(context, p->parent, see_own, &s);
		see_gone(&s, p->parent);
	}
}

int lineage_ignore(struct lineage *l, uint64_t address)
{
	return table_put(&l->ignored, key(address), NULL) ? 0 : -ENOMEM;
}

void lineage_give_back(struct lineage *l, uint64_t address,
		       const struct lineage_block *b)
{
	uint64_t *given = table_get(&l->given, key(address));

	if (!given || !*given)
		return;
	*given = 0;
	if (address & POOLS_CHUNK)
		return;
	l->freed.blocks -= wire_weight(l->sample, b->size);
	l->freed.bytes -= wire_weight(l->sample, b->size) * b->size;
}

static void release_ended(struct lineage *l, lineage_release *release, void *context)
{
	while (l && l->ended && !lineage_is_parent(l)) {
		struct lineage *parent = l->parent;

		l->parent = NULL;
		release(context, l);
		if (parent)
			parent->heirs--;
		if (parent && !parent->ended)
			quiet(parent);
		l = parent;
	}
}

void lineage_end(struct lineage *l, lineage_release *release, void *context)
{
	l->ended = true;
	release_ended(l, release, context);
}

/* Nobody may be left to ask. */
static void forget(struct lineage *l, lineage_release *release, void *context)
{
	if (l->ended)
		release_ended(l, release, context);
	else
		quiet(l);
}

void lineage_expire(struct lineage *l, uint64_t ns, lineage_release *release,
		    void *context)
{
	if (!l->fork_count)
		return; /* it may be released already */
	while (l->fork_count && l->forks[0].ns < ns)
		drop_fork(l, 0);
	forget(l, release, context);
}

void lineage_forget(struct lineage *l, uint32_t serial, lineage_release *release,
		    void *context)
{
	for (size_t i = l->fork_count; i-- > 0;)
		if (l->forks[i].serial == serial) {
			drop_fork(l, i);
			forget(l, release, context);
			return;
		}
}

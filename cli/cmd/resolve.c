#include "cli/cmd/resolve.h"

#include "cli/base/cleanup.h"
#include "cli/base/message.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

/* ---- progress ------------------------------------------------------------ */

enum { QUIET_MS = 500 }; /* what is over by then needs no word */

struct progress {
	struct timespec began;
	bool shown;
};

static void show(void *arg, size_t done, size_t all)
{
	struct progress *progress = arg;
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if ((now.tv_sec - progress->began.tv_sec) * 1000 +
		    (now.tv_nsec - progress->began.tv_nsec) / 1000000 <
	    QUIET_MS)
		return;
	fprintf(stderr, "\rlooking up names: %3zu %%", all ? done * 100 / all : 100);
	progress->shown = true;
}

static void wipe(const struct progress *progress)
{
	if (progress->shown)
		fputs("\r\033[K", stderr);
}

/* ---- what there is ------------------------------------------------------- */

static void count(struct resolve_module *m, const struct profile_frame *f)
{
	m->places++;
	if (f->function && f->file && f->line)
		m->lined++;
	else if (f->function)
		m->named++;
}

/* Each code counts once, for the module of the first stack that has it. */
static int count_places(const struct profile *p, struct resolve_outcome *ret)
{
	_cleanup_(freep) bool *seen = calloc(p->code_count + 1, sizeof(*seen));

	if (!seen)
		return -ENOMEM;
	for (size_t i = 1; i < p->stack_count; i++) {
		const struct profile_stack *st = &p->stacks[i];
		const struct profile_frame *f;

		if (!st->code || seen[st->code - 1] || st->flags & PROFILE_STACK_CUT)
			continue;
		seen[st->code - 1] = true;
		f = &p->frames[p->codes[st->code - 1].first_frame];
		count(&ret->all, f);
		if (st->module)
			count(&ret->modules[st->module - 1], f);
	}
	return 0;
}

static void symbols_closep(struct symbols **s)
{
	symbols_close(*s);
}

int resolve(struct profile *p, const struct resolve_options *o,
	    struct resolve_outcome *ret)
{
	_cleanup_(symbols_closep) struct symbols *s = NULL;
	struct progress progress = {0};
	struct resolve_outcome out = {0};
	size_t sources = p->source_count;
	bool was = p->symbolised;
	int err = symbols_open(&s);

	if (err)
		return err;
	out.modules = calloc(p->module_count + 1, sizeof(*out.modules));
	if (!out.modules)
		return -ENOMEM;
	for (size_t i = 0; i < p->module_count; i++)
		out.modules[i].err = symbols_module(
			s, i, strings_get(&p->strings, p->modules[i].path), "",
			strings_get(&p->strings, p->modules[i].build_id));
	symbols_use_cache(s);
	if (isatty(STDERR_FILENO) && !message_is_quiet())
		symbols_on_progress(s, show, &progress);
	clock_gettime(CLOCK_MONOTONIC, &progress.began);
	err = symbols_improve(s, p, &out.better);
	wipe(&progress);
	if (!err && !o->no_source)
		err = symbols_sources(s, p, &out.sources);
	if (!err)
		err = count_places(p, &out);
	if (err) {
		resolve_done(&out);
		return err;
	}
	out.changed = !was || out.better || p->source_count != sources;
	*ret = out;
	return 0;
}

void resolve_done(struct resolve_outcome *r)
{
	free(r->modules);
	*r = (struct resolve_outcome){0};
}

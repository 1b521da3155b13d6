#include "cli/report/leaks.h"

#include "cli/base/cleanup.h"
#include "cli/report/chain.h"
#include "cli/report/runtime.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

enum { MANY_SNAPSHOTS = 2000 }; /* a gigabyte of findings or so, of shells */

uint32_t leaks_unlisted(const struct profile *p)
{
	return p->snapshot_count > MANY_SNAPSHOTS ? ~LEAKS_USUAL : 0;
}

bool leaks_parse_kinds(const char *text, uint32_t *ret)
{
	uint32_t bits = 0;

	for (const char *at = text;; at++) {
		size_t len = strcspn(at, ","), k;

		for (k = 0; k < LEAK_KINDS; k++)
			if (strlen(leak_words[k]) == len &&
			    !strncmp(at, leak_words[k], len))
				break;
		if (k < LEAK_KINDS)
			bits |= 1u << k;
		else if (len == 3 && !strncmp(at, "all", len))
			bits |= LEAKS_ALL;
		else
			return false;
		at += len;
		if (!*at)
			break;
	}
	*ret = bits;
	return true;
}

/* ---- which --------------------------------------------------------------- */

static const char *module_of(const struct leaks *l, uint32_t stack)
{
	struct frames_frame frame;

	return frames_chief(l->owners, stack, &frame)
		       ? frames_module(l->profile, frame.stack)
		       : NULL;
}

const char *leaks_module(const struct leaks *l, const struct finding *f)
{
	const char *path = module_of(l, f->stack);

	return path ? path : "";
}

static bool is_of_module(const struct leaks *l, uint32_t stack)
{
	const char *path;

	if (!l->options->module)
		return true;
	path = module_of(l, stack);
	if (!path)
		return false;
	return !fnmatch(l->options->module, frames_base(path), 0) ||
	       !fnmatch(l->options->module, path, 0);
}

static bool is_wanted(const struct leaks *l, const struct scope *scope,
		      const struct finding *f)
{
	return leaks_kinds(l->options->kinds) >> f->kind & 1 && f->blocks &&
	       scope->process[f->process] &&
	       (!scope->stacks || scope->stacks[f->stack]) &&
	       f->bytes + f->held_bytes >= l->options->least &&
	       is_of_module(l, f->stack);
}

int leaks_open(struct leaks *l, const struct profile *p, const struct findings *f,
	       const struct leaks_options *o)
{
	_cleanup_(scope_done) struct scope scope;
	int r;

	*l = (struct leaks){
		.profile = p, .findings = f, .options = o, .snapshot = FINDING_NONE};
	r = scope_init(&scope, p, &o->scope);
	if (r < 0)
		return r;
	l->owners = frames_owners_open(p);
	l->runtime = runtime_open(p);
	l->shown = malloc((f->count + 1) * sizeof(*l->shown));
	if (!l->owners || !l->runtime || !l->shown)
		return -ENOMEM;
	for (size_t i = 0; i < f->count; i++)
		if (is_wanted(l, &scope, &f->items[i])) {
			l->shown[l->count++] = (uint32_t)i;
			l->sum.blocks += f->items[i].blocks;
			l->sum.bytes += f->items[i].bytes;
		}
	return 0;
}

void leaks_done(struct leaks *l)
{
	if (l->snapshot != FINDING_NONE)
		held_done(&l->held);
	frames_owners_close(l->owners);
	runtime_close(l->runtime);
	free(l->shown);
	*l = (struct leaks){.snapshot = FINDING_NONE};
}

/* ---- why ----------------------------------------------------------------- */

const char *leaks_meaning(enum leak_kind kind)
{
	static const char *const meanings[LEAK_KINDS] = {
		[LEAK_DEFINITE] = "nothing points at it",
		[LEAK_CYCLE] = "only the ring that it is in holds it",
		[LEAK_INDIRECT] = "only lost blocks hold it",
		[LEAK_POSSIBLE] = "only doubtful pointers lead to it",
		[LEAK_UNSCANNED] = "never freed; nobody could look who holds it",
		[LEAK_EXITED] = "only frames that the exit has left hold it",
		[LEAK_YOUNG] =
			"nothing points at it, but one look is no proof: it lives on",
		[LEAK_REACHABLE] = "still held",
		[LEAK_RUNTIME] =
			"the loader's, libc's, the C++ runtime's or Python's own",
		[LEAK_INHERITED] = "its parent's at the fork",
		[LEAK_SUPPRESSED] = "suppressed",
	};

	return kind < LEAK_KINDS ? meanings[kind] : "";
}

/* The graph that the finding is of. */
static int open_graph(struct leaks *l, const struct finding *f)
{
	char number[24];
	struct held_options o = {.path = l->options->path, .snapshot = number};
	const char *why;
	int r;

	if (l->snapshot == f->snapshot)
		return 0;
	if (l->snapshot != FINDING_NONE)
		held_done(&l->held);
	l->snapshot = FINDING_NONE;
	snprintf(number, sizeof(number), "%u", f->snapshot + 1);
	r = held_open(&l->held, l->profile, &o, &why);
	if (r < 0)
		held_done(&l->held);
	else
		l->snapshot = f->snapshot;
	return r;
}

static bool is_held(const struct finding *f)
{
	return f->kind == LEAK_POSSIBLE || f->kind == LEAK_EXITED ||
	       f->kind == LEAK_REACHABLE;
}

static int join(const char *meaning, const char *more, char **ret)
{
	if (asprintf(ret, "%s%s%s", meaning, *more ? ": " : "", more) < 0) {
		*ret = NULL;
		return -ENOMEM;
	}
	return 0;
}

static int reason_held(struct leaks *l, const struct finding *f, char **ret)
{
	_cleanup_(freep) char *line = NULL;
	uint32_t block;
	int r = open_graph(l, f);

	if (r < 0)
		return r;
	block = heap_blocks_at(&l->held.graph->blocks, f->address);
	if (block != HEAP_NONE)
		r = chain_line(&l->held, block, &line);
	if (r < 0)
		return r;
	if (!line && f->disproved)
		return join("nothing points at it, but its like was called lost before "
			    "and freed later",
			    "", ret);
	if (!line && f->kind == LEAK_REACHABLE)
		line = strdup("the program declared it no leak");
	return join(leaks_meaning(f->kind), line ? line : "", ret);
}

int leaks_reason(struct leaks *l, const struct finding *f, char **ret)
{
	static const char immortal[] = "Python never frees them: they are immortal";
	const char *more = "", *why;
	char text[1024];

	*ret = NULL;
	if (is_held(f) && f->snapshot != FINDING_NONE)
		return reason_held(l, f, ret);
	if (f->kind == LEAK_UNSCANNED)
		more = l->findings->cause;
	else if (f->kind == LEAK_RUNTIME)
		more = (why = runtime_reason(l->runtime, f->stack)) ? why : immortal;
	else if (f->leader != FINDING_NONE && &l->findings->items[f->leader] != f)
		more = frames_site(l->owners, l->findings->items[f->leader].stack, text,
				   sizeof(text));
	return join(leaks_meaning(f->kind), more, ret);
}

#include "cli/report/held.h"

#include "cli/base/cleanup.h"
#include "cli/base/units.h"
#include "cli/heap/reach.h"
#include "cli/report/types.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- which snapshot ------------------------------------------------------ */

static int32_t pid_of(const struct profile *p, uint32_t serial)
{
	for (size_t i = 0; i < p->process_count; i++)
		if (p->processes[i].serial == serial)
			return p->processes[i].pid;
	return 0;
}

static bool is_meant(const struct profile *p, size_t i, const struct held_options *o)
{
	const struct profile_snapshot *s = &p->snapshots[i];
	char number[24];

	if (o->pid && pid_of(p, s->process_serial) != o->pid)
		return false;
	snprintf(number, sizeof(number), "%zu", i + 1);
	return !o->snapshot || !strcmp(o->snapshot, number) ||
	       (*o->snapshot &&
		!strcmp(o->snapshot, strings_get(&p->strings, s->name)));
}

/* The last that is meant, rather one that was scanned; of several processes of one
 * run, rather the one with most blocks is nobody's guess: the last. */
static int choose(struct held *h, const struct held_options *o, const char **ret_why)
{
	const struct profile *p = h->profile;
	bool any = false;

	for (size_t i = p->snapshot_count; i-- > 0;) {
		if (!is_meant(p, i, o))
			continue;
		if (!p->snapshots[i].cause) {
			h->snapshot = &p->snapshots[i];
			h->number = i;
			return 0;
		}
		if (!any)
			*ret_why = strings_get(&p->strings, p->snapshots[i].cause);
		any = true;
	}
	if (!any)
		*ret_why = NULL;
	return -ENODATA;
}

/* Behind the end of its interpreter a process has few objects left: the snapshot of that
 * is taken instead. */
static void step_back(struct held *h, const struct held_options *o)
{
	const struct profile *p = h->profile;

	if (!o->typed || o->snapshot)
		return;
	for (size_t i = h->number; i-- > 0;) {
		const struct profile_snapshot *s = &p->snapshots[i];

		if (s->process_serial != h->snapshot->process_serial || s->cause ||
		    strcmp(strings_get(&p->strings, s->name), HELD_FINALISATION) != 0)
			continue;
		h->snapshot = s;
		h->number = i;
		return;
	}
}

/* What nobody holds, but the program has declared no leak, and what that holds. */
static int add_ignored(struct held *h)
{
	static const struct heap_levels none = {
		.kind = {[0 ... HEAP_KINDS - 1] = HEAP_UNREACHED}};
	const struct heap_graph *g = h->graph;
	_cleanup_(freep) uint8_t *level = NULL;
	int r;

	if (!h->stored.ignored.count)
		return 0;
	level = malloc(g->blocks.count + 1);
	if (!level)
		return -ENOMEM;
	r = heap_reach(g, &none, h->stored.ignored.items, h->stored.ignored.count,
		       level);
	for (size_t i = 0; !r && i < g->blocks.count; i++)
		if (h->level[i] == HEAP_UNREACHED && level[i] != HEAP_UNREACHED)
			h->level[i] = HELD_IGNORED;
	return r;
}

static uint32_t only_thread(const struct held *h)
{
	const struct profile *p = h->profile;
	uint32_t found = 0;

	for (size_t i = 0; i < p->thread_count; i++) {
		if (p->threads[i].process_serial != h->snapshot->process_serial)
			continue;
		if (found)
			return 0;
		found = 1 + (uint32_t)i;
	}
	return found;
}

/* What held_keep() was given. */
static struct held kept;

void held_keep(struct held *h)
{
	held_done(&kept);
	kept = *h;
	*h = (struct held){0};
}

/* Moves what is kept of h's snapshot, if anything is. */
static bool take_kept(struct held *h)
{
	if (!kept.graph || kept.profile != h->profile || kept.number != h->number)
		return false;
	*h = kept;
	h->graph = &h->stored.graph;
	kept = (struct held){0};
	return true;
}

int held_open(struct held *h, const struct profile *p, const struct held_options *o,
	      const char **ret_why)
{
	int r;

	*h = (struct held){.profile = p};
	r = choose(h, o, ret_why);
	if (!r && take_kept(h))
		return 0;
	if (!r)
		step_back(h, o);
	if (!r)
		r = heap_store_load(o->path, p, h->number, &h->stored);
	if (!r && !o->forwards)
		r = heap_graph_invert(&h->stored.graph);
	if (r)
		return r;
	h->graph = &h->stored.graph;
	h->only_thread = only_thread(h);
	h->level = malloc(h->graph->blocks.count + 1);
	h->owners = frames_owners_open(p);
	if (!h->level || !h->owners)
		return -ENOMEM;
	r = heap_reach(h->graph, &heap_levels_usual, NULL, 0, h->level);
	return r ? r : add_ignored(h);
}

void held_done(struct held *h)
{
	heap_stored_done(&h->stored);
	frames_owners_close(h->owners);
	free(h->level);
	*h = (struct held){0};
}

bool held_is_inherited(const struct held *h, uint32_t block)
{
	return h->graph->inherited && h->graph->inherited[block];
}

const struct profile_thread *held_thread(const struct held *h, uint32_t block)
{
	const struct profile *p = h->profile;
	uint32_t thread = h->graph->threads ? h->graph->threads[block] : 0;

	if (!thread && !held_is_inherited(h, block))
		thread = h->only_thread;
	return thread && thread <= p->thread_count ? &p->threads[thread - 1] : NULL;
}

/* ---- names --------------------------------------------------------------- */

const char *held_site(const struct held *h, uint32_t block, char *buffer, size_t room)
{
	static const char mapping[] = "mapping by ", chunk[] = "chunk by ";
	const struct heap_block *b = &h->graph->blocks.items[block];
	size_t len = 0;

	if (b->flags & HEAP_MAPPED && room > sizeof(mapping))
		len = (size_t)sprintf(buffer, "%s", mapping);
	if (b->flags & HEAP_CHUNK && room > sizeof(chunk))
		len = (size_t)sprintf(buffer, "%s", chunk);
	frames_site(h->owners, b->site, buffer + len, room - len);
	return buffer;
}

const char *held_type_name(const struct held *h, uint32_t block)
{
	const struct heap_types *t = &h->graph->types;
	uint32_t type = heap_types_what(t, block)->type;

	return type ? strings_get(&h->stored.roots.names, t->items[type].name) : "";
}

const char *held_type(const struct held *h, uint32_t block, char *buffer, size_t room)
{
	static const char *const parts[HEAP_PARTS] = {
		[HEAP_ITEMS] = " (items)",   [HEAP_KEYS] = " (keys)",
		[HEAP_VALUES] = " (values)", [HEAP_TABLE] = " (table)",
		[HEAP_BUFFER] = " (bytes)",
	};
	const struct heap_types *t = &h->graph->types;
	const struct heap_what *w = heap_types_what(t, block);
	const char *part = parts[w->part] ? parts[w->part] : "";
	uint32_t called = heap_types_called(t, block);
	const char *quote = called ? "`" : "";

	snprintf(buffer, room, "%s%s%s%s%s%s", held_type_name(h, block),
		 w->state & HEAP_UNUSED ? " (unused)" : part, called ? " " : "", quote,
		 strings_get(&h->stored.roots.names, called), quote);
	return buffer;
}

const char *held_block(const struct held *h, uint32_t block, char *buffer, size_t room)
{
	size_t len = strlen(held_type(h, block, buffer, room));

	if (len && len + 2 < room)
		len += (size_t)sprintf(buffer + len, "  ");
	held_site(h, block, buffer + len, room - len);
	return buffer;
}

const char *held_kind(enum heap_kind kind)
{
	static const char *const names[HEAP_KINDS] = {
		[HEAP_GLOBAL] = "static variable",
		[HEAP_TLS] = "thread-local storage",
		[HEAP_STACK] = "stack",
		[HEAP_REGISTER] = "register",
		[HEAP_MAPPING] = "mapping",
		[HEAP_VECTOR] = "vector register",
		[HEAP_EXITED] = "frame of the exit",
		[HEAP_REGION] = "root region",
		[HEAP_KERNEL] = "kernel",
	};

	return kind < HEAP_KINDS ? names[kind] : "";
}

static const char *const registers[] = {
	"r15",	  "r14", "r13", "r12",	   "rbp",     "rbx", "r11",	 "r10", "r9",
	"r8",	  "rax", "rcx", "rdx",	   "rsi",     "rdi", "orig_rax", "rip", "cs",
	"eflags", "rsp", "ss",	"fs_base", "gs_base", "ds",  "es",	 "fs",	"gs"};

/* "main() local `table`" and the offset in it, or its frame alone. */
static void put_local(const struct held *h, const struct heap_area *a, uint64_t offset,
		      char *buffer, size_t room)
{
	const char *function = strings_get(&h->stored.roots.names, a->function);
	const char *name = strings_get(&h->stored.roots.names, a->name);
	const char *call = strpbrk(function, "(+") ? "" : "()";
	char into[24] = "";

	if (offset)
		snprintf(into, sizeof(into), "+0x%" PRIx64, offset);
	if (*name)
		snprintf(buffer, room, "%s%s local `%s`%s", function, call, name, into);
	else
		snprintf(buffer, room, "frame of %s%s%s", function, call, into);
}

static void put_register(const struct heap_area *a, uint64_t at, const char *name,
			 char *buffer, size_t room)
{
	size_t i = at / HEAP_WORD;

	if (i < sizeof(registers) / sizeof(*registers) && a->end == sizeof(registers))
		snprintf(buffer, room, "register %s", registers[i]);
	else
		snprintf(buffer, room, "%s", name);
}

/* A variable, or (names of variables have no blanks) what the place is called. */
static void put_thread_local(const struct heap_area *a, const char *name, uint64_t at,
			     char *buffer, size_t room)
{
	uint64_t offset = at - a->start;

	if (!strncmp(name, "pthread key ", 12) || !offset)
		snprintf(buffer, room, "%s", name);
	else
		snprintf(buffer, room, "%s+0x%" PRIx64, name, offset);
}

static void put_global(const struct heap_area *a, const char *name, const char *module,
		       uint64_t at, char *buffer, size_t room)
{
	uint64_t offset = at - a->start;

	if (*name && offset)
		snprintf(buffer, room, "%s+0x%" PRIx64 " in %s", name, offset, module);
	else if (*name)
		snprintf(buffer, room, "%s in %s", name, module);
	else
		snprintf(buffer, room, "data of %s at 0x%" PRIx64, module, at);
}

const char *held_root(const struct held *h, const struct heap_root *root, char *buffer,
		      size_t room)
{
	const struct heap_area *a = &h->graph->areas[root->area];
	const char *name = strings_get(&h->stored.roots.names, a->name);
	const char *owner = strings_get(&h->stored.roots.names, a->owner);
	char thread[80] = "", place[700] = "", local[900] = "";

	if (a->tid)
		snprintf(thread, sizeof(thread), " of thread %d (%s)", a->tid, owner);
	if (a->kind == HEAP_GLOBAL) {
		put_global(a, name, frames_base(owner), root->at, buffer, room);
		return buffer;
	}
	if (a->kind == HEAP_KERNEL) {
		if (root->at != UINT64_MAX && !a->tid)
			snprintf(local, sizeof(local), " %" PRIu64, root->at);
		snprintf(buffer, room, "%s%s%s", name, local, thread);
		return buffer;
	}
	if (a->kind == HEAP_TLS && a->start) {
		put_thread_local(a, name, root->at, place, sizeof(place));
		snprintf(buffer, room, "%s%s", place, thread);
		return buffer;
	}
	if (!a->start)
		put_register(a, root->at, name, place, sizeof(place));
	if (a->function) {
		put_local(h, a, a->start ? root->at - a->start : 0, local,
			  sizeof(local));
		snprintf(buffer, room, "%s%s%s%s", local,
			 strncmp(place, "register ", 9) ? "" : " in ",
			 strncmp(place, "register ", 9) ? "" : place, thread);
	} else if (!a->start) {
		snprintf(buffer, room, "%s%s", place, thread);
	} else {
		snprintf(buffer, room, "%s%s%s%s at 0x%" PRIx64, name, thread,
			 a->tid || !*owner ? "" : " ", a->tid ? "" : owner, root->at);
	}
	return buffer;
}

const char *held_place(const struct held *h, uint32_t edge, char *buffer, size_t room)
{
	const struct heap_edges *e = &h->graph->edges;

	if (heap_how(e->how[edge]) == HEAP_WITHIN)
		snprintf(buffer, room, "inside");
	else
		snprintf(buffer, room, "+%s%" PRIu64,
			 e->word[edge] == UINT32_MAX ? ">" : "",
			 (uint64_t)e->word[edge] * HEAP_WORD);
	return buffer;
}

const char *held_how(uint16_t how, char *buffer, size_t room)
{
	uint32_t into = heap_into(how);

	*buffer = '\0';
	switch (heap_how(how)) {
	case HEAP_INTERIOR:
		snprintf(buffer, room, ", %s%u bytes into it",
			 into == HEAP_INTO_MAX ? "at least " : "", into);
		break;
	case HEAP_PAST_END:
		snprintf(buffer, room, ", one past its end");
		break;
	case HEAP_TAG_LOW:
		snprintf(buffer, room, ", with %u in its low bits", into);
		break;
	case HEAP_WITHIN:
		snprintf(buffer, room, ", which it lies in");
		break;
	case HEAP_DEAD:
		snprintf(buffer, room,
			 ", from beyond a stack's top, or what was freed");
		break;
	case HEAP_BORROWED:
		snprintf(buffer, room, ", which it does not count");
		break;
	case HEAP_TAG_HIGH:
		snprintf(buffer, room, ", with a tag in its high bits");
		break;
	default:
		break;
	}
	return buffer;
}

const char *held_level(uint8_t level)
{
	switch (level) {
	case HELD_SURE:
		return "held";
	case HELD_INSIDE:
		return "held by pointers into blocks";
	case HELD_WEAK:
		return "held by doubtful pointers alone";
	case HELD_EXITED:
		return "held by the frames that ended the process alone";
	case HELD_IGNORED:
		return "held by nobody, but declared no leak by the program";
	default:
		return "held by nobody";
	}
}

const char *held_level_word(uint8_t level)
{
	static const char *const words[] = {
		[HELD_SURE] = "sure",	    [HELD_INSIDE] = "inside",
		[HELD_WEAK] = "weak",	    [HELD_EXITED] = "exited",
		[HELD_IGNORED] = "ignored",
	};

	return level <= HELD_IGNORED ? words[level] : "no";
}

void held_heading(const struct held *h, FILE *out)
{
	const struct profile_snapshot *s = h->snapshot;
	const char *name = strings_get(&h->profile->strings, s->name);

	fprintf(out, "Snapshot %zu", h->number + 1);
	if (*name) {
		fputs(" '", out);
		text_put(out, name);
		fputs("'", out);
	}
	fprintf(out,
		" of process %d, %s at %s: %s blocks, %s, %s references, %s roots\n",
		(int)pid_of(h->profile, s->process_serial),
		s->kind == PROFILE_AT_EXIT ? "at its end" : "alive",
		units_duration(s->at_ns).text, units_count(s->blocks).text,
		units_size(s->bytes).text, units_count(s->edges).text,
		units_count(s->roots).text);
	if (s->lacking)
		fputs("Not all of its blocks were recorded: what they hold seems "
		      "lost.\n",
		      out);
	if (s->running)
		fprintf(out, "%u of its threads could not be stopped in time.\n",
			s->running);
}

/* ---- words --------------------------------------------------------------- */

static bool parse_address(const char *what, uint64_t *ret)
{
	char *end;

	if (strncmp(what, "0x", 2) != 0)
		return false;
	errno = 0;
	*ret = strtoull(what, &end, 16);
	return !*end && !errno && end > what + 2;
}

/* Whether a frame is of that function, file, or file:line. */
static bool is_frame(const struct profile *p, const struct profile_frame *f,
		     const char *what)
{
	const char *file = frames_base(strings_get(&p->strings, f->file));
	size_t len = strlen(file);
	char line[16];

	if (!strcmp(strings_get(&p->strings, f->function), what))
		return true;
	if (!len || strncmp(what, file, len) != 0)
		return false;
	snprintf(line, sizeof(line), ":%u", f->line);
	return !what[len] || !strcmp(what + len, line);
}

/* By stack: 1 if one of its frames, outwards, is meant. */
static uint8_t *stacks_meant(const struct profile *p, const char *what)
{
	uint8_t *is = calloc(p->stack_count, 1);

	for (size_t i = 1; is && i < p->stack_count; i++) {
		const struct profile_stack *s = &p->stacks[i];
		const struct profile_code *c = s->code ? &p->codes[s->code - 1] : NULL;

		is[i] = is[s->parent];
		for (uint32_t k = 0; c && !is[i] && k < c->frames; k++)
			is[i] = is_frame(p, &p->frames[c->first_frame + k], what);
	}
	return is;
}

static bool is_of_type(const struct held *h, uint32_t block, const char *type)
{
	const struct heap_what *w = heap_types_what(&h->graph->types, block);

	return w->type && w->part <= HEAP_TUPLE && !(w->state & HEAP_UNUSED) &&
	       types_match(type, held_type_name(h, block));
}

int held_find(const struct held *h, const char *what, uint32_t **ret, size_t *ret_count)
{
	const struct heap_blocks *b = &h->graph->blocks;
	_cleanup_(freep) uint32_t *found = malloc((b->count + 1) * sizeof(*found));
	_cleanup_(freep) uint8_t *meant = NULL;
	size_t n = 0;
	uint64_t address;

	if (!found)
		return -ENOMEM;
	if (parse_address(what, &address)) {
		uint32_t i = heap_blocks_around(b, address);

		if (i != HEAP_NONE)
			found[n++] = i;
	} else if (!strncmp(what, HELD_TYPE, strlen(HELD_TYPE))) {
		for (uint32_t i = 0; i < b->count; i++)
			if (is_of_type(h, i, what + strlen(HELD_TYPE)))
				found[n++] = i;
	} else {
		meant = stacks_meant(h->profile, what);
		if (!meant)
			return -ENOMEM;
		for (uint32_t i = 0; i < b->count; i++)
			if (meant[b->items[i].site])
				found[n++] = i;
	}
	*ret = take_ptr(found);
	*ret_count = n;
	return 0;
}

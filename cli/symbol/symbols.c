#include "cli/symbol/symbols.h"

#include "cli/base/array.h"
#include "cli/base/cleanup.h"
#include "cli/base/table.h"
#include "cli/symbol/crew.h"
#include "cli/symbol/remap.h"
#include "cli/symbol/root.h"
#include "cli/symbol/source.h"

#include <errno.h>
#include <string.h>

/* Table keys of what is in no image: the first word tells it from an image's. */
#define KEY_MODULE (1ull << 62)
#define KEY_CUT (1ull << 63)

struct root {
	char *path;
	int fd; /* -1: our own */
};

struct image { /* one file, whatever number of modules is mapped from it */
	struct module *module;
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec changed;
	size_t root;
};

struct symbols {
	struct root *roots;
	struct image *images;
	uint32_t *modules; /* profile module -> image + 1; 0: none */
	size_t root_count, root_room, image_count, image_room, module_room;
	struct table files;	    /* file string -> image + 1 that named it first */
	struct cache *cache;	    /* or NULL */
	struct debugserver *server; /* or NULL */
	struct remap remap;
	symbols_progress *progress;
	void *progress_arg;
};

int symbols_open(struct symbols **ret)
{
	struct symbols *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	*ret = s;
	return 0;
}

void symbols_close(struct symbols *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->image_count; i++)
		module_close(s->images[i].module);
	for (size_t i = 0; i < s->root_count; i++) {
		free(s->roots[i].path);
		closep(&s->roots[i].fd);
	}
	free(s->images);
	free(s->roots);
	free(s->modules);
	table_done(&s->files);
	cache_close(s->cache);
	debugserver_close(s->server);
	remap_done(&s->remap);
	free(s);
}

int symbols_ask_servers(struct symbols *s)
{
	return s->server ? 0 : debugserver_open(&s->server);
}

int symbols_server_error(const struct symbols *s)
{
	return s->server ? debugserver_error(s->server) : 0;
}

int symbols_source_paths(struct symbols *s, const char *rules)
{
	return remap_add_lines(&s->remap, rules);
}

void symbols_use_cache(struct symbols *s)
{
	if (!s->cache)
		cache_open(&s->cache);
}

void symbols_on_progress(struct symbols *s, symbols_progress *progress, void *arg)
{
	s->progress = progress;
	s->progress_arg = arg;
}

/* ---- modules -------------------------------------------------------------- */

/* Number of a root directory, held open from its first use on. */
static int root_number(struct symbols *s, const char *path, size_t *ret)
{
	struct root *root;
	int r;

	path = path ? path : "";
	for (*ret = 0; *ret < s->root_count; (*ret)++)
		if (!strcmp(s->roots[*ret].path, path))
			return 0;
	if (array_reserve(&s->roots, &s->root_room, s->root_count + 1))
		return -ENOMEM;
	root = &s->roots[s->root_count];
	root->path = strdup(path);
	if (!root->path)
		return -ENOMEM;
	r = root_hold(path, &root->fd);
	if (r) {
		free(root->path);
		return r;
	}
	s->root_count++;
	return 0;
}

static bool same_file(const struct image *i, const struct stat *st)
{
	return i->dev == st->st_dev && i->ino == st->st_ino && i->size == st->st_size &&
	       i->changed.tv_sec == st->st_mtim.tv_sec &&
	       i->changed.tv_nsec == st->st_mtim.tv_nsec;
}

/* Number of the image of an open file, which is ours from now on. */
static int image_of(struct symbols *s, int fd, size_t root, const char *path,
		    uint32_t *ret)
{
	_cleanup_(closep) int owned = fd;
	struct image *image;
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return -errno;
	for (size_t i = s->image_count; i-- > 0;)
		if (same_file(&s->images[i], &st)) {
			*ret = (uint32_t)i;
			return 0;
		}
	if (array_reserve(&s->images, &s->image_room, s->image_count + 1))
		return -ENOMEM;
	image = &s->images[s->image_count];
	r = module_open(take_fd(owned), s->roots[root].fd, path, &image->module);
	if (r)
		return r;
	module_ask_server(image->module, s->server);
	image->dev = st.st_dev;
	image->ino = st.st_ino;
	image->size = st.st_size;
	image->changed = st.st_mtim;
	image->root = root;
	*ret = (uint32_t)s->image_count++;
	return 0;
}

/* The image at path, if it is the one recorded. An image that is not stays, as others
 * may want it. */
static int image_at(struct symbols *s, size_t root, const char *path,
		    const struct debugfile_id *id, uint32_t *ret)
{
	int fd = root_open(s->roots[root].fd, path, NULL), r;

	if (fd < 0)
		return fd;
	r = image_of(s, fd, root, path, ret);
	if (!r && id->len && !debugfile_same_id(id, module_id(s->images[*ret].module)))
		r = -ESTALE;
	return r;
}

/* Where the file is gone: its debug file, or a copy of it, under its build-id. */
static int image_by_id(struct symbols *s, size_t root, const char *path,
		       const struct debugfile_id *id, uint32_t *ret)
{
	int fd = debugfile_by_id(s->roots[root].fd, id, ".debug");

	if (fd < 0)
		fd = debugfile_by_id(s->roots[root].fd, id, "");
	if (fd < 0 && s->server)
		fd = debugserver_find(s->server, id);
	return fd < 0 ? fd : image_of(s, fd, root, path, ret);
}

int symbols_module(struct symbols *s, size_t index, const char *path, const char *root,
		   const char *build_id)
{
	struct debugfile_id id = debugfile_id_parse(build_id);
	uint32_t image;
	size_t number;
	int r;

	if (array_reserve(&s->modules, &s->module_room, index + 1))
		return -ENOMEM;
	if (s->modules[index])
		return 0;
	if (!strchr(path, '/')) /* linux-vdso.so.1 */
		return -ENOENT;
	r = root_number(s, root, &number);
	if (r)
		return r;
	r = image_at(s, number, path, &id, &image);
	if (r && image_by_id(s, number, path, &id, &image))
		return r;
	s->modules[index] = image + 1;
	return 0;
}

size_t symbols_lacking(const struct symbols *s, size_t index)
{
	uint32_t image = index < s->module_room ? s->modules[index] : 0;

	return image ? module_lacking(s->images[image - 1].module) : 0;
}

/* ---- resolving ------------------------------------------------------------ */

struct query {
	uint64_t address; /* in the file */
	uint32_t image, code;
};

struct resolver {
	struct symbols *s;
	struct profile *p;
	struct query *queries;
	size_t query_count, query_room;
	struct table codes; /* place -> code + 1 */
	uint32_t unknown;   /* the frame that nothing is known of */
};

static void resolver_done(struct resolver *r)
{
	free(r->queries);
	table_done(&r->codes);
}

/* What names the place of a stack's innermost frame; its image + 1, or 0, in *ret. */
static struct table_key place_of(struct resolver *r, const struct profile_stack *st,
				 uint32_t *ret_image)
{
	uint32_t module = st->module, image = 0;
	uint64_t address = st->flags & PROFILE_STACK_EXACT ? st->pc : st->pc - 1;

	*ret_image = 0;
	if (st->flags & PROFILE_STACK_CUT)
		return (struct table_key){KEY_CUT, st->pc};
	if (module && module <= r->p->module_count && module <= r->s->module_room)
		image = r->s->modules[module - 1];
	if (!image)
		return (struct table_key){KEY_MODULE | module, address};
	*ret_image = image;
	return (struct table_key){image - 1, address - r->p->modules[module - 1].bias};
}

static int code_add(struct resolver *r, struct table_key place, uint32_t image,
		    uint32_t *ret)
{
	struct profile *p = r->p;
	bool fresh;
	uint64_t *code = table_put(&r->codes, place, &fresh);

	if (!code || array_reserve(&p->codes, &p->code_room, p->code_count + 1) ||
	    array_reserve(&r->queries, &r->query_room, r->query_count + 1))
		return -ENOMEM;
	if (!*code) {
		if (p->code_count >= UINT32_MAX - 1)
			return -ENOMEM;
		p->codes[p->code_count++] = (struct profile_code){r->unknown, 1};
		*code = p->code_count;
		if (image)
			r->queries[r->query_count++] =
				(struct query){place.b, image - 1, (uint32_t)*code - 1};
	}
	*ret = (uint32_t)*code;
	return 0;
}

static int frame_unknown(struct resolver *r)
{
	struct profile *p = r->p;

	if (array_reserve(&p->frames, &p->frame_room, p->frame_count + 1) ||
	    p->frame_count >= UINT32_MAX)
		return -ENOMEM;
	r->unknown = (uint32_t)p->frame_count;
	p->frames[p->frame_count++] = (struct profile_frame){0};
	return 0;
}

/* Gives every stack a code, unknown at first: whatever fails later, p is sound. */
static int list_queries(struct resolver *r)
{
	struct profile *p = r->p;
	bool any = false;

	for (size_t i = 1; i < p->stack_count; i++) {
		uint32_t image;
		struct table_key place = place_of(r, &p->stacks[i], &image);
		uint64_t *code;

		if (!p->stacks[i].code) {
			any = true;
			continue;
		}
		code = table_put(&r->codes, place, NULL);
		if (!code)
			return -ENOMEM;
		*code = p->stacks[i].code;
	}
	if (!any)
		return 0;
	if (frame_unknown(r))
		return -ENOMEM;
	for (size_t i = 1; i < p->stack_count; i++) {
		uint32_t image;
		struct table_key place = place_of(r, &p->stacks[i], &image);

		if (!p->stacks[i].code && code_add(r, place, image, &p->stacks[i].code))
			return -ENOMEM;
	}
	return 0;
}

static int by_image(const void *a, const void *b)
{
	const struct query *x = a, *y = b;

	if (x->image != y->image)
		return x->image < y->image ? -1 : 1;
	return x->code < y->code ? -1 : x->code > y->code;
}

/* Answers on their way into the profile. */
struct takeover {
	struct resolver *r;
	const struct answers *from;
	uint32_t image;
	uint32_t *strings; /* of the answers' strings: the profile's + 1; 0: not yet */
};

static int take_string(struct takeover *t, uint32_t number, uint32_t *ret)
{
	const struct strings *from = &t->from->profile->strings;
	uint32_t *known;

	*ret = 0;
	if (!number || number >= from->count)
		return 0;
	known = &t->strings[number];
	if (!*known) {
		uint32_t added =
			strings_add(&t->r->p->strings, strings_get(from, number));

		if (added == UINT32_MAX)
			return -ENOMEM;
		*known = added + 1;
	}
	*ret = *known - 1;
	return 0;
}

static int take_frame(struct takeover *t, const struct profile_frame *from,
		      struct profile_frame *to)
{
	uint64_t *image;

	*to = *from;
	if (take_string(t, from->function, &to->function) ||
	    take_string(t, from->linkage, &to->linkage) ||
	    take_string(t, from->file, &to->file))
		return -ENOMEM;
	if (!to->file)
		return 0;
	image = table_put(&t->r->s->files, (struct table_key){to->file, 0}, NULL);
	if (!image)
		return -ENOMEM;
	if (!*image)
		*image = t->image + 1ull;
	return 0;
}

static int take_code(struct takeover *t, const struct query *q)
{
	const struct profile *from = t->from->profile;
	size_t number = answers_find(t->from, q->address), first;
	struct profile *p = t->r->p;
	struct profile_code code;

	if (number == SIZE_MAX)
		return 0;
	code = from->codes[number];
	first = p->frame_count;
	if (first > UINT32_MAX - code.frames ||
	    array_reserve(&p->frames, &p->frame_room, first + code.frames))
		return -ENOMEM;
	for (size_t i = 0; i < code.frames; i++)
		if (take_frame(t, &from->frames[code.first_frame + i],
			       &p->frames[first + i]))
			return -ENOMEM;
	p->frame_count += code.frames;
	p->codes[q->code] = (struct profile_code){(uint32_t)first, code.frames};
	return 0;
}

static int take_job(struct resolver *r, const struct crew_job *job,
		    const struct query *queries)
{
	struct takeover t = {.r = r, .from = &job->answers, .image = queries->image};
	int e = 0;

	t.strings = calloc(job->answers.profile->strings.count + 1, sizeof(*t.strings));
	if (!t.strings)
		return -ENOMEM;
	for (size_t i = 0; i < job->count && !e; i++)
		e = take_code(&t, &queries[i]);
	free(t.strings);
	return e;
}

struct jobs {
	struct crew_job *items;
	size_t count;
	uint64_t *addresses; /* of all of them, as r->queries has them */
};

static void jobs_done(struct jobs *j)
{
	for (size_t i = 0; i < j->count; i++)
		answers_done(&j->items[i].answers);
	free(j->items);
	free(j->addresses);
}

/* A job for each image that is asked about. */
static int jobs_of(struct resolver *r, struct jobs *ret)
{
	ret->items = calloc(r->s->image_count + 1, sizeof(*ret->items));
	ret->addresses = calloc(r->query_count + 1, sizeof(*ret->addresses));
	if (!ret->items || !ret->addresses)
		return -ENOMEM;
	for (size_t i = 0; i < r->query_count; i++) {
		const struct query *q = &r->queries[i];

		ret->addresses[i] = q->address;
		if (!i || q->image != q[-1].image)
			ret->items[ret->count++] = (struct crew_job){
				.module = r->s->images[q->image].module,
				.addresses = &ret->addresses[i]};
		ret->items[ret->count - 1].count++;
	}
	return 0;
}

static int run_queries(struct resolver *r)
{
	_cleanup_(jobs_done) struct jobs jobs = {0};
	struct crew crew = {.cache = r->s->cache,
			    .progress = r->s->progress,
			    .progress_arg = r->s->progress_arg};
	int e;

	if (!r->query_count)
		return 0;
	qsort(r->queries, r->query_count, sizeof(*r->queries), by_image);
	e = jobs_of(r, &jobs);
	if (e)
		return e;
	crew.jobs = jobs.items;
	crew.count = jobs.count;
	e = crew_run(&crew);
	for (size_t i = 0; i < jobs.count && !e; i++)
		e = take_job(r, &jobs.items[i],
			     &r->queries[jobs.items[i].addresses - jobs.addresses]);
	return e;
}

/* An inline function is measured in each unit that has it: all its frames get the
 * furthest line. Frames from first on are new; older ones may be in a file already. */
static int agree_on_last_lines(struct profile *p, size_t first)
{
	_cleanup_(table_done) struct table lasts = {0};

	for (size_t i = 0; i < p->frame_count; i++) {
		const struct profile_frame *f = &p->frames[i];
		uint64_t *last;

		if (!f->function_first)
			continue;
		last = table_put(
			&lasts,
			(struct table_key){(uint64_t)f->function << 32 | f->file,
					   f->function_first},
			NULL);
		if (!last)
			return -ENOMEM;
		*last = f->function_last > *last ? f->function_last : *last;
	}
	for (size_t i = first; i < p->frame_count; i++) {
		struct profile_frame *f = &p->frames[i];

		if (f->function_first)
			f->function_last = (uint32_t)*table_get(
				&lasts, (struct table_key){(uint64_t)f->function << 32 |
								   f->file,
							   f->function_first});
	}
	return 0;
}

int symbols_resolve(struct symbols *s, struct profile *p)
{
	_cleanup_(resolver_done) struct resolver r = {.s = s, .p = p};
	size_t first = p->frame_count;
	int e = list_queries(&r);

	if (!e)
		e = run_queries(&r);
	if (!e)
		e = agree_on_last_lines(p, first);
	if (!e)
		p->symbolised = true;
	return e;
}

/* ---- a second chance ------------------------------------------------------ */

enum { FRAMES_SEEN = MODULE_MAX_FRAMES }; /* of a code; a file may claim more */

static bool is_whole(const struct profile_frame *f)
{
	return f->function && f->file && f->line;
}

/* How much is known of a code: names, and twice the lines. Whether that is all in
 * *ret_whole. */
static size_t known_of(const struct profile *p, uint32_t code, bool *ret_whole)
{
	const struct profile_code *c = &p->codes[code - 1];
	size_t count = c->frames < FRAMES_SEEN ? c->frames : FRAMES_SEEN, known = 0;

	*ret_whole = true;
	for (size_t i = 0; i < count; i++) {
		const struct profile_frame *f = &p->frames[c->first_frame + i];

		known += (f->function != 0) + 2 * (f->file && f->line);
		*ret_whole = *ret_whole && is_whole(f);
	}
	return known;
}

struct chance {		/* of one code */
	uint32_t known; /* + 1; 0: not looked at */
	bool whole;
};

struct chances {
	uint32_t *before;     /* of each stack: its code */
	struct chance *codes; /* of those that there were */
	size_t code_count, frame_count;
};

static void chances_done(struct chances *c)
{
	free(c->before);
	free(c->codes);
}

/* Takes the codes of which not all is known away from their stacks. */
static int chances_give(struct profile *p, struct chances *c)
{
	c->code_count = p->code_count;
	c->frame_count = p->frame_count;
	c->before = calloc(p->stack_count + 1, sizeof(*c->before));
	c->codes = calloc(p->code_count + 1, sizeof(*c->codes));
	if (!c->before || !c->codes)
		return -ENOMEM;
	for (size_t i = 1; i < p->stack_count; i++) {
		struct profile_stack *st = &p->stacks[i];
		struct chance *chance = st->code ? &c->codes[st->code - 1] : NULL;

		if (!chance)
			continue;
		if (!chance->known)
			chance->known =
				(uint32_t)known_of(p, st->code, &chance->whole) + 1;
		if (chance->whole)
			continue;
		c->before[i] = st->code;
		st->code = 0;
	}
	return 0;
}

/* Gives the old ones back where nothing better was found. How many codes are better
 * comes back. */
static size_t chances_judge(struct profile *p, const struct chances *c,
			    struct chance *fresh)
{
	size_t better = 0;

	for (size_t i = 1; i < p->stack_count; i++) {
		struct profile_stack *st = &p->stacks[i];
		uint32_t before = c->before[i];
		struct chance *now;

		if (!st->code || st->code <= c->code_count) {
			st->code = before ? before : st->code;
			continue;
		}
		now = &fresh[st->code - c->code_count - 1];
		if (!now->known) {
			now->known = (uint32_t)known_of(p, st->code, &now->whole) + 1;
			better +=
				now->known > (before ? c->codes[before - 1].known : 1);
		}
		if (before && now->known <= c->codes[before - 1].known)
			st->code = before;
	}
	return better;
}

struct kept {		 /* codes and frames that stacks have */
	uint32_t *codes; /* of each old code: the new one + 1; 0: none */
	struct profile_frame *frames;
	size_t code_count, frame_count;
	struct table runs; /* first frame and their number -> new first frame + 1 */
};

static void kept_done(struct kept *k)
{
	free(k->codes);
	free(k->frames);
	table_done(&k->runs);
}

/* Keeps a code's frames, once if several codes have the same. -ENOSPC: they overlap,
 * and would take more room than before. */
static int keep_frames(const struct profile *p, struct kept *k,
		       const struct profile_code *code, uint32_t *ret_first)
{
	struct table_key run = {code->first_frame, code->frames};
	uint64_t *first = table_put(&k->runs, run, NULL);

	if (!first)
		return -ENOMEM;
	if (!*first) {
		if (code->frames > p->frame_count - k->frame_count)
			return -ENOSPC;
		memcpy(k->frames + k->frame_count, p->frames + code->first_frame,
		       code->frames * sizeof(*k->frames));
		*first = k->frame_count + 1;
		k->frame_count += code->frames;
	}
	*ret_first = (uint32_t)*first - 1;
	return 0;
}

static int keep_codes(struct profile *p, struct kept *k, struct profile_code *codes)
{
	for (size_t i = 1; i < p->stack_count; i++)
		if (p->stacks[i].code)
			k->codes[p->stacks[i].code - 1] = 1;
	for (size_t i = 0; i < p->code_count; i++) {
		uint32_t first;
		int r;

		if (!k->codes[i])
			continue;
		r = keep_frames(p, k, &p->codes[i], &first);
		if (r)
			return r;
		codes[k->code_count++] =
			(struct profile_code){first, p->codes[i].frames};
		k->codes[i] = (uint32_t)k->code_count;
	}
	return 0;
}

/* Drops codes and frames that no stack has. */
static int drop_unused(struct profile *p)
{
	_cleanup_(kept_done) struct kept k = {
		.codes = calloc(p->code_count + 1, sizeof(*k.codes)),
		.frames = calloc(p->frame_count + 1, sizeof(*k.frames))};
	_cleanup_(freep) struct profile_code *codes =
		calloc(p->code_count + 1, sizeof(*codes));
	int r = k.codes && k.frames && codes ? keep_codes(p, &k, codes) : -ENOMEM;

	if (r)
		return r == -ENOSPC ? 0 : r; /* all is kept */
	memcpy(p->codes, codes, k.code_count * sizeof(*codes));
	memcpy(p->frames, k.frames, k.frame_count * sizeof(*k.frames));
	p->code_count = k.code_count;
	p->frame_count = k.frame_count;
	for (size_t i = 1; i < p->stack_count; i++)
		if (p->stacks[i].code)
			p->stacks[i].code = k.codes[p->stacks[i].code - 1];
	return 0;
}

int symbols_improve(struct symbols *s, struct profile *p, size_t *ret_better)
{
	_cleanup_(chances_done) struct chances c = {0};
	_cleanup_(freep) struct chance *fresh = NULL;
	size_t better;
	int r = chances_give(p, &c);

	if (!r)
		r = symbols_resolve(s, p);
	if (!r) {
		fresh = calloc(p->code_count - c.code_count + 1, sizeof(*fresh));
		r = fresh ? 0 : -ENOMEM;
	}
	if (r) {
		for (size_t i = 1; c.before && i < p->stack_count; i++)
			if (c.before[i])
				p->stacks[i].code = c.before[i];
		return r;
	}
	better = chances_judge(p, &c, fresh);
	r = drop_unused(p);
	if (!r)
		*ret_better = better;
	return r;
}

/* ---- sources -------------------------------------------------------------- */

static bool newer_than(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec != b->tv_sec ? a->tv_sec > b->tv_sec : a->tv_nsec > b->tv_nsec;
}

int symbols_sources(struct symbols *s, struct profile *p, struct symbols_sources *ret)
{
	_cleanup_(source_plan_done) struct source_plan plan = {0};
	struct symbols_sources found = {0};
	int r = source_plan_open(p, &s->remap, &plan);

	for (size_t i = 0, n; i < plan.count && !r; i += n) {
		struct source_range *ranges = &plan.ranges[i];
		uint64_t *number =
			table_get(&s->files, (struct table_key){ranges->file, 0});
		const struct image *image = number ? &s->images[*number - 1] : NULL;
		struct timespec changed = {0};
		uint64_t room = plan.room_bytes;

		for (n = 1; i + n < plan.count && ranges[n].file == ranges->file; n++)
			;
		r = source_embed(p, &s->remap, image ? s->roots[image->root].fd : -1,
				 ranges, n, &plan.room_bytes, &changed);
		if (r < 0 && r != -ENOMEM) {
			found.missing++;
			r = 0;
			continue;
		}
		found.files++;
		found.bytes += room - plan.room_bytes;
		if (image && newer_than(&changed, &image->changed)) {
			found.newer++;
			found.newer_file = ranges->file;
		}
	}
	if (!r)
		r = source_extend(p, &plan);
	if (!r && ret)
		*ret = found;
	return r;
}

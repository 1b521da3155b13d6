#include "cli/symbol/source.h"

#include "cli/base/array.h"
#include "cli/base/cleanup.h"
#include "cli/base/table.h"
#include "cli/symbol/root.h"

#include <errno.h>
#include <string.h>

/* ---- what is wanted ------------------------------------------------------- */

/* Code of the distribution's: its source helps nobody to find their own leak. */
static bool is_wanted(const char *path)
{
	static const char *const system[] = {"/usr/include/", "/usr/lib", "/usr/share/",
					     "/lib",	      "/proc/",	  "/sys/",
					     "/dev/"};

	for (size_t i = 0; i < sizeof(system) / sizeof(*system); i++)
		if (!strncmp(path, system[i], strlen(system[i])))
			return false;
	return *path == '/';
}

static int by_place(const void *a, const void *b)
{
	const struct source_range *x = a, *y = b;

	if (x->file != y->file)
		return x->file < y->file ? -1 : 1;
	if (x->first != y->first)
		return x->first < y->first ? -1 : 1;
	return x->last > y->last ? -1 : x->last < y->last;
}

static int range_add(struct source_plan *plan, struct source_range range)
{
	struct source_range *last = plan->count ? &plan->ranges[plan->count - 1] : NULL;

	if (last && !memcmp(last, &range, sizeof(range)))
		return 0; /* frames of one function often follow each other */
	if (array_reserve(&plan->ranges, &plan->room, plan->count + 1))
		return -ENOMEM;
	plan->ranges[plan->count++] = range;
	return 0;
}

static int list_frames(const struct profile *p, const struct remap *remap,
		       struct source_plan *plan)
{
	for (size_t i = 0; i < p->frame_count; i++) {
		const struct profile_frame *f = &p->frames[i];
		struct source_range range = {f->file, f->line, f->line, 0};
		const char *path = strings_get(&p->strings, f->file);

		if (f->function_first && f->function_first <= f->line) {
			range.first = f->function_first;
			if (f->function_last > range.last)
				range.last = f->function_last;
		}
		if (f->file && f->line &&
		    (is_wanted(path) || remap_applies(remap, path)) &&
		    range_add(plan, range))
			return -ENOMEM;
	}
	return 0;
}

static void merge(struct source_plan *plan)
{
	size_t kept = 0;

	if (!plan->count)
		return;
	qsort(plan->ranges, plan->count, sizeof(*plan->ranges), by_place);
	for (size_t i = 1; i < plan->count; i++) {
		struct source_range *last = &plan->ranges[kept],
				    *next = &plan->ranges[i];

		if (next->file == last->file && next->first - 1 <= last->last)
			last->last = next->last > last->last ? next->last : last->last;
		else
			plan->ranges[++kept] = *next;
	}
	plan->count = kept + 1;
}

/* The ranges of a, without those of b; both merged. */
static int subtract(const struct source_plan *a, const struct source_plan *b,
		    struct source_plan *ret)
{
	size_t at = 0;

	for (size_t i = 0; i < a->count; i++) {
		struct source_range rest = a->ranges[i];

		while (at < b->count && (b->ranges[at].file < rest.file ||
					 (b->ranges[at].file == rest.file &&
					  b->ranges[at].last < rest.first)))
			at++;
		for (size_t j = at; j < b->count && b->ranges[j].file == rest.file &&
				    b->ranges[j].first <= rest.last;
		     j++) {
			struct source_range before = rest;

			before.last = b->ranges[j].first - 1;
			if (before.first <= before.last && range_add(ret, before))
				return -ENOMEM;
			rest.first = b->ranges[j].last + 1;
			if (rest.first > rest.last)
				break;
		}
		if (rest.first <= rest.last && range_add(ret, rest))
			return -ENOMEM;
	}
	return 0;
}

static int list_present(const struct profile *p, struct source_plan *present)
{
	for (size_t i = 0; i < p->source_count; i++) {
		const struct profile_source *s = &p->sources[i];

		if (s->first && s->count && s->count <= UINT32_MAX - s->first &&
		    range_add(present,
			      (struct source_range){s->file, s->first,
						    s->first + s->count - 1, 0}))
			return -ENOMEM;
	}
	return 0;
}

int source_plan_open(const struct profile *p, const struct remap *remap,
		     struct source_plan *ret)
{
	_cleanup_(source_plan_done) struct source_plan wanted = {0}, present = {0};
	struct source_plan plan = {0};

	if (list_frames(p, remap, &wanted) || list_present(p, &present))
		return -ENOMEM;
	merge(&wanted);
	merge(&present);
	if (subtract(&wanted, &present, &plan)) {
		source_plan_done(&plan);
		return -ENOMEM;
	}
	plan.room_bytes = SOURCE_MAX_TOTAL_BYTES;
	for (size_t i = 0; i < p->source_count && plan.room_bytes; i++) {
		size_t len = strlen(strings_get(&p->strings, p->sources[i].text));

		plan.room_bytes -= len < plan.room_bytes ? len : plan.room_bytes;
	}
	*ret = plan;
	return 0;
}

void source_plan_done(struct source_plan *plan)
{
	free(plan->ranges);
	*plan = (struct source_plan){0};
}

enum { BRACE_LINES = 40 }; /* looked at for a function's closing brace */

/* ---- reading -------------------------------------------------------------- */

/* A relative path that no rule is about is relative to what nobody knows. */
static int open_source(const struct remap *remap, int root_fd, const char *path,
		       struct stat *ret_stat)
{
	char mapped[PATH_MAX_BYTES];

	for (size_t i = 0; i < remap->count; i++) {
		int fd = remap_apply(remap, i, path, mapped)
				 ? root_open(-1, mapped, ret_stat)
				 : -1;

		if (fd >= 0)
			return fd;
	}
	return *path == '/' ? root_open(root_fd, path, ret_stat) : -ENOENT;
}

/* Reads a whole text file, NUL-terminated, for the caller to free. */
static int read_text(const struct remap *remap, int root_fd, const char *path,
		     char **ret, size_t *ret_len, struct timespec *ret_changed)
{
	struct stat st;
	_cleanup_(closep) int fd = open_source(remap, root_fd, path, &st);
	_cleanup_(freep) char *text = NULL;
	size_t len = 0;
	ssize_t n;

	if (fd < 0)
		return fd;
	if (st.st_size > SOURCE_MAX_FILE_BYTES)
		return -EFBIG;
	text = malloc((size_t)st.st_size + 1);
	if (!text)
		return -ENOMEM;
	while (len < (size_t)st.st_size &&
	       (n = pread(fd, text + len, (size_t)st.st_size - len, (off_t)len)) > 0)
		len += (size_t)n;
	if (memchr(text, '\0', len))
		return -EILSEQ;
	text[len] = '\0';
	*ret = take_ptr(text);
	*ret_len = len;
	*ret_changed = st.st_mtim;
	return 0;
}

struct cursor { /* the start of a line */
	const char *at, *end;
	uint32_t line;
};

static void skip_line(struct cursor *c)
{
	const char *newline = memchr(c->at, '\n', (size_t)(c->end - c->at));

	c->at = newline ? newline + 1 : c->end;
	c->line++;
}

/* The text of a range, its last line ended even if the file does not end it. */
static uint32_t text_add(struct strings *strings, const char *start, const char *end)
{
	size_t len = (size_t)(end - start);
	_cleanup_(freep) char *ended = NULL;

	if (end[-1] == '\n')
		return strings_add_n(strings, start, len);
	ended = malloc(len + 1);
	if (!ended)
		return UINT32_MAX;
	memcpy(ended, start, len);
	ended[len] = '\n';
	return strings_add_n(strings, ended, len + 1);
}

static size_t indentation(const char *at, const char *end)
{
	size_t n = 0;

	while (at + n < end && (at[n] == ' ' || at[n] == '\t'))
		n++;
	return n;
}

/*
 * The cursor is behind the last line that has code. The closing brace may stand a few
 * lines further on (a return that was inlined away): goes behind it, if it comes before
 * the line `until` and is not indented more than the function's first line, at `start`.
 */
static void skip_to_brace(struct cursor *c, const char *start, uint32_t until)
{
	size_t most = indentation(start, c->end);
	struct cursor ahead = *c;

	for (int i = 0; i < BRACE_LINES && ahead.line < until && ahead.at < c->end;
	     i++) {
		size_t indent = indentation(ahead.at, ahead.end);
		const char *first = ahead.at + indent;

		skip_line(&ahead);
		if (first >= c->end || indent > most || *first == '\n' ||
		    (ahead.at - first > 1 && ahead.at[-2] == ':'))
			continue; /* blank, a statement, a label */
		if (*first == '}')
			*c = ahead;
		return;
	}
}

/* Adds what the file has of one range, from the cursor on. until: the next one's first
 * line. */
static int range_embed(struct profile *p, struct source_range *range, uint32_t until,
		       struct cursor *c, uint64_t *room_bytes)
{
	const char *start;
	uint32_t first, text;

	while (c->line < range->first && c->at < c->end)
		skip_line(c);
	start = c->at;
	first = c->line;
	while (c->line < range->last && c->at < c->end)
		skip_line(c);
	if (c->at < c->end) {
		struct cursor last = *c;

		skip_line(c);
		/* The last line itself may be the brace. */
		skip_to_brace(&last, start, range->last + 1);
		if (last.line != c->line)
			skip_to_brace(c, start, until);
	}
	range->end = c->line - 1;
	if (c->at == start)
		return 0;
	if (array_reserve(&p->sources, &p->source_room, p->source_count + 1))
		return -ENOMEM;
	text = text_add(&p->strings, start, c->at);
	if (text == UINT32_MAX)
		return -ENOMEM;
	p->sources[p->source_count++] =
		(struct profile_source){range->file, first, c->line - first, text};
	*room_bytes -= (uint64_t)(c->at - start);
	return 0;
}

int source_embed(struct profile *p, const struct remap *remap, int root_fd,
		 struct source_range *ranges, size_t count, uint64_t *room_bytes,
		 struct timespec *ret_changed)
{
	_cleanup_(freep) char *text = NULL;
	size_t len;
	struct cursor c = {.line = 1};
	int r = read_text(remap, root_fd, strings_get(&p->strings, ranges->file), &text,
			  &len, ret_changed);

	if (r)
		return r;
	if (len > *room_bytes)
		return -EFBIG;
	c.at = text;
	c.end = text + len;
	for (size_t i = 0; i < count && !r; i++)
		r = range_embed(p, &ranges[i],
				i + 1 < count ? ranges[i + 1].first : UINT32_MAX, &c,
				room_bytes);
	return r;
}

int source_extend(struct profile *p, const struct source_plan *plan)
{
	_cleanup_(table_done) struct table ends = {0};

	for (size_t i = 0; i < plan->count; i++) {
		const struct source_range *r = &plan->ranges[i];
		uint64_t *end;

		if (r->end <= r->last)
			continue;
		end = table_put(&ends, (struct table_key){r->file, r->last}, NULL);
		if (!end)
			return -ENOMEM;
		*end = r->end;
	}
	for (size_t i = 0; ends.count && i < p->frame_count; i++) {
		struct profile_frame *f = &p->frames[i];
		uint64_t *end =
			table_get(&ends, (struct table_key){f->file, f->function_last});

		if (end)
			f->function_last = (uint32_t)*end;
	}
	return 0;
}

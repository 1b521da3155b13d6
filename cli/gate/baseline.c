#include "cli/gate/baseline.h"

#include "cli/base/array.h"
#include "cli/base/cleanup.h"
#include "cli/base/contents.h"
#include "cli/base/table.h"
#include "cli/report/text.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define HEADER "# heapline baseline 1"

enum { PRINT_DIGITS = 16, WHERE = 400 };

void baseline_done(struct baseline *b)
{
	free(b->entries);
	strings_done(&b->texts);
	*b = (struct baseline){0};
}

static int add(struct baseline *b, uint64_t print, uint64_t blocks, uint64_t bytes,
	       const char *where, size_t len)
{
	uint32_t text = strings_add_n(&b->texts, where, len);

	if (text == UINT32_MAX ||
	    array_reserve(&b->entries, &b->room, b->count + 1) < 0)
		return -ENOMEM;
	b->entries[b->count++] = (struct baseline_entry){print, blocks, bytes,
							 strings_get(&b->texts, text)};
	return 0;
}

static int by_print(const void *a, const void *b)
{
	const struct baseline_entry *x = a, *y = b;

	return (x->print > y->print) - (x->print < y->print);
}

static void sort(struct baseline *b)
{
	if (b->count)
		qsort(b->entries, b->count, sizeof(*b->entries), by_print);
}

static uint64_t greater(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t less(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Of lines with one fingerprint the greater of each figure. Sorted. */
static void join_twins(struct baseline *b)
{
	size_t n = 0;

	for (size_t i = 0; i < b->count; i++) {
		struct baseline_entry *e = &b->entries[i];
		struct baseline_entry *last = n ? &b->entries[n - 1] : NULL;

		if (last && last->print == e->print) {
			last->blocks = greater(last->blocks, e->blocks);
			last->bytes = greater(last->bytes, e->bytes);
		} else {
			b->entries[n++] = *e;
		}
	}
	b->count = n;
}

const struct baseline_entry *baseline_find(const struct baseline *b, uint64_t print)
{
	struct baseline_entry key = {.print = print};

	return b->count ? bsearch(&key, b->entries, b->count, sizeof(key), by_print)
			: NULL;
}

/* ---- files ------------------------------------------------------------------- */

struct line {
	const char *at, *end;
};

static bool take_number(struct line *l, uint64_t *ret)
{
	const char *start = l->at;

	for (*ret = 0; l->at < l->end && *l->at >= '0' && *l->at <= '9'; l->at++) {
		if (*ret > (INT64_MAX - 9) / 10)
			return false;
		*ret = *ret * 10 + (uint64_t)(*l->at - '0');
	}
	return l->at > start && l->at < l->end && *l->at++ == ' ';
}

static bool take_print(struct line *l, uint64_t *ret)
{
	*ret = 0;
	if (l->end - l->at <= PRINT_DIGITS)
		return false;
	for (int i = 0; i < PRINT_DIGITS; i++) {
		static const char digits[] = "0123456789abcdef";
		const char *digit = memchr(digits, *l->at++, 16);

		if (!digit)
			return false;
		*ret = *ret << 4 | (uint64_t)(digit - digits);
	}
	return *ret && *l->at++ == ' ';
}

/* NULL, or what is wrong with the line. */
static const char *entry_line(struct baseline *b, struct line l, int *ret_err)
{
	uint64_t print, blocks, bytes;

	if (!memcmp(l.at, "<<<<<<<", 7) || !memcmp(l.at, "=======", 7) ||
	    !memcmp(l.at, ">>>>>>>", 7) || !memcmp(l.at, "|||||||", 7))
		return "a merge left its marks: keep the lines of both sides";
	if (!take_print(&l, &print) || !take_number(&l, &blocks) ||
	    !take_number(&l, &bytes))
		return "not a fingerprint, blocks, bytes and where";
	*ret_err = add(b, print, blocks, bytes, l.at, (size_t)(l.end - l.at));
	return NULL;
}

/* 0, or an error with *ret_line and *ret_what. text ends in a NUL. */
static int parse(struct baseline *b, const char *text, const char *end,
		 unsigned *ret_line, const char **ret_what)
{
	int err = 0;

	for (*ret_line = 1; text < end && !err; ++*ret_line) {
		const char *stop = memchr(text, '\n', (size_t)(end - text));
		struct line l = {text, stop ? stop : end};

		text = stop ? stop + 1 : end;
		while (l.end > l.at && l.end[-1] && strchr(" \t\r", l.end[-1]))
			l.end--;
		*ret_what = NULL;
		if (l.end - l.at > BASELINE_LINE)
			*ret_what = "a line of more than 4096 bytes";
		else if (memchr(l.at, '\0', (size_t)(l.end - l.at)))
			*ret_what = "not a text file";
		else if (*ret_line == 1)
			*ret_what = l.end - l.at == sizeof(HEADER) - 1 &&
						    !memcmp(l.at, HEADER,
							    sizeof(HEADER) - 1)
					    ? NULL
					    : "not a baseline: it begins with "
					      "\"" HEADER "\"";
		else if (l.at < l.end && *l.at != '#')
			*ret_what = entry_line(b, l, &err);
		if (*ret_what)
			return -EINVAL;
	}
	return err;
}

int baseline_parse(struct baseline *b, const char *name, const char *text, size_t len,
		   char *why, size_t room)
{
	/* Marks of a merge are looked for in seven bytes: they are there. */
	_cleanup_(freep) char *copy = calloc(1, len + 8);
	const char *what = "not a baseline: it is empty";
	unsigned line = 1;
	char clean[256];
	int r;

	*b = (struct baseline){0};
	if (!copy)
		return -ENOMEM;
	memcpy(copy, text, len);
	r = len ? parse(b, copy, copy + len, &line, &what) : -EINVAL;
	if (r == -EINVAL)
		snprintf(why, room, "%s:%u: %s", text_clean(name, clean, sizeof(clean)),
			 line, what);
	sort(b);
	join_twins(b);
	return r;
}

int baseline_read(struct baseline *b, const char *path, char *why, size_t room)
{
	_cleanup_(freep) char *text = NULL;
	size_t len;
	int r;

	*b = (struct baseline){0};
	r = contents_read(path, BASELINE_BYTES, &text, &len);
	if (r < 0)
		return r;
	if (len > BASELINE_BYTES)
		return -EFBIG;
	return baseline_parse(b, path, text, len, why, room);
}

static int by_where(const void *a, const void *b)
{
	const struct baseline_entry *x = *(const struct baseline_entry *const *)a;
	const struct baseline_entry *y = *(const struct baseline_entry *const *)b;
	int order = strcmp(x->where, y->where);

	return order ? order : by_print(x, y);
}

int baseline_text(const struct baseline *b, FILE *out)
{
	const struct baseline_entry **order = calloc(b->count + 1, sizeof(*order));

	if (!order)
		return -ENOMEM;
	for (size_t i = 0; i < b->count; i++)
		order[i] = &b->entries[i];
	qsort(order, b->count, sizeof(*order), by_where);
	fprintf(out,
		"%s\n# Leaks that may stay as they are: fingerprint, blocks, bytes, "
		"where.\n",
		HEADER);
	for (size_t i = 0; i < b->count; i++)
		fprintf(out, "%0*" PRIx64 " %" PRIu64 " %" PRIu64 " %s\n", PRINT_DIGITS,
			order[i]->print, order[i]->blocks, order[i]->bytes,
			order[i]->where);
	free(order);
	return 0;
}

/* Beside the file, whose permissions the new one gets. */
static int write_beside(const struct baseline *b, const char *path, char *beside)
{
	int fd = mkostemp(beside, O_CLOEXEC), r;
	mode_t mask = umask(0);
	struct stat st;
	FILE *out;

	umask(mask);
	if (fd < 0)
		return -errno;
	fchmod(fd, stat(path, &st) < 0 ? 0666 & ~mask : st.st_mode & 07777);
	out = fdopen(fd, "w");
	if (!out) {
		close(fd);
		return -ENOMEM;
	}
	r = baseline_text(b, out);
	if (ferror(out) && !r)
		r = -EIO;
	if (fclose(out) && !r)
		r = -errno;
	return r;
}

int baseline_write(const struct baseline *b, const char *path)
{
	_cleanup_(freep) char *real = realpath(path, NULL); /* NULL: it is new */
	_cleanup_(freep) char *beside = NULL;
	int r;

	path = real ? real : path;
	if (asprintf(&beside, "%s.XXXXXX", path) < 0)
		return -ENOMEM;
	r = write_beside(b, path, beside);
	if (!r && rename(beside, path) < 0)
		r = -errno;
	if (r < 0)
		unlink(beside);
	return r;
}

/* ---- findings ------------------------------------------------------------------ */

/* Adds a finding to the entry of its fingerprint. index: by fingerprint, entry + 1. */
static int count(struct baseline *b, struct table *index, const struct finding *f,
		 const struct fingerprint *print)
{
	uint64_t *at = table_put(index, (struct table_key){print->hash, 0}, NULL);
	char where[WHERE];

	if (!at)
		return -ENOMEM;
	if (!*at) {
		fingerprint_where(print, where, sizeof(where));
		if (add(b, print->hash, 0, 0, where, strlen(where)) < 0)
			return -ENOMEM;
		*at = b->count;
	}
	b->entries[*at - 1].blocks += f->blocks;
	b->entries[*at - 1].bytes += f->bytes;
	return 0;
}

int baseline_of(const struct profile *p, const struct findings *f, uint32_t kinds,
		struct baseline *ret, uint64_t *prints)
{
	_cleanup_(fingerprints_closep) struct fingerprints *names =
		fingerprints_open(p);
	struct table index = {0};
	int r = names ? 0 : -ENOMEM;

	*ret = (struct baseline){0};
	for (size_t i = 0; !r && i < f->count; i++) {
		struct fingerprint print;

		r = fingerprint_of(names, f->items[i].stack, &print);
		if (!r && prints)
			prints[i] = print.hash;
		if (!r && kinds & 1u << f->items[i].kind)
			r = count(ret, &index, &f->items[i], &print);
	}
	table_done(&index);
	sort(ret);
	return r;
}

/* ---- then and now ---------------------------------------------------------------- */

static enum baseline_state compare(const struct baseline_entry *was,
				   const struct baseline_entry *now)
{
	if (!was)
		return BASELINE_NEW;
	if (!now)
		return BASELINE_FIXED;
	return now->blocks > was->blocks || now->bytes > was->bytes
		       ? BASELINE_GROWN
		       : BASELINE_UNCHANGED;
}

enum baseline_state baseline_state(const struct baseline *was,
				   const struct baseline *now, uint64_t print)
{
	return compare(baseline_find(was, print), baseline_find(now, print));
}

struct baseline_sum baseline_sum(const struct baseline *was, const struct baseline *now)
{
	struct baseline_sum sum = {0};

	for (size_t i = 0; i < now->count; i++) {
		const struct baseline_entry *e = &now->entries[i];
		const struct baseline_entry *w = baseline_find(was, e->print);
		enum baseline_state state = compare(w, e);

		sum.states[state]++;
		sum.shrunk += state == BASELINE_UNCHANGED &&
			      (e->blocks < w->blocks || e->bytes < w->bytes);
	}
	for (size_t i = 0; i < was->count; i++)
		sum.states[BASELINE_FIXED] +=
			!baseline_find(now, was->entries[i].print);
	return sum;
}

int baseline_next(const struct baseline *was, const struct baseline *now, bool accept,
		  struct baseline *ret)
{
	int r = 0;

	*ret = (struct baseline){0};
	for (size_t i = 0; !r && i < now->count; i++) {
		const struct baseline_entry *e = &now->entries[i];
		const struct baseline_entry *w = baseline_find(was, e->print);
		uint64_t blocks = e->blocks, bytes = e->bytes;

		if (!accept && !w)
			continue;
		if (!accept) {
			blocks = less(blocks, w->blocks);
			bytes = less(bytes, w->bytes);
		}
		r = add(ret, e->print, blocks, bytes, e->where, strlen(e->where));
	}
	return r; /* in the order of now, which is sorted */
}

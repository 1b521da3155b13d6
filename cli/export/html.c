#include "cli/export/html.h"

#include "cli/base/cleanup.h"
#include "cli/export/html_bundle.h"
#include "cli/export/html_changes.h"
#include "cli/export/html_heap.h"
#include "cli/export/html_page.h"
#include "cli/export/html_pair.h"

#include <errno.h>
#include <string.h>

/* ---- around the data ------------------------------------------------------------- */

static void put_head(FILE *out, bool served)
{
	fprintf(out,
		HTML_START
		"<html lang=en%s>\n<head>\n<meta charset=utf-8>\n"
		"<meta http-equiv=Content-Security-Policy content=\"default-src "
		"'none'; %s"
		"script-src 'sha256-%s'; style-src 'sha256-%s'; img-src data:; "
		"base-uri 'none'; form-action 'none'\">\n"
		"<meta name=viewport content=\"width=device-width, initial-scale=1\">\n"
		"<meta name=referrer content=no-referrer>\n"
		"<link rel=icon href=\"data:,\">\n"
		"<title>heapline</title>\n<style>",
		served ? " data-from=server" : "", served ? "connect-src 'self'; " : "",
		html_bundle_script_sha256, html_bundle_style_sha256);
	fwrite(html_bundle_style, 1, html_bundle_style_bytes, out);
	fputs("</style>\n</head>\n<body>\n<div id=app><p class=loading>Reading the "
	      "profile ...</p></div>\n"
	      "<noscript><p>This page is a program: it shows nothing without "
	      "JavaScript. <code>heapline report</code> and <code>heapline "
	      "lines</code> show the same at a terminal.</p></noscript>\n",
	      out);
}

static void put_foot(FILE *out)
{
	fputs("<script>", out);
	fwrite(html_bundle_script, 1, html_bundle_script_bytes, out);
	fputs("</script>\n</body>\n</html>\n", out);
}

/* ---- one profile or two -------------------------------------------------------- */

struct book {
	struct html_page pages[ALIGN_SIDES];
	struct html_heap heaps[ALIGN_SIDES]; /* of a file */
	int count;
	struct html_pair pair;	  /* of two */
	struct html_heap changes; /* of a file of two */
	const struct html_options *options;
};

static struct html_pair_side side_of(const struct html_page *page)
{
	return (struct html_pair_side){&page->sums.view, &page->tree, &page->places};
}

static int put_pair(struct book *b)
{
	struct html_pair_side sides[] = {side_of(&b->pages[0]), side_of(&b->pages[1])};
	int err = html_pair_number(&b->pair, sides);

	if (err < 0)
		return err;
	html_pair_put(&b->pair, &b->pages[0].columns);
	for (int k = 0; k < b->count; k++)
		html_pair_put_side(&b->pair, k, &sides[k], &b->pages[k].columns);
	return b->pages[0].columns.err ? b->pages[0].columns.err
				       : b->pages[1].columns.err;
}

/* All columns, of trees that are at hand, to a copy of `to` for each profile. */
static int put_all(struct book *b, const struct columns *to)
{
	static const char *const prefixes[] = {NULL, HTML_SECOND};
	int err = 0;

	for (int k = 0; k < b->count && !err; k++) {
		b->pages[k].columns = *to;
		b->pages[k].columns.prefix = prefixes[k];
		err = html_page_put(&b->pages[k]);
		html_heap_put(&b->heaps[k], &b->pages[k].columns);
		if (!err)
			err = b->pages[k].columns.err;
	}
	if (err < 0 || b->count == 1)
		return err;
	html_heap_put(&b->changes, &b->pages[0].columns);
	return put_pair(b);
}

static int prepare_all(struct book *b)
{
	int err = 0;

	for (int k = 0; k < b->count && !err; k++)
		err = html_page_prepare(&b->pages[k]);
	return err;
}

/* A page with the trees at hand. */
static int make(struct book *b, char **ret, size_t *ret_len)
{
	int err = prepare_all(b);
	FILE *out;

	if (err < 0)
		return err;
	out = open_memstream(ret, ret_len);
	if (!out)
		return -ENOMEM;
	put_head(out, false);
	err = put_all(b, &(struct columns){.out = out});
	put_foot(out);
	if (fclose(out) && !err)
		err = -ENOMEM;
	return err;
}

static void forget_all(struct book *b)
{
	for (int k = 0; k < b->count; k++)
		html_page_forget(&b->pages[k]);
}

/* ---- the limit ------------------------------------------------------------------ */

static int find_shares(struct book *b, double *shares[ALIGN_SIDES])
{
	for (int k = 0; k < b->count; k++) {
		shares[k] = html_tree_shares(&b->pages[k].sums.view);
		if (!shares[k])
			return -ENOMEM;
	}
	return b->count > 1 ? html_pair_shares(&b->pair, shares) : 0;
}

/* What leaves so many nodes, of both together. */
static int find_least(const struct book *b, double *const shares[ALIGN_SIDES],
		      size_t wanted, double *ret)
{
	size_t count = 0;
	_cleanup_(freep) double *all = NULL;

	for (int k = 0; k < b->count; k++)
		count += b->pages[k].profile->stack_count;
	all = malloc((count + 1) * sizeof(*all));
	if (!all)
		return -ENOMEM;
	count = 0;
	for (int k = 0; k < b->count; k++) {
		size_t n = b->pages[k].profile->stack_count;

		memcpy(all + count, shares[k], n * sizeof(*all));
		count += n;
	}
	return html_tree_least(all, count, wanted, ret);
}

static int make_trees(struct book *b, double *const shares[ALIGN_SIDES], double least)
{
	int err = 0;

	for (int k = 0; k < b->count && !err; k++)
		err = html_tree_init(&b->pages[k].tree, &b->pages[k].sums.view,
				     shares[k], least);
	return err;
}

static size_t count_stacks(const struct book *b)
{
	size_t count = 0;

	for (int k = 0; k < b->count; k++)
		count += b->pages[k].profile->stack_count;
	return count;
}

static size_t limit_of(const struct html_options *o)
{
	return o->limit ? o->limit : HTML_LIMIT;
}

/* Makes the page, and while it is too large makes it again of fewer nodes. */
static int fit(struct book *b, double *shares[ALIGN_SIDES], char **ret, size_t *ret_len)
{
	size_t limit = limit_of(b->options), wanted = count_stacks(b);
	double least = 0;

	for (;;) {
		int err = make_trees(b, shares, least);

		if (!err)
			err = make(b, ret, ret_len);
		if (err < 0 || *ret_len <= limit || wanted <= 1)
			return err;
		/* A little less than in proportion, for what does not shrink. */
		wanted = (size_t)((double)wanted * 0.9 * (double)limit /
				  (double)*ret_len);
		wanted = wanted ? wanted : 1;
		if (!shares[0])
			err = find_shares(b, shares);
		if (!err)
			err = find_least(b, shares, wanted, &least);
		if (err < 0)
			return err;
		forget_all(b);
		free(*ret);
		*ret = NULL;
	}
}

/* ---- open and close -------------------------------------------------------------- */

/* What the file has of leaks and graphs; a server's page asks for it. */
static int make_heap(struct book *b, int k)
{
	const struct html_heap_options o = {
		.path = b->pages[k].path,
		.limit = limit_of(b->options) / (size_t)b->count,
		.find = b->options->find,
		.context = b->options->context,
		.which = k,
	};

	return html_heap_init(&b->heaps[k], b->pages[k].profile, &o);
}

static int make_changes(struct book *b)
{
	const struct html_changes_options o = {
		.profile = {b->pages[0].profile, b->pages[1].profile},
		.path = {b->pages[0].path, b->pages[1].path},
		.limit = limit_of(b->options),
		.find = b->options->find,
		.context = b->options->context,
	};

	return html_changes_init(&b->changes, &o);
}

static int make_heaps(struct book *b)
{
	int err = 0;

	for (int k = 0; k < b->count && !err; k++)
		err = make_heap(b, k);
	return err < 0 || b->count == 1 ? err : make_changes(b);
}

static int open_book(struct book *b, const struct profile *const *profiles)
{
	int err = 0;

	for (int k = 0; k < b->count && !err; k++) {
		struct html_page *page = &b->pages[k];

		page->profile = profiles[k];
		page->path = k ? b->options->other_path : b->options->path;
		page->partial = b->options->partial;
		err = lines_sums_name(&page->sums, profiles[k],
				      &(struct scope_options){0}, false);
	}
	if (err < 0 || b->count == 1)
		return err;
	for (int k = 0; k < b->count && !err; k++)
		err = view_owners(&b->pages[k].sums.view);
	return err < 0 ? err : html_pair_init(&b->pair, profiles[0], profiles[1]);
}

static void close_book(struct book *b, double *shares[ALIGN_SIDES])
{
	for (int k = 0; k < b->count; k++) {
		html_page_forget(&b->pages[k]);
		html_heap_done(&b->heaps[k]);
		lines_sums_done(&b->pages[k].sums);
		free(shares[k]);
	}
	html_heap_done(&b->changes);
	html_pair_done(&b->pair);
}

static int write_book(const struct profile *const *profiles, int count,
		      const struct html_options *o, FILE *out, struct html_outcome *ret)
{
	struct book b = {.count = count, .options = o};
	double *shares[ALIGN_SIDES] = {NULL, NULL};
	_cleanup_(freep) char *text = NULL;
	size_t len = 0;
	int err = open_book(&b, profiles);

	if (!err)
		err = make_heaps(&b);
	if (!err)
		err = fit(&b, shares, &text, &len);
	if (!err)
		fwrite(text, 1, len, out);
	if (!err && ret)
		*ret = (struct html_outcome){.bytes = len};
	for (int k = 0; k < count && !err && ret; k++) {
		ret->nodes += profiles[k]->stack_count - 1;
		ret->folded += b.pages[k].tree.folded;
	}
	close_book(&b, shares);
	return err;
}

int html_write(const struct profile *p, const struct html_options *o, FILE *out,
	       struct html_outcome *ret)
{
	return write_book(&p, 1, o, out, ret);
}

int html_write_pair(const struct profile *a, const struct profile *b,
		    const struct html_options *o, FILE *out, struct html_outcome *ret)
{
	return write_book((const struct profile *const[]){a, b}, 2, o, out, ret);
}

/* ---- for a server ------------------------------------------------------------------ */

void html_served(FILE *out)
{
	put_head(out, true);
	put_foot(out);
}

int html_columns(const struct profile *const *profiles, size_t count,
		 const struct html_options *o, const struct columns *out)
{
	struct book b = {.count = (int)count, .options = o};
	double *shares[ALIGN_SIDES] = {NULL, NULL}, least = 0;
	int err = open_book(&b, profiles);

	if (!err && o->nodes && o->nodes < count_stacks(&b)) {
		err = find_shares(&b, shares);
		if (!err)
			err = find_least(&b, shares, o->nodes, &least);
	}
	if (!err)
		err = make_trees(&b, shares, least);
	if (!err)
		err = prepare_all(&b);
	if (!err)
		err = put_all(&b, out);
	close_book(&b, shares);
	return err;
}

/*
 * changes_text.c - what changed of leaks and of live blocks, for people and for
 * scripts.
 */
#include "cli/report/changes.h"

#include "cli/base/cleanup.h"
#include "cli/report/diff_parts.h"
#include "cli/report/frames_json.h"
#include "cli/report/text.h"

#include <errno.h>

enum { TEXT = 1024 };

struct page { /* a comparison that is written */
	struct changes c;
	struct diff_page of; /* without rows: whose heads it writes */
	struct frames_owners *owners[2];
	const struct leaks *leaks[2]; /* NULL: it is of blocks */
	const struct held *held[2];
};

static void page_done(struct page *page)
{
	changes_done(&page->c);
}

static int open_leaks(struct page *page, const struct leaks *a, const struct leaks *b,
		      const struct changes_options *o)
{
	*page = (struct page){
		.of = {.profile = {a->profile, b->profile},
		       .options = {.scope = a->options->scope,
				   .metric = DIFF_LEAKED,
				   .by = DIFF_BY_LEAK,
				   .bytes = o->bytes,
				   .colour = o->colour,
				   .paths = {o->paths[0], o->paths[1]}}},
		.owners = {a->owners, b->owners},
		.leaks = {a, b},
	};
	return changes_of_leaks(&page->c, a, b);
}

static int open_blocks(struct page *page, const struct held *a, const struct held *b,
		       const struct changes_options *o)
{
	*page = (struct page){
		.of = {.profile = {a->profile, b->profile},
		       .options = {.metric = DIFF_LEAKED,
				   .by = DIFF_BY_BLOCK,
				   .bytes = o->bytes,
				   .colour = o->colour,
				   .paths = {o->paths[0], o->paths[1]}}},
		.owners = {a->owners, b->owners},
		.held = {a, b},
	};
	return changes_of_blocks(&page->c, a, b);
}

/* The side that a row is named after. */
static int side_of(const struct changes_row *row)
{
	return row->has[1] ? 1 : 0;
}

static const char *site_of(const struct page *page, const struct changes_row *row,
			   int side, char *buffer, size_t room)
{
	return frames_site(page->owners[side], row->stack[side], buffer, room);
}

/* ---- for people ----------------------------------------------------------- */

static void put_scans(const struct page *page, FILE *out)
{
	for (int k = 0; k < 2; k++) {
		const struct findings *f =
			page->leaks[k] ? page->leaks[k]->findings : NULL;

		if (page->held[k]) {
			fprintf(out, "  %c: ", 'A' + k);
			held_heading(page->held[k], out);
		} else if (f && f->unscanned) {
			fprintf(out, "  %c: %s process%s not looked at: ", 'A' + k,
				units_count(f->unscanned).text,
				f->unscanned == 1 ? " was" : "es were");
			text_put(out, f->cause);
			fputs(": unscanned\n", out);
		}
	}
}

static void put_kinds(const struct page *page, FILE *out)
{
	const struct changes *c = &page->c;

	diff_put_title(&page->of,
		       page->leaks[0] ? "What was never freed, by kind"
				      : "Live blocks, by how they are held",
		       out);
	put_scans(page, out);
	fprintf(out, "  %-12s %15s %15s %15s\n", "", "A", "B", "difference");
	for (size_t i = 0; i <= c->kind_count; i++) {
		const struct profile_amount *both =
			i < c->kind_count ? c->kinds[i].amount : c->total;
		bool any = both[0].blocks || both[1].blocks;

		if (!any && i < c->kind_count)
			continue;
		fprintf(out, "  %-12s %15s %15s %15s\n",
			i < c->kind_count ? c->kinds[i].word : "all",
			diff_amount_text(&page->of, both[0], DIFF_LEAKED).text,
			diff_amount_text(&page->of, both[1], DIFF_LEAKED).text,
			diff_change_text(&page->of, both, DIFF_LEAKED).text);
	}
}

static void put_row(const struct page *page, const struct changes_row *row, FILE *out)
{
	char site[TEXT];

	diff_put_figures(&page->of, row->amount, row->status, out);
	fprintf(out, "%-9s  ", row->kind);
	text_put(out, row->type);
	fputs(*row->type ? "  " : "", out);
	text_put(out, site_of(page, row, side_of(row), site, sizeof(site)));
	fputc('\n', out);
}

static void put_text(const struct page *page, size_t limit, FILE *out)
{
	const struct changes *c = &page->c;
	size_t most = limit ? limit : DIFF_LIMIT;
	size_t listed = c->changed < most ? c->changed : most;

	diff_put_heads(&page->of, out);
	put_kinds(page, out);
	diff_put_title(&page->of,
		       page->leaks[0]
			       ? "By kind and stack, the greatest change first"
			       : "By how they are held, type and stack, the greatest "
				 "change first",
		       out);
	diff_put_counts(c->status, out);
	if (!c->changed)
		return;
	fprintf(out, "  %15s %15s %15s\n", "difference", "A", "B");
	for (size_t i = 0; i < listed; i++)
		put_row(page, &c->rows[i], out);
	if (c->changed > listed)
		fprintf(out, "  %zu more: -n COUNT shows more of them\n",
			c->changed - listed);
}

int changes_leaks_text(const struct leaks *a, const struct leaks *b,
		       const struct changes_options *o, FILE *out)
{
	_cleanup_(page_done) struct page page;
	int r = open_leaks(&page, a, b, o);

	if (!r)
		put_text(&page, o->limit, out);
	return r;
}

int changes_blocks_text(const struct held *a, const struct held *b,
			const struct changes_options *o, FILE *out)
{
	_cleanup_(page_done) struct page page;
	int r = open_blocks(&page, a, b, o);

	if (!r)
		put_text(&page, o->limit, out);
	return r;
}

/* ---- for scripts ---------------------------------------------------------- */

static void json_side(const struct page *page, int k, struct json *j)
{
	diff_json_profile(j, &page->of, k);
	if (page->leaks[k]) {
		json_put_unsigned(j, "scanned", page->leaks[k]->findings->scanned);
		json_put_unsigned(j, "unscanned", page->leaks[k]->findings->unscanned);
		json_put_string(j, "cause", page->leaks[k]->findings->cause);
	} else {
		json_put_unsigned(j, "snapshot", page->held[k]->number + 1);
	}
	json_close(j);
}

static void json_site(const struct page *page, const struct changes_row *row, int side,
		      struct json *j)
{
	char site[TEXT];

	json_key(j, side ? "site_b" : "site_a");
	if (row->has[side])
		json_string(j, site_of(page, row, side, site, sizeof(site)));
	else
		json_null(j);
}

static void json_row(const struct page *page, const struct changes_row *row,
		     struct json *j)
{
	int side = side_of(row);

	json_object(j);
	json_put_string(j, "status", diff_status_word(row->status));
	json_put_string(j, page->leaks[0] ? "kind" : "held", row->kind);
	if (*row->type)
		json_put_string(j, "type", row->type);
	json_site(page, row, 0, j);
	json_site(page, row, 1, j);
	diff_json_amounts(j, row->amount);
	frames_json_stack(page->of.profile[side], row->stack[side], j);
	json_close(j);
}

static void put_json(const struct page *page, size_t limit, FILE *out)
{
	const struct changes *c = &page->c;
	size_t listed = limit && limit < c->changed ? limit : c->changed;
	struct json j = {.out = out, .spread = 2};

	json_object(&j);
	json_put_unsigned(&j, "schema", DIFF_SCHEMA);
	json_side(page, 0, &j);
	json_side(page, 1, &j);
	json_put_string(&j, "by", diff_by_word(page->of.options.by));
	json_key(&j, "kinds");
	json_object(&j);
	for (size_t i = 0; i < c->kind_count; i++) {
		json_key(&j, c->kinds[i].word);
		json_object(&j);
		diff_json_amounts(&j, c->kinds[i].amount);
		diff_json_counts(&j, c->kinds[i].status);
		json_close(&j);
	}
	json_close(&j);
	json_key(&j, "total");
	json_object(&j);
	diff_json_amounts(&j, c->total);
	json_close(&j);
	diff_json_counts(&j, c->status);
	json_key(&j, "rows");
	json_array(&j);
	for (size_t i = 0; i < listed; i++)
		json_row(page, &c->rows[i], &j);
	json_close(&j);
	json_put_unsigned(&j, "more", c->changed - listed);
	json_close(&j);
	json_end(&j);
}

int changes_leaks_json(const struct leaks *a, const struct leaks *b,
		       const struct changes_options *o, FILE *out)
{
	_cleanup_(page_done) struct page page;
	int r = open_leaks(&page, a, b, o);

	if (!r)
		put_json(&page, o->limit, out);
	return r;
}

int changes_leaks(const struct changes_leaks *both, const struct changes_options *o,
		  bool json, FILE *out)
{
	struct leaks_options wanted[2];
	struct findings f[2] = {{.items = NULL}, {.items = NULL}};
	struct leaks l[2] = {{.snapshot = FINDING_NONE}, {.snapshot = FINDING_NONE}};
	int r = 0;

	for (int k = 0; k < 2 && !r; k++) {
		wanted[k] = (struct leaks_options){.scope = both->scope,
						   .path = o->paths[k],
						   .kinds = both->kinds};
		r = both->find(both->context, k, &f[k]);
		if (!r)
			r = leaks_open(&l[k], both->profile[k], &f[k], &wanted[k]);
	}
	if (!r)
		r = json ? changes_leaks_json(&l[0], &l[1], o, out)
			 : changes_leaks_text(&l[0], &l[1], o, out);
	for (int k = 0; k < 2; k++) {
		leaks_done(&l[k]);
		findings_done(&f[k]);
	}
	return r;
}

int changes_blocks_json(const struct held *a, const struct held *b,
			const struct changes_options *o, FILE *out)
{
	_cleanup_(page_done) struct page page;
	int r = open_blocks(&page, a, b, o);

	if (!r)
		put_json(&page, o->limit ? o->limit : DIFF_LIMIT, out);
	return r;
}

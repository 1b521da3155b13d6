/*
 * leaks_text.c - leaks in plain words.
 */
#include "cli/report/leaks.h"

#include "cli/base/cleanup.h"
#include "cli/base/units.h"
#include "cli/report/leaks_alike.h"
#include "cli/report/losses.h"
#include "cli/report/stack_text.h"
#include "cli/report/text.h"
#include "cli/report/wrappers.h"

#include <inttypes.h>
#include <string.h>

enum { LISTED = 20, TEXT = 1024 };

static struct units_text size(const struct leaks *l, uint64_t bytes)
{
	struct units_text t =
		l->options->bytes ? units_count(bytes) : units_size(bytes);

	if (l->options->bytes)
		strcat(t.text, " B");
	return t;
}

static struct units_text blocks(uint64_t count)
{
	struct units_text t = units_count(count);

	strcat(t.text, count == 1 ? " block" : " blocks");
	return t;
}

static const char *plural(uint64_t count, const char *one, const char *many)
{
	return count == 1 ? one : many;
}

/* ---- the heading --------------------------------------------------------- */

static void put_looked_at(const struct leaks *l, FILE *out)
{
	const struct findings *f = l->findings;

	if (f->scanned)
		fprintf(out, "%u %s looked at%s\n", f->scanned,
			plural(f->scanned, "process was", "processes were"),
			!f->early		? ", at the end"
			: f->early < f->scanned ? ", some before the end"
						: ", alive");
	if (!f->unscanned)
		return;
	fprintf(out, "%u %s not: ", f->unscanned,
		plural(f->unscanned, "process was", "processes were"));
	text_put(out, f->cause);
	fputc('\n', out);
	if (findings_remedy(f->cause))
		fprintf(out, "  (%s)\n", findings_remedy(f->cause));
}

/* Every block, once. */
static void put_sums(const struct leaks *l, FILE *out)
{
	for (int k = 0; k < LEAK_KINDS; k++) {
		struct profile_amount sum = l->findings->sum[k];

		if (!sum.blocks && !(1u << k & LEAKS_LOST))
			continue;
		fprintf(out, "  %-10s %12s  in %-14s  %s\n", leak_words[k],
			size(l, sum.bytes).text, blocks(sum.blocks).text,
			leaks_meaning((enum leak_kind)k));
	}
}

static void put_proof(const struct leaks *l, FILE *out)
{
	uint64_t n = l->findings->disproved;

	if (!n)
		fputs("False positives: none (no block that a snapshot called lost was "
		      "freed later)\n",
		      out);
	else
		fprintf(out,
			"False positives: %s that a snapshot called lost %s freed "
			"later\n",
			blocks(n).text, plural(n, "was", "were"));
}

/* ---- one ----------------------------------------------------------------- */

static void put_when(const struct leaks *l, const struct leaks_alike *x, FILE *out)
{
	const struct finding *f = &x->sum;

	fprintf(out, "  allocated at %s", units_duration(f->first_ns).text);
	if (f->blocks > 1 && f->last_ns != f->first_ns)
		fprintf(out, " to %s", units_duration(f->last_ns).text);
	if (f->address)
		fprintf(out, "; %s 0x%" PRIx64, f->blocks > 1 ? "one is" : "it is",
			f->address);
	if (f->address && x->processes > 1)
		fprintf(out, " of process %d",
			(int)l->profile->processes[f->process].pid);
	fputc('\n', out);
}

static void put_process(const struct leaks *l, const struct leaks_alike *x, FILE *out)
{
	const struct profile *p = l->profile;

	if (x->processes > 1)
		fprintf(out, "  (of %s processes)", units_count(x->processes).text);
	else if (p->process_count > 1)
		fprintf(out, "  (process %d)", (int)p->processes[x->sum.process].pid);
}

static void put_title(const struct leaks *l, const struct leaks_alike *x, FILE *out)
{
	const struct finding *f = &x->sum;
	char site[TEXT];

	fputc('\n', out);
	text_style(out, l->options->colour,
		   1u << f->kind & LEAKS_LOST ? TEXT_WARNING : TEXT_BOLD);
	fprintf(out, "%s", leak_words[f->kind]);
	text_style(out, l->options->colour, TEXT_PLAIN);
	fprintf(out, "  %s in %s  ", size(l, f->bytes).text, blocks(f->blocks).text);
	text_style(out, l->options->colour, TEXT_BOLD);
	text_put(out, frames_site(l->owners, f->stack, site, sizeof(site)));
	text_style(out, l->options->colour, TEXT_PLAIN);
	put_process(l, x, out);
	fputc('\n', out);
}

static int put_finding(struct leaks *l, const struct leaks_alike *x, FILE *out)
{
	_cleanup_(freep) char *reason = NULL;
	const struct finding *f = &x->sum;
	int r = leaks_reason(l, x->first, &reason);

	if (r < 0)
		return r;
	if (l->told)
		l->told(l->told_context, x->first);
	put_title(l, x, out);
	fputs("  ", out);
	text_put(out, reason);
	fputc('\n', out);
	if (f->held_blocks)
		fprintf(out, "  freeing %s would release %s more in %s\n",
			plural(f->blocks, "it", "them"), size(l, f->held_bytes).text,
			blocks(f->held_blocks).text);
	if (f->disproved)
		fprintf(out,
			"  doubtful: %s of this stack %s called lost before and freed "
			"later\n",
			blocks(f->disproved).text, plural(f->disproved, "was", "were"));
	put_when(l, x, out);
	if (f->stacks > 1)
		fprintf(out, "  of %s stacks that only recursion tells apart; one is\n",
			units_count(f->stacks).text);
	stack_text(l->profile, f->stack, out);
	return 0;
}

int leaks_text_list(struct leaks *l, FILE *out)
{
	size_t most = l->options->limit ? l->options->limit : LISTED;
	_cleanup_(freep) struct leaks_alike *items = NULL;
	size_t count = 0;
	int r = leaks_alike(l, &items, &count);

	for (size_t i = 0; !r && i < count && i < most; i++)
		r = put_finding(l, &items[i], out);
	if (!r && count > most)
		fprintf(out, "\n%s more; -n shows more\n",
			units_count(count - most).text);
	return r;
}

int leaks_text(struct leaks *l, FILE *out)
{
	losses_text(l->profile, l->options->colour, out);
	put_looked_at(l, out);
	put_sums(l, out);
	put_proof(l, out);
	wrappers_text(l->profile, out);
	if (!l->count)
		fputs("\nNothing to list.\n", out);
	return leaks_text_list(l, out);
}

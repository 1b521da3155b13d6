#include "cli/export/lsan.h"

#include "cli/base/cleanup.h"
#include "cli/report/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

static void put_frame(const struct profile *p, unsigned number,
		      const struct frames_frame *f, FILE *out)
{
	const char *module = frames_module(p, f->stack), *file = "";
	const struct profile_module *m =
		f->stack->module ? &p->modules[f->stack->module - 1] : NULL;
	const char *name = "";

	if (f->code) {
		name = strings_get(&p->strings, f->code->function);
		file = strings_get(&p->strings, f->code->file);
	}
	fprintf(out, "    #%u 0x%" PRIx64 "%s", number, f->stack->pc,
		*name ? " in " : "");
	text_put(out, name);
	fputc(' ', out);
	if (*file) {
		text_put(out, file);
		if (f->code->line)
			fprintf(out, ":%u", f->code->line);
	} else {
		fputc('(', out);
		text_put(out, *module ? module : "<unknown module>");
		if (m)
			fprintf(out, "+0x%" PRIx64, f->stack->pc - m->bias);
		fputc(')', out);
	}
	fputc('\n', out);
}

static bool is_direct(const struct leaks *l, const struct finding *f)
{
	return f->kind == LEAK_DEFINITE ||
	       (f->kind == LEAK_CYCLE && f->leader != FINDING_NONE &&
		&l->findings->items[f->leader] == f);
}

static void put_leak(const struct leaks *l, const struct finding *f, FILE *out)
{
	struct frames_walk walk = frames_of(l->profile, f->stack);
	struct frames_frame frame;
	unsigned number = 0;

	fprintf(out,
		"%s leak of %" PRIu64 " byte(s) in %" PRIu64
		" object(s) allocated from:\n",
		is_direct(l, f) ? "Direct" : "Indirect", f->bytes, f->blocks);
	while (frames_next(&walk, &frame))
		put_frame(l->profile, number++, &frame, out);
	fputc('\n', out);
}

/* ---- each process's ------------------------------------------------------------ */

static const struct finding *at(const struct leaks *l, size_t shown)
{
	return &l->findings->items[l->shown[shown]];
}

/* By process, direct ones first, else in the order that they are shown in. */
static int by_process(const void *left, const void *right, void *leaks)
{
	size_t i = *(const size_t *)left, k = *(const size_t *)right;
	const struct finding *a = at(leaks, i), *b = at(leaks, k);

	if (a->process != b->process)
		return a->process < b->process ? -1 : 1;
	if (is_direct(leaks, a) != is_direct(leaks, b))
		return is_direct(leaks, a) ? -1 : 1;
	return i < k ? -1 : i > k;
}

/* Writes the first n that are of one process; how many that were. */
static size_t put_process(const struct leaks *l, const size_t *order, size_t n,
			  FILE *out)
{
	uint32_t process = at(l, order[0])->process;
	struct profile_amount sum = {0};
	size_t i;

	fprintf(out,
		"\n=================================================================\n"
		"==%d==ERROR: LeakSanitizer: detected memory leaks\n\n",
		(int)l->profile->processes[process].pid);
	for (i = 0; i < n && at(l, order[i])->process == process; i++) {
		sum.blocks += at(l, order[i])->blocks;
		sum.bytes += at(l, order[i])->bytes;
		put_leak(l, at(l, order[i]), out);
	}
	fprintf(out,
		"SUMMARY: LeakSanitizer: %" PRIu64 " byte(s) leaked in %" PRIu64
		" allocation(s).\n",
		sum.bytes, sum.blocks);
	return i;
}

int lsan_text(const struct leaks *l, FILE *out)
{
	_cleanup_(freep) size_t *order = calloc(l->count + 1, sizeof(*order));
	size_t n = 0;

	if (!order)
		return -ENOMEM;
	for (size_t i = 0; i < l->count; i++)
		if (1u << at(l, i)->kind & LEAKS_LOST)
			order[n++] = i;
	if (n)
		qsort_r(order, n, sizeof(*order), by_process, (void *)l);
	for (size_t i = 0; i < n;)
		i += put_process(l, order + i, n - i, out);
	return 0;
}

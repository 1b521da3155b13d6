#include "cli/export/lsan.h"

#include "cli/report/text.h"

#include <inttypes.h>

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

/* One process's, direct ones first. */
static void put_process(const struct leaks *l, uint32_t process, FILE *out)
{
	int32_t pid = l->profile->processes[process].pid;
	struct profile_amount sum = {0};

	for (int direct = 1; direct >= 0; direct--)
		for (size_t i = 0; i < l->count; i++) {
			const struct finding *f = &l->findings->items[l->shown[i]];

			if (f->process != process || !(1u << f->kind & LEAKS_LOST) ||
			    is_direct(l, f) != direct)
				continue;
			if (!sum.blocks)
				fprintf(out,
					"\n==========================================="
					"======================\n==%d==ERROR: "
					"LeakSanitizer: detected memory leaks\n\n",
					(int)pid);
			sum.blocks += f->blocks;
			sum.bytes += f->bytes;
			put_leak(l, f, out);
		}
	if (sum.blocks)
		fprintf(out,
			"SUMMARY: LeakSanitizer: %" PRIu64 " byte(s) leaked in %" PRIu64
			" allocation(s).\n",
			sum.bytes, sum.blocks);
}

void lsan_text(const struct leaks *l, FILE *out)
{
	for (size_t i = 0; i < l->profile->process_count; i++)
		put_process(l, (uint32_t)i, out);
}

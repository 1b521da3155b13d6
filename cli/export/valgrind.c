#include "cli/export/valgrind.h"

#include "cli/base/units.h"
#include "cli/base/xml.h"

#include <inttypes.h>
#include <string.h>

/* What it is there, or NULL: nothing. *ret_words: in its sentence. */
static const char *kind_of(const struct leaks *l, const struct finding *f,
			   const char **ret_words)
{
	bool leads = f->leader != FINDING_NONE && &l->findings->items[f->leader] == f;

	switch ((enum leak_kind)f->kind) {
	case LEAK_DEFINITE:
		*ret_words = "definitely lost";
		return "Leak_DefinitelyLost";
	case LEAK_CYCLE:
		*ret_words = leads ? "definitely lost" : "indirectly lost";
		return leads ? "Leak_DefinitelyLost" : "Leak_IndirectlyLost";
	case LEAK_INDIRECT:
		*ret_words = "indirectly lost";
		return "Leak_IndirectlyLost";
	case LEAK_POSSIBLE:
	case LEAK_EXITED:
		*ret_words = "possibly lost";
		return "Leak_PossiblyLost";
	case LEAK_REACHABLE:
		*ret_words = "still reachable";
		return "Leak_StillReachable";
	default:
		return NULL;
	}
}

static void put_source(const char *path, uint32_t line, FILE *out)
{
	const char *base = frames_base(path);
	char folder[4096];

	if (base > path) {
		snprintf(folder, sizeof(folder), "%.*s", (int)(base - path - 1), path);
		fputs("      ", out);
		xml_put_element(out, "dir", folder);
		fputc('\n', out);
	}
	fputs("      ", out);
	xml_put_element(out, "file", base);
	fputc('\n', out);
	if (line)
		fprintf(out, "      <line>%u</line>\n", line);
}

static void put_frame(const struct profile *p, const struct frames_frame *f, FILE *out)
{
	const char *module = frames_module(p, f->stack);

	fprintf(out, "    <frame>\n      <ip>0x%" PRIX64 "</ip>\n", f->stack->pc);
	if (*module) {
		fputs("      ", out);
		xml_put_element(out, "obj", module);
		fputc('\n', out);
	}
	if (f->code && *strings_get(&p->strings, f->code->function)) {
		fputs("      ", out);
		xml_put_element(out, "fn", strings_get(&p->strings, f->code->function));
		fputc('\n', out);
	}
	if (f->code && *strings_get(&p->strings, f->code->file))
		put_source(strings_get(&p->strings, f->code->file), f->code->line, out);
	fputs("    </frame>\n", out);
}

struct record {
	size_t number, of;
};

static void put_error(const struct leaks *l, const struct finding *f, struct record r,
		      FILE *out)
{
	struct frames_walk walk = frames_of(l->profile, f->stack);
	uint64_t bytes = f->bytes + f->held_bytes;
	struct frames_frame frame;
	const char *words, *kind = kind_of(l, f, &words);

	fprintf(out,
		"<error>\n  <unique>0x%zx</unique>\n  <tid>1</tid>\n"
		"  <kind>%s</kind>\n  <xwhat>\n    <text>",
		r.number, kind);
	if (f->held_bytes)
		fprintf(out, "%s (%s direct, %s indirect)", units_count(bytes).text,
			units_count(f->bytes).text, units_count(f->held_bytes).text);
	else
		fputs(units_count(bytes).text, out);
	fprintf(out,
		" bytes in %s blocks are %s in loss record %zu of %zu</text>\n"
		"    <leakedbytes>%" PRIu64 "</leakedbytes>\n"
		"    <leakedblocks>%" PRIu64 "</leakedblocks>\n  </xwhat>\n  <stack>\n",
		units_count(f->blocks).text, words, r.number, r.of, bytes, f->blocks);
	while (frames_next(&walk, &frame))
		put_frame(l->profile, &frame, out);
	fputs("  </stack>\n</error>\n\n", out);
}

static void put_heading(const struct profile *p, const struct profile_process *process,
			FILE *out)
{
	const struct profile_process *parent = NULL;

	for (size_t i = 0; i < p->process_count; i++)
		if (p->processes[i].serial == process->parent_serial)
			parent = &p->processes[i];
	fputs("<?xml version=\"1.0\"?>\n\n<valgrindoutput>\n\n"
	      "<protocolversion>4</protocolversion>\n"
	      "<protocoltool>memcheck</protocoltool>\n\n<preamble>\n"
	      "  <line>heapline, leaks of a recorded process</line>\n</preamble>\n\n",
	      out);
	fprintf(out, "<pid>%d</pid>\n<ppid>%d</ppid>\n<tool>memcheck</tool>\n\n",
		(int)process->pid, parent ? (int)parent->pid : 0);
	fputs("<args>\n  <vargv>\n    <exe>heapline</exe>\n  </vargv>\n  <argv>\n    ",
	      out);
	/* (Its arguments are on record as one line, quoted for a shell.) */
	xml_put_element(out, "exe", strings_get(&p->strings, process->command));
	fputs("\n  </argv>\n</args>\n\n", out);
}

static void put_status(const char *state, uint64_t ns, FILE *out)
{
	uint64_t ms = ns / 1000000;

	fprintf(out,
		"<status>\n  <state>%s</state>\n  <time>%02u:%02u:%02u:%02u.%03u "
		"</time>\n</status>\n\n",
		state, (unsigned)(ms / 86400000), (unsigned)(ms / 3600000 % 24),
		(unsigned)(ms / 60000 % 60), (unsigned)(ms / 1000 % 60),
		(unsigned)(ms % 1000));
}

void valgrind_xml(const struct leaks *l, uint32_t process, FILE *out)
{
	const struct profile_process *of = &l->profile->processes[process];
	struct record record = {0};
	const char *words;

	for (size_t i = 0; i < l->count; i++) {
		const struct finding *f = &l->findings->items[l->shown[i]];

		record.of += f->process == process && kind_of(l, f, &words);
	}
	put_heading(l->profile, of, out);
	put_status("RUNNING", 0, out);
	/* (One that was cut short may have no end.) */
	put_status("FINISHED",
		   of->end_ns > of->start_ns ? of->end_ns - of->start_ns : 0, out);
	for (size_t i = 0; i < l->count; i++) {
		const struct finding *f = &l->findings->items[l->shown[i]];

		if (f->process != process || !kind_of(l, f, &words))
			continue;
		record.number++;
		put_error(l, f, record, out);
	}
	fputs("<errorcounts>\n</errorcounts>\n\n<suppcounts>\n</suppcounts>\n\n"
	      "</valgrindoutput>\n",
	      out);
}

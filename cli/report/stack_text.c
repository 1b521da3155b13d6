#include "cli/report/stack_text.h"

#include "cli/report/frames.h"
#include "cli/report/text.h"

enum { TEXT = 1024 };

static void put_place(const struct profile *p, const struct frames_frame *frame,
		      FILE *out)
{
	const char *file =
		frame->code ? strings_get(&p->strings, frame->code->file) : "";
	const char *module = frames_module(p, frame->stack);

	if (*file) {
		fputs("  ", out);
		text_put(out, frames_base(file));
		if (frame->code->line)
			fprintf(out, ":%u", frame->code->line);
	} else if (*module) {
		fputs("  ", out);
		text_put(out, frames_base(module));
	}
}

void stack_text(const struct profile *p, uint32_t stack, FILE *out)
{
	struct frames_walk walk = frames_of(p, stack);
	struct frames_frame frame;
	char name[TEXT], shorter[TEXT];

	while (frames_next(&walk, &frame)) {
		fputs("    ", out);
		text_put(out,
			 frames_short_name(frames_name(p, &frame, name, sizeof(name)),
					   shorter, sizeof(shorter)));
		put_place(p, &frame, out);
		fputc('\n', out);
	}
}

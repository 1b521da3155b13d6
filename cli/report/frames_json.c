#include "cli/report/frames_json.h"

void frames_json(const struct profile *p, const struct frames_frame *f, struct json *j)
{
	char buffer[256];

	json_put_string(j, "function",
			f->stack ? frames_name(p, f, buffer, sizeof(buffer)) : "");
	json_put_string(j, "file",
			f->code ? strings_get(&p->strings, f->code->file) : "");
	json_put_string(j, "module", f->stack ? frames_module(p, f->stack) : "");
}

void frames_json_stack(const struct profile *p, uint32_t stack, struct json *j)
{
	struct frames_walk walk = frames_of(p, stack);
	struct frames_frame f;

	json_key(j, "stack");
	json_array(j);
	while (frames_next(&walk, &f)) {
		json_object(j);
		frames_json(p, &f, j);
		json_put_unsigned(j, "line", f.code ? f.code->line : 0);
		json_close(j);
	}
	json_close(j);
}

/*
 * cmd_info.c - heapline info [OPTIONS] [PROFILE]
 */
#include "cli/cmd/reader.h"
#include "cli/cmd/verb.h"
#include "cli/report/info.h"
#include "preload/wire.h"

const struct reader_spec info_spec = {
	.verb = "info",
	.about =
		"Tells what a profile is: what was recorded, where and how, what is in "
		"it, what its\nfile is made of, and what is missing.",
	.counts = "entries of each list (20; of JSON all)",
	.lacks = "pFIdtazTw",
	.uncut = ": it tells what the whole profile is; `heapline report` and others "
		 "show "
		 "parts of it",
};

static const struct {
	uint32_t bit;
	const char *text;
} notes[] = {
	{WIRE_NOTE_OWN_MALLOC, "it defines malloc itself: nothing of it was recorded"},
	{WIRE_NOTE_NO_RING, "more threads ran at once than can be recorded"},
	{WIRE_NOTE_NO_UNWIND, "stacks are guessed by frame pointers, where code has no "
			      "unwind information"},
	{WIRE_NOTE_OWN_NEW, "its allocator brings C++'s operators new and delete: what "
			    "they hand out is not recorded (`heapline run --own-new`)"},
	{WIRE_NOTE_CONFINED, "threads or children that began behind its seccomp filter "
			     "are not recorded"},
};

int cmd_info(int argc, char **argv)
{
	struct info_options o = {0};
	struct profile_parts parts;
	struct reader r;
	int status;

	if (!reader_open(&r, &info_spec, argc, argv, NULL, &status))
		return status;
	for (size_t i = 0; i < sizeof(notes) / sizeof(notes[0]); i++)
		o.notes[__builtin_ctz(notes[i].bit)] = notes[i].text;
	o.path = r.path;
	o.why = r.files[0].why;
	o.parts = profile_parts(r.path, &parts) < 0 ? NULL : &parts;
	o.limit = r.limit;
	o.bytes = r.bytes;
	o.colour = r.colour;
	return reader_close(&r, r.json ? info_json(r.profile, &o, r.out)
				       : info_text(r.profile, &o, r.out));
}

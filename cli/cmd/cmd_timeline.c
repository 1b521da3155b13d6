/*
 * cmd_timeline.c - heapline timeline [OPTIONS] [PROFILE]
 */
#include "cli/base/message.h"
#include "cli/cmd/reader.h"
#include "cli/cmd/verb.h"
#include "cli/report/timeline.h"

#include <errno.h>
#include <string.h>

enum option { SVG };

static const struct option_spec options[] = {
	[SVG] = {.name = "svg",
		 .argument = "FILE",
		 .help = "a picture into FILE instead (- is standard output)"},
	{0},
};

struct own {
	const char *svg;
};

static const char *take(void *own, size_t i, const char *value)
{
	(void)i;
	((struct own *)own)->svg = value;
	return *value ? NULL : "name a file, or -";
}

const struct reader_spec timeline_spec = {
	.verb = "timeline",
	.about = "Shows the heap over time, of all processes together: live bytes with "
		 "their peak,\nresident memory, and allocations per second.",
	.options = options,
	.take = take,
	.counts = "columns, or bins of the JSON (all)",
	.lacks = "pFIdazTw",
	.uncut = ": the timeline is of all blocks, and a range of it is chosen by "
		 "--time",
	.timeline = true,
};

/* 0 with the picture in the file, or a status after the reason was said. */
static int write_svg(const struct profile *p, const struct timeline_options *o,
		     const char *path)
{
	FILE *out = fopen(path, "we");
	char clean[256];
	int r = out ? timeline_svg(p, o, out) : -errno;

	if (out && r >= 0 && ferror(out))
		r = -EIO;
	errno = 0;
	if (out && fclose(out) != 0 && r >= 0)
		r = errno ? -errno : -EIO;
	if (r >= 0)
		return 0;
	message_error("%s: %s", text_clean(path, clean, sizeof(clean)), strerror(-r));
	message_help("make room, or name a file that can be written");
	return VERB_FAILED;
}

int cmd_timeline(int argc, char **argv)
{
	struct timeline_options o = {.width = text_columns(), .utf8 = text_utf8()};
	struct own own = {0};
	struct reader r;
	int status, failed = 0;

	if (!reader_open(&r, &timeline_spec, argc, argv, &own, &status))
		return status;
	o.cells = r.limit;
	o.bytes = r.bytes;
	o.colour = r.colour;
	if (own.svg && strcmp(own.svg, "-")) {
		failed = write_svg(r.profile, &o, own.svg);
		status = 0;
	} else if (own.svg) {
		status = timeline_svg(r.profile, &o, r.out);
	} else {
		status = r.json ? timeline_json(r.profile, &o, r.out)
				: timeline_text(r.profile, &o, r.out);
	}
	status = reader_close(&r, status);
	return failed ? failed : status;
}

/*
 * cmd_lines.c - heapline lines [OPTIONS] [PROFILE]
 */
#include "cli/cmd/reader.h"
#include "cli/cmd/verb.h"
#include "cli/report/lines.h"

#include <string.h>

enum option { FUNCTION, FILE_NAME, ALL, NONZERO, COLUMNS, PRECISION, FOLD };

static const struct option_spec options[] = {
	[FUNCTION] = {.name = "function",
		      .argument = "REGEX",
		      .help = "functions whose full name matches"},
	[FILE_NAME] = {.name = "file",
		       .argument = "NAME",
		       .help = "functions of a source file, in order: a glob, or a "
			       "path's end"},
	[ALL] = {.name = "all", .help = "every function, of libraries too"},
	[NONZERO] = {.name = "nonzero", .help = "only lines with events"},
	[COLUMNS] =
		{.name = "columns",
		 .argument = "LIST",
		 .help = "more columns: allocated,freed,peak,leaked,temporary or all",
		 .words = "allocated freed peak leaked temporary all"},
	[PRECISION] = {.name = "precision",
		       .argument = "DIGITS",
		       .help = "digits of a MiB behind the point (1)"},
	[FOLD] = {.name = "fold",
		  .help = "the instantiations of a template as one function"},
	{0},
};

struct own {
	struct lines_options options;
	regex_t function;
	bool has_function;
};

static const char *take(void *own, size_t i, const char *value)
{
	struct own *o = own;
	const char *why;

	switch ((enum option)i) {
	case FUNCTION:
		if (o->has_function)
			return "given twice; join the two as A|B";
		why = reader_regex(value, &o->function);
		if (why)
			return why;
		o->has_function = true;
		o->options.function = &o->function;
		return NULL;
	case FILE_NAME:
		o->options.file = value;
		return NULL;
	case ALL:
		o->options.all = true;
		return NULL;
	case NONZERO:
		o->options.nonzero = true;
		return NULL;
	case COLUMNS:
		return lines_parse_columns(value, &o->options.columns)
			       ? NULL
			       : "a list of allocated, freed, peak, leaked, temporary; "
				 "or all";
	case PRECISION:
		if (*value < '0' || *value > '0' + LINES_PRECISION || value[1])
			return "a number from 0 to 6";
		o->options.precise = true;
		o->options.precision = (unsigned)(*value - '0');
		return NULL;
	case FOLD:
		o->options.fold = true;
		return NULL;
	}
	return NULL;
}

static bool sort(void *own, const char *word)
{
	struct own *o = own;

	return lines_parse_sort(word, &o->options.sort);
}

const struct reader_spec lines_spec = {
	.verb = "lines",
	.about = "Shows source lines with what each allocated, freed and kept, "
		 "inclusive "
		 "of what it calls:\nthe live heap after the line's last event, bytes "
		 "allocated minus bytes freed by code at\nthe line, and its "
		 "allocations.",
	.sorts = "peak (the default), leaked, allocated, temporary or line",
	.sort_words = "peak leaked allocated temporary line",
	.sort = sort,
	.options = options,
	.take = take,
	.counts = "functions (10, unless some are selected)",
};

int cmd_lines(int argc, char **argv)
{
	struct own own = {0};
	struct reader r;
	int status;

	if (reader_open(&r, &lines_spec, argc, argv, &own, &status)) {
		own.options.scope = r.scope;
		own.options.limit = r.limit;
		own.options.bytes = r.bytes;
		own.options.colour = r.colour;
		status = r.json ? lines_json(r.profile, &own.options, r.out)
				: lines_text(r.profile, &own.options, r.out);
		status = reader_close(&r, status);
	}
	if (own.has_function)
		regfree(&own.function);
	return status;
}

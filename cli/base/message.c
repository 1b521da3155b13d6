#include "cli/base/message.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

static bool quiet;

/* One write a line, so that lines of several processes do not mix. */
static void say(const char *kind, const char *format, va_list args)
{
	char line[4096];
	int n = snprintf(line, sizeof(line), "%s: ", kind);

	vsnprintf(line + n, sizeof(line) - (size_t)n, format, args);
	fprintf(stderr, "%s\n", line);
}

void message_error(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say("error", format, args);
	va_end(args);
}

void message_note(const char *format, ...)
{
	va_list args;

	if (quiet)
		return;
	va_start(args, format);
	say("note", format, args);
	va_end(args);
}

void message_help(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say("help", format, args);
	va_end(args);
}

void message_quiet(void)
{
	quiet = true;
}

bool message_is_quiet(void)
{
	return quiet;
}

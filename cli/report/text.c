#include "cli/report/text.h"

#include "cli/base/utf8.h"

#include <errno.h>
#include <langinfo.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <wchar.h>

enum {
	TAB = 8,
	SHOWN_BYTES = 16, /* of one character, NUL included */
};

/* What stands for the next character; *text moves on. */
static void show_next(const char **text, char shown[SHOWN_BYTES])
{
	const char *start = *text;
	uint32_t c;

	if (!utf8_next(text, &c) || (c < 0x80 && utf8_unsafe(c)))
		snprintf(shown, SHOWN_BYTES, "\\x%02x", (unsigned)c & 0xff);
	else if (utf8_unsafe(c))
		snprintf(shown, SHOWN_BYTES, "\\u{%x}", (unsigned)c);
	else
		snprintf(shown, SHOWN_BYTES, "%.*s", (int)(*text - start), start);
}

void text_put(FILE *out, const char *text)
{
	char shown[SHOWN_BYTES];

	while (*text) {
		show_next(&text, shown);
		fputs(shown, out);
	}
}

/* Columns that the next character takes as it is shown; *text moves on. */
static size_t next_columns(const char **text)
{
	char shown[SHOWN_BYTES];
	const char *s = shown;
	uint32_t c;
	int width;

	show_next(text, shown);
	if (!utf8_next(&s, &c) || *s)
		return strlen(shown); /* an escape, plain ASCII */
	width = wcwidth((wchar_t)c);
	return width < 0 ? 1 : (size_t)width;
}

static size_t columns_of(const char *text)
{
	size_t columns = 0;

	while (*text)
		columns += next_columns(&text);
	return columns;
}

/* Shows characters while they fit into `columns`. */
static void put_beginning(FILE *out, const char *text, size_t columns)
{
	char shown[SHOWN_BYTES];

	while (*text) {
		const char *next = text;
		size_t width = next_columns(&next);

		if (width > columns)
			break;
		columns -= width;
		show_next(&text, shown);
		fputs(shown, out);
	}
}

void text_put_elided(FILE *out, const char *text, size_t columns)
{
	const char *dots = text_utf8() ? "\u2026" : "...";
	size_t whole = columns ? columns_of(text) : 0, mark = text_utf8() ? 1 : 3;
	size_t rest, end;

	if (whole <= columns) {
		text_put(out, text);
		return;
	}
	if (columns <= mark + 2) {
		put_beginning(out, text, columns);
		return;
	}
	/* The end says more than the middle: it has the line or the method. */
	end = (columns - mark) / 2;
	put_beginning(out, text, columns - mark - end);
	fputs(dots, out);
	for (rest = whole; rest > end;)
		rest -= next_columns(&text);
	text_put(out, text);
}

size_t text_columns(void)
{
	const char *columns = getenv("COLUMNS");
	struct winsize size;
	char *end;

	if (columns && *columns >= '1' && *columns <= '9') {
		unsigned long wanted = strtoul(columns, &end, 10);

		if (!*end && wanted <= 10000)
			return wanted;
	}
	if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0)
		return 0;
	return size.ws_col;
}

bool text_utf8(void)
{
	return !strcmp(nl_langinfo(CODESET), "UTF-8");
}

void text_put_source(FILE *out, const char *line, size_t len)
{
	const char *end = line + len;
	char shown[SHOWN_BYTES];
	size_t column = 0;

	while (line < end && *line) {
		int width = 1;

		if (*line == '\t') {
			width = (int)(TAB - column % TAB);
			fprintf(out, "%*s", width, "");
			line++;
		} else if (*line == '\r' && line + 1 == end) {
			line++; /* of a CRLF file */
		} else {
			show_next(&line, shown);
			fputs(shown, out);
		}
		column += (size_t)width;
	}
}

const char *text_clean(const char *text, char *buffer, size_t room)
{
	char shown[SHOWN_BYTES];
	size_t at = 0;

	while (*text) {
		size_t len;

		show_next(&text, shown);
		len = strlen(shown);
		if (len >= room - at)
			break;
		memcpy(buffer + at, shown, len);
		at += len;
	}
	buffer[at] = '\0';
	return buffer;
}

void text_put_word(FILE *out, const char *word)
{
	static const char plain[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		"0123456789_-./=:@%+,";

	if (*word && strspn(word, plain) == strlen(word)) {
		fputs(word, out);
		return;
	}
	fputc('\'', out);
	for (const char *s = word; *s;) {
		char shown[SHOWN_BYTES];

		if (*s == '\'') {
			fputs("'\\''", out);
			s++;
			continue;
		}
		show_next(&s, shown);
		fputs(shown, out);
	}
	fputc('\'', out);
}

void text_style(FILE *out, bool colour, enum text_style style)
{
	static const char *const codes[] = {
		[TEXT_PLAIN] = "\033[0m",
		[TEXT_BOLD] = "\033[1m",
		[TEXT_DIM] = "\033[2m",
		[TEXT_WARNING] = "\033[1;31m",
	};

	if (colour)
		fputs(codes[style], out);
}

static const char *pager_command(void)
{
	const char *command = getenv("HEAPLINE_PAGER");

	if (!command)
		command = getenv("PAGER");
	return command ? command : "less";
}

static void run_pager(const char *command, int from)
{
	/* Quit if it fits a screen, pass colours, leave the text on the screen. */
	setenv("LESS", "FRX", 0);
	signal(SIGPIPE, SIG_DFL);
	if (dup2(from, STDIN_FILENO) < 0)
		_exit(127);
	execl("/bin/sh", "sh", "-c", command, (char *)NULL);
	_exit(127);
}

void text_pager_open(struct text_pager *pager)
{
	const char *command = pager_command();
	int ends[2];

	*pager = (struct text_pager){.out = stdout};
	if (!*command || !strcmp(command, "cat") || pipe(ends) < 0)
		return;
	fflush(stdout);
	pager->pid = fork();
	if (pager->pid == 0) {
		close(ends[1]);
		run_pager(command, ends[0]);
	}
	close(ends[0]);
	if (pager->pid < 0 || !(pager->out = fdopen(ends[1], "w"))) {
		close(ends[1]);
		*pager = (struct text_pager){.out = stdout};
		return;
	}
	signal(SIGPIPE, SIG_IGN);
}

int text_pager_close(struct text_pager *pager)
{
	int failed = 0;

	errno = 0;
	if (fflush(pager->out) != 0 || ferror(pager->out))
		failed = errno ? -errno : -EIO;
	if (!pager->pid)
		return failed;
	fclose(pager->out);
	while (waitpid(pager->pid, NULL, 0) < 0 && errno == EINTR)
		;
	return failed == -EPIPE ? 0 : failed;
}

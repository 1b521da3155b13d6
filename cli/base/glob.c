#include "cli/base/glob.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A pattern for a part of a text as one for the whole. */
static void make_whole(struct glob *g, const char *pattern, size_t len)
{
	const char *end = memchr(pattern, '$', len);
	bool start = len && *pattern == '^';

	if (end)
		len = (size_t)(end - pattern);
	if (!start)
		g->text[g->len++] = '*';
	pattern += start;
	len -= start;
	memcpy(g->text + g->len, pattern, len);
	g->len += len;
	if (!end)
		g->text[g->len++] = '*';
}

int glob_init(struct glob *g, enum glob_kind kind, const char *pattern, size_t len)
{
	size_t stars = 0;

	*g = (struct glob){.text = malloc(len + 3), .question = kind == GLOB_WHOLE};
	if (!g->text)
		return -ENOMEM;
	if (kind == GLOB_INSIDE) {
		make_whole(g, pattern, len);
	} else {
		memcpy(g->text, pattern, len);
		g->len = len;
	}
	g->text[g->len] = '\0';
	while (stars < g->len && g->text[stars] == '*')
		stars++;
	if (stars < g->len)
		return 0;
	glob_done(g);
	return -EINVAL;
}

void glob_done(struct glob *g)
{
	free(g->text);
	*g = (struct glob){0};
}

static bool same(const struct glob *g, const char *piece, const char *text, size_t len)
{
	if (!g->question)
		return !memcmp(piece, text, len);
	for (size_t i = 0; i < len; i++)
		if (piece[i] != '?' && piece[i] != text[i])
			return false;
	return true;
}

/* Where the piece is first in the text, or NULL. */
static const char *seek(const struct glob *g, const char *piece, size_t len,
			const char *text, size_t room)
{
	if (!len)
		return text;
	if (!g->question || !memchr(piece, '?', len))
		return memmem(text, room, piece, len);
	for (; room >= len; text++, room--)
		if (same(g, piece, text, len))
			return text;
	return NULL;
}

bool glob_match(const struct glob *g, const char *text)
{
	const char *piece = g->text, *end = piece + g->len, *star;
	size_t room = strlen(text), len;

	star = memchr(piece, '*', g->len);
	len = star ? (size_t)(star - piece) : g->len;
	if (room < len || !same(g, piece, text, len))
		return false;
	if (!star)
		return room == len;
	/* A piece found as early as it can be leaves most for the others. */
	for (;;) {
		text += len;
		room -= len;
		piece = star + 1;
		star = memchr(piece, '*', (size_t)(end - piece));
		if (!star)
			break;
		len = (size_t)(star - piece);
		const char *at = seek(g, piece, len, text, room);

		if (!at)
			return false;
		room -= (size_t)(at - text);
		text = at;
	}
	len = (size_t)(end - piece);
	return room >= len && same(g, piece, text + room - len, len);
}

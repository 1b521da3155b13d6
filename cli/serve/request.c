#include "cli/serve/request.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { BAD = 400, FORBIDDEN = 403, NOT_FOUND = 404, TOO_LONG = 414 };

bool request_equal(const char *a, const char *b, size_t len)
{
	unsigned char differ = 0;

	for (size_t i = 0; i < len; i++)
		differ |= (unsigned char)(a[i] ^ b[i]);
	return !differ;
}

bool request_host(const char *host, unsigned port)
{
	static const char *const names[] = {"127.0.0.1", "localhost"};
	char wanted[32];

	for (size_t i = 0; host && i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(wanted, sizeof(wanted), "%s:%u", names[i], port);
		if (!strcasecmp(host, wanted) ||
		    (port == 80 && !strcasecmp(host, names[i])))
			return true;
	}
	return false;
}

/* Behind "/TOKEN", or NULL. */
static const char *behind_token(const char *target, const char *token)
{
	size_t len = strnlen(target, 1 + REQUEST_TOKEN);

	if (len < 1 + REQUEST_TOKEN || *target != '/' ||
	    !request_equal(target + 1, token, REQUEST_TOKEN))
		return NULL;
	return target + 1 + REQUEST_TOKEN;
}

static bool in_path(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '/';
}

static int take_path(const char **at, struct request *ret)
{
	size_t len = strcspn(*at, "?#");

	if (**at != '/')
		return NOT_FOUND;
	if (len > sizeof(ret->path))
		return NOT_FOUND;
	for (size_t i = 1; i < len; i++)
		if (!in_path((*at)[i]))
			return NOT_FOUND;
	memcpy(ret->path, *at + 1, len - 1);
	ret->path[len - 1] = '\0';
	*at += len;
	return 0;
}

static int digit(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

/* Decodes len bytes to *to, which moves behind the text's NUL. false: they are no text.
 * What is decoded is not longer. */
static bool decode(const char *from, size_t len, char **to)
{
	for (size_t i = 0; i < len; i++) {
		char c = from[i] == '+' ? ' ' : from[i];

		if (c == '%') {
			int high = len - i > 2 ? digit(from[i + 1]) : -1;
			int low = len - i > 2 ? digit(from[i + 2]) : -1;

			if (high < 0 || low < 0 || (!high && !low))
				return false;
			c = (char)(high << 4 | low);
			i += 2;
		}
		*(*to)++ = c;
	}
	*(*to)++ = '\0';
	return true;
}

static int take_pairs(const char *at, struct request *ret)
{
	char *to = ret->text;

	while (*at && *at != '#') {
		size_t len = strcspn(at, "&#"), name = strcspn(at, "=&#");
		struct request_pair *pair = &ret->pairs[ret->count];

		if (ret->count == REQUEST_PAIRS || !name)
			return BAD;
		pair->name = to;
		if (!decode(at, name, &to))
			return BAD;
		pair->value = to;
		name += name < len; /* its sign */
		if (!decode(at + name, len - name, &to))
			return BAD;
		ret->count++;
		at += len;
		at += *at == '&';
	}
	return 0;
}

int request_parse(const char *target, const char *token, struct request *ret)
{
	size_t len = strnlen(target, REQUEST_BYTES);
	const char *at = behind_token(target, token);
	int refused;

	ret->count = 0;
	ret->path[0] = '\0';
	if (!at)
		return FORBIDDEN;
	/* A name without a sign takes one byte more than its text. */
	if (len + REQUEST_PAIRS >= REQUEST_BYTES)
		return TOO_LONG;
	refused = take_path(&at, ret);
	if (refused || *at != '?')
		return refused;
	return take_pairs(at + 1, ret);
}

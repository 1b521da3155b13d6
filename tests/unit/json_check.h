/*
 * json_check.h - whether a text is one JSON value (RFC 8259), for tests.
 */
#pragma once

#include "cli/base/utf8.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { JSON_CHECK_DEPTH = 64 };

static inline const char *json_check_space(const char *s)
{
	return s + strspn(s, " \n\r\t");
}

/* Behind the string that begins at s, or NULL. */
static inline const char *json_check_string(const char *s)
{
	uint32_t c;

	if (*s++ != '"')
		return NULL;
	while (*s != '"') {
		if (*s == '\\') {
			if (s[1] == 'u' && strspn(s + 2, "0123456789abcdefABCDEF") >= 4)
				s += 6;
			else if (s[1] && strchr("\"\\/bfnrt", s[1]))
				s += 2;
			else
				return NULL;
		} else if (!*s || !utf8_next(&s, &c) || c < 0x20) {
			return NULL;
		}
	}
	return s + 1;
}

static inline const char *json_check_scalar(const char *s)
{
	static const char *const words[] = {"null", "true", "false"};
	size_t digits;

	for (size_t i = 0; i < 3; i++)
		if (!strncmp(s, words[i], strlen(words[i])))
			return s + strlen(words[i]);
	if (*s == '"')
		return json_check_string(s);
	s += *s == '-';
	digits = strspn(s, "0123456789");
	return digits && (*s != '0' || digits == 1) ? s + digits : NULL;
}

static inline bool json_check(const char *s)
{
	char open[JSON_CHECK_DEPTH];
	size_t depth = 0;

	for (;;) {
		s = json_check_space(s); /* a value comes */
		if (depth && open[depth - 1] == '{') {
			s = json_check_string(s);
			if (!s || *s != ':')
				return false;
			s = json_check_space(s + 1);
		}
		if (*s == '{' || *s == '[') {
			if (depth == JSON_CHECK_DEPTH)
				return false;
			open[depth++] = *s;
			s = json_check_space(s + 1);
			if (*s != (open[depth - 1] == '{' ? '}' : ']'))
				continue;
		} else {
			s = json_check_scalar(s);
			if (!s)
				return false;
			s = json_check_space(s);
		}
		while (depth && *s == (open[depth - 1] == '{' ? '}' : ']')) {
			depth--;
			s = json_check_space(s + 1);
		}
		if (!depth)
			return !*s;
		if (*s++ != ',')
			return false;
	}
}

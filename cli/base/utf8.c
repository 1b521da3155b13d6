#include "cli/base/utf8.h"

#include <stddef.h>

static unsigned char at(const char *text, size_t i)
{
	return (unsigned char)text[i];
}

/* Bytes that follow a leading byte, with its payload; 0 if it cannot lead. */
static size_t lead(unsigned char c, uint32_t *ret)
{
	if (c >= 0xc2 && c <= 0xdf) {
		*ret = c & 0x1f;
		return 1;
	}
	if (c >= 0xe0 && c <= 0xef) {
		*ret = c & 0x0f;
		return 2;
	}
	if (c >= 0xf0 && c <= 0xf4) {
		*ret = c & 0x07;
		return 3;
	}
	return 0;
}

bool utf8_next(const char **text, uint32_t *ret)
{
	static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
	const char *s = *text;
	uint32_t character = at(s, 0);
	size_t more;

	*text = s + 1;
	*ret = character;
	if (character < 0x80)
		return true;
	more = lead(at(s, 0), &character);
	if (!more)
		return false;
	/* A NUL is no continuation byte: this never reads behind the string's end. */
	for (size_t i = 1; i <= more; i++) {
		if ((at(s, i) & 0xc0) != 0x80)
			return false;
		character = character << 6 | (at(s, i) & 0x3f);
	}
	if (character < least[more] || character > 0x10ffff ||
	    (character >= 0xd800 && character <= 0xdfff))
		return false;
	*text = s + 1 + more;
	*ret = character;
	return true;
}

bool utf8_unsafe(uint32_t c)
{
	static const struct {
		uint32_t first, last;
	} ranges[] = {
		{0x00, 0x1f},	  {0x7f, 0x9f},	    {0xad, 0xad},     {0x61c, 0x61c},
		{0x200b, 0x200f}, {0x2028, 0x202e}, {0x2060, 0x206f}, {0xfeff, 0xfeff},
		{0xfff9, 0xfffb}, {0xe0000, 0xe007f},
	};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		if (c >= ranges[i].first && c <= ranges[i].last)
			return true;
	return false;
}

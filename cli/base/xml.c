#include "cli/base/xml.h"

#include "cli/base/utf8.h"

#include <stdbool.h>
#include <stdint.h>

static bool is_character(uint32_t c)
{
	return c == '\t' || c == '\n' || c == '\r' || (c >= 0x20 && c < 0xfffe) ||
	       (c >= 0x10000 && c <= 0x10ffff);
}

void xml_put(FILE *out, const char *text)
{
	while (*text) {
		const char *from = text;
		uint32_t c;

		if (!utf8_next(&text, &c) || !is_character(c))
			fputs("\xef\xbf\xbd", out);
		else if (c == '<')
			fputs("&lt;", out);
		else if (c == '>')
			fputs("&gt;", out);
		else if (c == '&')
			fputs("&amp;", out);
		else if (c == '"')
			fputs("&quot;", out);
		else if (c == '\'')
			fputs("&apos;", out);
		else
			fwrite(from, 1, (size_t)(text - from), out);
	}
}

void xml_put_element(FILE *out, const char *name, const char *text)
{
	fprintf(out, "<%s>", name);
	xml_put(out, text);
	fprintf(out, "</%s>", name);
}

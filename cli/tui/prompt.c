#include "cli/tui/prompt.h"

#include "cli/tui/draw.h"
#include "cli/tui/screen.h"

#include <limits.h>

static void draw_prompt(struct tui *t, const char *sign, const char *text)
{
	size_t used;

	screen_size(&t->rows, &t->columns);
	draw_all(t);
	used = screen_text(t->rows - 1, 0, t->columns, SCREEN_BAR, sign);
	used += screen_text(t->rows - 1, used, t->columns - used, SCREEN_BAR, text);
	screen_cells(t->rows - 1, used, t->columns - used, SCREEN_BAR, NULL, 0);
	screen_cursor(t->rows - 1, used < t->columns ? used : t->columns - 1);
	screen_show();
	screen_cursor(SIZE_MAX, 0);
}

static size_t take_back(char *text, size_t len)
{
	while (len && ((unsigned char)text[len - 1] & 0xc0) == 0x80)
		len--;
	return len ? len - 1 : 0;
}

static size_t append(char *text, size_t len, int key)
{
	char bytes[MB_LEN_MAX + 1];
	mbstate_t state = {0};
	size_t n = wcrtomb(bytes, (wchar_t)key, &state);

	if (key < ' ' || n == (size_t)-1 || n >= STATE_WORD - len)
		return len;
	memcpy(text + len, bytes, n);
	return len + n;
}

bool prompt_ask(struct tui *t, const char *sign, char text[static STATE_WORD])
{
	size_t len = 0;

	for (;;) {
		int key;

		text[len] = '\0';
		draw_prompt(t, sign, text);
		key = screen_key();
		if (key == SCREEN_ENTER)
			return len > 0;
		if (key == 27 || key == 7 || key == SCREEN_GONE ||
		    (key == SCREEN_BACKSPACE && !len))
			return false;
		if (key == SCREEN_BACKSPACE)
			len = take_back(text, len);
		else if (key < SCREEN_NONE)
			len = append(text, len, key);
	}
}

#include "cli/tui/screen.h"

#include "cli/base/utf8.h"
#include "cli/report/text.h"

#include <curses.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <term.h>
#include <termios.h>
#include <unistd.h>

#undef columns /* term.h's short name for a field of its own */

enum { LINE_CELLS = 2048 };

static struct {
	struct termios before;
	char leave[256]; /* what ends our use of the screen */
	size_t leave_len;
	bool colour;
	SCREEN *screen;
} terminal;

static const int ends[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGABRT,
			   SIGSEGV, SIGBUS, SIGFPE, SIGILL,  SIGPIPE};

enum { ENDS = sizeof(ends) / sizeof(*ends) };

/* ---- the end, whichever way ----------------------------------------------- */

/* Only what a signal handler may call. The handler was taken off as it began. */
static void give_back(int signal_number)
{
	ssize_t written = write(STDOUT_FILENO, terminal.leave, terminal.leave_len);

	(void)written;
	tcsetattr(STDIN_FILENO, TCSANOW, &terminal.before);
	raise(signal_number);
}

static void note_leave(const char *name)
{
	const char *text = tigetstr(name);
	size_t len = text && text != (char *)-1 ? strlen(text) : 0;

	if (len > sizeof(terminal.leave) - terminal.leave_len)
		return;
	memcpy(terminal.leave + terminal.leave_len, len ? text : "", len);
	terminal.leave_len += len;
}

static void catch_ends(void)
{
	struct sigaction action = {.sa_handler = give_back,
				   .sa_flags = (int)(SA_RESETHAND | SA_NODEFER)};
	struct sigaction is;

	for (size_t i = 0; i < ENDS; i++)
		if (!sigaction(ends[i], NULL, &is) && is.sa_handler != SIG_IGN)
			sigaction(ends[i], &action, NULL);
}

static void leave_ends(void)
{
	for (size_t i = 0; i < ENDS; i++) {
		struct sigaction is;

		if (!sigaction(ends[i], NULL, &is) && is.sa_handler == give_back)
			signal(ends[i], SIG_DFL);
	}
}

/* ---- open and close ------------------------------------------------------- */

/* Whether a terminal of that kind can be drawn on. */
static bool is_able(void)
{
	const char *move;
	bool able;
	int err;

	if (setupterm(NULL, STDOUT_FILENO, &err) != OK)
		return false;
	move = tigetstr("cup");
	able = move && move != (char *)-1 && tigetflag("hc") <= 0;
	del_curterm(set_curterm(NULL)); /* newterm() makes its own */
	return able;
}

/* newterm() instead of initscr(), which would end the process. */
static int begin(void)
{
	terminal.screen = is_able() ? newterm(NULL, stdout, stdin) : NULL;
	if (!terminal.screen)
		return -ENOTSUP;
	set_term(terminal.screen);
	return 0;
}

static void choose_colours(bool wanted)
{
	terminal.colour = wanted && has_colors() && start_color() == OK;
	if (!terminal.colour)
		return;
	use_default_colors();
	init_pair(1, COLOR_RED, -1);
	init_pair(2, COLOR_WHITE, COLOR_BLUE);
	for (short i = 0; i < 4; i++) {
		static const short hues[] = {COLOR_YELLOW, COLOR_CYAN, COLOR_GREEN,
					     COLOR_MAGENTA};

		init_pair((short)(3 + i), COLOR_BLACK, hues[i]);
	}
}

int screen_open(bool colour)
{
	int err;

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) ||
	    tcgetattr(STDIN_FILENO, &terminal.before) < 0)
		return -ENOTTY;
	err = begin();
	if (err < 0)
		return err;
	note_leave("rmkx");
	note_leave("sgr0");
	note_leave("cnorm");
	note_leave("rmcup");
	catch_ends();
	cbreak();
	noecho();
	nonl();
	keypad(stdscr, TRUE);
	set_escdelay(25);
	curs_set(0);
	choose_colours(colour);
	return 0;
}

void screen_close(void)
{
	endwin();
	leave_ends();
	delscreen(terminal.screen);
	terminal.screen = NULL;
	terminal.leave_len = 0;
}

void screen_size(size_t *ret_rows, size_t *ret_columns)
{
	*ret_rows = (size_t)(LINES > 0 ? LINES : 1);
	*ret_columns = (size_t)(COLS > 0 ? COLS : 1);
}

void screen_erase(void)
{
	erase();
}

void screen_show(void)
{
	refresh();
}

void screen_redraw(void)
{
	clearok(curscr, TRUE);
}

/* ---- writing -------------------------------------------------------------- */

static attr_t look_of(enum screen_look look, uint8_t style, short *ret_pair)
{
	attr_t attrs = 0;

	*ret_pair = 0;
	if (style & DOCUMENT_BOLD)
		attrs |= A_BOLD;
	if (style & DOCUMENT_DIM || look == SCREEN_HINT)
		attrs |= A_DIM;
	if (style & DOCUMENT_RED && terminal.colour)
		*ret_pair = 1;
	if (look == SCREEN_CHOSEN || (look == SCREEN_BAR && !terminal.colour)) {
		*ret_pair = 0;
		return (attrs & ~(attr_t)A_DIM) | A_REVERSE;
	}
	if (look == SCREEN_BAR)
		*ret_pair = 2;
	if (look >= SCREEN_BOX && terminal.colour)
		*ret_pair = (short)(3 + look - SCREEN_BOX);
	else if (look >= SCREEN_BOX && look & 1)
		attrs |= A_BOLD;
	return attrs;
}

static void put(size_t row, size_t column, const struct document_cell *cell,
		enum screen_look look)
{
	wchar_t text[2] = {cell->c, 0};
	short pair;
	attr_t attrs = look_of(look, cell->style, &pair);
	cchar_t c;

	setcchar(&c, text, attrs, pair, NULL);
	mvadd_wch((int)row, (int)column, &c);
}

void screen_cells(size_t row, size_t column, size_t columns, enum screen_look look,
		  const struct document_cell *cells, size_t count)
{
	static const struct document_cell space = {L' ', 1, 0};
	size_t at = 0;

	for (size_t i = 0; i < count && at + cells[i].width <= columns; i++) {
		put(row, column + at, &cells[i], look);
		at += cells[i].width;
	}
	for (; at < columns && look != SCREEN_PLAIN; at++)
		put(row, column + at, &space, look);
}

size_t screen_text(size_t row, size_t column, size_t columns, enum screen_look look,
		   const char *text)
{
	struct document_cell cells[LINE_CELLS];
	size_t count = document_cells(text, strlen(text), cells, LINE_CELLS);
	size_t width = document_width(cells, count);

	while (width > columns)
		width -= cells[--count].width;
	screen_cells(row, column, width, look, cells, count);
	return width;
}

void screen_cursor(size_t row, size_t column)
{
	curs_set(row != SIZE_MAX);
	if (row != SIZE_MAX)
		move((int)row, (int)column);
}

/* ---- keys ----------------------------------------------------------------- */

static const struct {
	int curses, ours;
} keys[] = {
	{KEY_RESIZE, SCREEN_RESIZED},
	{KEY_UP, SCREEN_UP},
	{KEY_DOWN, SCREEN_DOWN},
	{KEY_LEFT, SCREEN_LEFT},
	{KEY_RIGHT, SCREEN_RIGHT},
	{KEY_PPAGE, SCREEN_PAGE_UP},
	{KEY_NPAGE, SCREEN_PAGE_DOWN},
	{KEY_HOME, SCREEN_HOME},
	{KEY_END, SCREEN_END},
	{KEY_ENTER, SCREEN_ENTER},
	{KEY_BACKSPACE, SCREEN_BACKSPACE},
	{KEY_BTAB, SCREEN_TAB_BACK},
};

static int named(int key)
{
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		if (key == keys[i].curses)
			return keys[i].ours;
	if (key > KEY_F(0) && key <= KEY_F(12))
		return SCREEN_F + key - KEY_F(0);
	return SCREEN_NONE;
}

/* After a failure to get a key, which a signal or bytes that are no character are, too:
 * whether nothing will ever come. */
static bool is_gone(void)
{
	struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
	int waiting = 0;

	if (poll(&in, 1, 0) != 1)
		return false;
	return ioctl(STDIN_FILENO, FIONREAD, &waiting) < 0 || !waiting;
}

/* The rest of a character of several bytes. Not get_wch(): after a byte that begins
 * none, that one keeps the keys that come next. */
static int character(int first)
{
	char bytes[5] = {(char)first};
	const char *at = bytes;
	size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
	uint32_t c;
	int next;

	if (!text_utf8() || first < 0xc2 || first > 0xf4)
		return SCREEN_NONE;
	timeout(20);
	for (size_t i = 1; i < length; i++) {
		next = getch();
		if (next < 0x80 || next > 0xbf) {
			if (next != ERR)
				ungetch(next);
			break;
		}
		bytes[i] = (char)next;
	}
	timeout(-1);
	return utf8_next(&at, &c) ? (int)c : SCREEN_NONE;
}

int screen_key(void)
{
	int key = getch();

	if (key == ERR)
		return is_gone() ? SCREEN_GONE : SCREEN_NONE;
	if (key > 0xff)
		return named(key);
	if (key > 0x7f)
		return character(key);
	switch (key) {
	case '\r':
	case '\n':
		return SCREEN_ENTER;
	case 127:
	case 8:
		return SCREEN_BACKSPACE;
	default:
		return key;
	}
}

/*
 * load.c - screen.h in the binary itself: every call goes to the module (module.h).
 */
#include "cli/tui/module.h"
#include "cli/tui/tui.h"

#include <errno.h>

static const struct screen_module *module; /* once loaded, as long as we live */

bool tui_is_built(void)
{
	return true;
}

int tui_load(const char *path, char *why, size_t room)
{
	const struct part *p;
	int err = part_load(path, SCREEN_MODULE, &p, why, room);

	if (!err)
		module = (const struct screen_module *)p;
	return err;
}

int screen_open(bool colour)
{
	return module ? module->open(colour) : -ENOSYS;
}

void screen_close(void)
{
	module->close();
}

void screen_size(size_t *ret_rows, size_t *ret_columns)
{
	module->size(ret_rows, ret_columns);
}

void screen_erase(void)
{
	module->erase();
}

void screen_show(void)
{
	module->show();
}

void screen_redraw(void)
{
	module->redraw();
}

void screen_cells(size_t row, size_t column, size_t columns, enum screen_look look,
		  const struct document_cell *cells, size_t count)
{
	module->cells(row, column, columns, look, cells, count);
}

size_t screen_text(size_t row, size_t column, size_t columns, enum screen_look look,
		   const char *text)
{
	return module->text(row, column, columns, look, text);
}

void screen_cursor(size_t row, size_t column)
{
	module->cursor(row, column);
}

int screen_key(void)
{
	return module->key();
}

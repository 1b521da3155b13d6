#include "cli/tui/module.h"

extern const struct screen_module heapline_screen;

__attribute__((visibility("default"))) const struct screen_module heapline_screen = {
	.part = {HEAPLINE_VERSION},
	.open = screen_open,
	.close = screen_close,
	.size = screen_size,
	.erase = screen_erase,
	.show = screen_show,
	.redraw = screen_redraw,
	.cells = screen_cells,
	.text = screen_text,
	.cursor = screen_cursor,
	.key = screen_key,
};

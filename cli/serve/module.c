#include "cli/serve/module.h"

extern const struct web_module heapline_web;

__attribute__((visibility("default"))) const struct web_module heapline_web = {
	.part = {HEAPLINE_VERSION},
	.open = web_open,
	.run = web_run,
	.watch = web_watch,
	.unwatch = web_unwatch,
	.answer = web_answer,
	.refuse = web_refuse,
	.close = web_close,
};

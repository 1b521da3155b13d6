#include "cli/report/chosen.h"

#include "cli/base/cleanup.h"

#include <errno.h>
#include <stdlib.h>

const char *chosen_add(struct chosen_words *w, const char *word)
{
	if (!*word)
		return "an address, or a function, file or file:line";
	if (w->count == CHOSEN_WORDS)
		return "it can be given 16 times";
	w->items[w->count++] = word;
	return NULL;
}

static int add(const struct held *h, const char *word, uint8_t *is)
{
	_cleanup_(freep) uint32_t *blocks = NULL;
	size_t count;
	int r = held_find(h, word, &blocks, &count);

	for (size_t i = 0; !r && i < count; i++)
		is[blocks[i]] = 1;
	return r;
}

int chosen_blocks(const struct held *h, const struct chosen_words *w, uint8_t **ret)
{
	_cleanup_(freep) uint8_t *is = NULL;
	int r = 0;

	*ret = NULL;
	if (!w->count)
		return 0;
	is = calloc(h->graph->blocks.count + 1, 1);
	if (!is)
		return -ENOMEM;
	for (size_t i = 0; !r && i < w->count; i++)
		r = add(h, w->items[i], is);
	if (!r)
		*ret = take_ptr(is);
	return r;
}

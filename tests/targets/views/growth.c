/* A vector that doubles, and one that knew its size. */
#include <stdlib.h>

struct vector {
	int *items;
	size_t count, room;
};

static void push(struct vector *v, int item)
{
	if (v->count == v->room) {
		v->room = v->room ? 2 * v->room : 4;
		v->items = realloc(v->items, v->room * sizeof(*v->items));
	}
	v->items[v->count++] = item;
}

int main(void)
{
	struct vector grown = {0}, known = {.room = 1000};

	known.items = malloc(known.room * sizeof(*known.items));
	for (int i = 0; i < 1000; i++) {
		push(&grown, i);
		push(&known, i);
	}
	free(grown.items);
	return known.items[999] - 999;
}

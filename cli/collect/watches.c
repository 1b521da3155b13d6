#include "cli/collect/watches.h"

static void drop(struct watches *w, size_t i)
{
	watch_end(w->items[i].watch);
	w->items[i] = w->items[--w->count];
}

void watches_add(struct watches *w, const struct engine_process *p)
{
	struct watches_item item = {.serial = p->serial, .pid = p->pid};

	if (!w->on)
		return;
	for (size_t i = 0; i < w->count; i++) {
		struct watches_item *x = &w->items[i];

		if (x->pid != p->pid || watch_state(x->watch) != WATCH_WATCHING)
			continue;
		x->serial = p->serial;
		return;
	}
	if (w->count < WATCHES &&
	    !watch_begin(p->pid, w->bell, w->wait_ms, &item.watch))
		w->items[w->count++] = item;
}

bool watches_next(struct watches *w, uint32_t *ret_serial)
{
	for (size_t i = 0; i < w->count;) {
		struct watches_item *x = &w->items[i];
		enum watch_state state = watch_state(x->watch);

		if (state == WATCH_LEFT) {
			drop(w, i);
			continue;
		}
		if (state == WATCH_DYING && !x->told) {
			x->told = true;
			*ret_serial = x->serial;
			return true;
		}
		i++;
	}
	return false;
}

struct watch *watches_find(const struct watches *w, uint32_t serial)
{
	for (size_t i = 0; i < w->count; i++)
		if (w->items[i].serial == serial)
			return w->items[i].watch;
	return NULL;
}

bool watches_leave(struct watches *w, uint32_t serial)
{
	for (size_t i = 0; i < w->count; i++)
		if (w->items[i].serial == serial) {
			drop(w, i);
			return true;
		}
	return false;
}

void watches_done(struct watches *w)
{
	while (w->count)
		drop(w, w->count - 1);
	w->on = false;
}

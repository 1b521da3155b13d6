#include "cli/collect/modules.h"

#include "cli/base/array.h"
#include "cli/profile/profile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	REFUSED = UINT16_MAX, /* > WIRE_MODULES: never a number */
};

void modules_done(struct modules *m)
{
	for (size_t i = 0; i < m->count; i++)
		free(m->items[i].path);
	free(m->items);
	*m = (struct modules){0};
}

static void to_hex(const unsigned char *bytes, size_t n, char *ret)
{
	for (size_t i = 0; i < n; i++) {
		*ret++ = "0123456789abcdef"[bytes[i] >> 4];
		*ret++ = "0123456789abcdef"[bytes[i] & 15];
	}
	*ret = 0;
}

/* w is a private copy. */
static bool sane(const struct wire_module *w)
{
	return w->path_len < sizeof(w->path) &&
	       w->build_id_len <= WIRE_BUILD_ID_BYTES && w->start < w->end &&
	       !memchr(w->path, 0, w->path_len);
}

static int add(struct modules *m, const struct wire_module *w)
{
	struct modules_item item = {
		.start = w->start, .end = w->end, .process_serial = w->process_serial};

	if (array_reserve(&m->items, &m->room, m->count + 1) < 0)
		return -ENOMEM;
	item.path = strndup(w->path, w->path_len);
	if (!item.path)
		return -ENOMEM;
	to_hex(w->build_id, w->build_id_len, item.build_id);
	m->items[m->count++] = item;
	return 0;
}

int modules_add_python(struct modules *m)
{
	static const struct wire_module python = {
		.end = UINT64_MAX, .path_len = 6, .path = PROFILE_PYTHON};
	int r = m->python ? 0 : add(m, &python);

	if (r == 0 && !m->python)
		m->python = (uint32_t)m->count;
	return r;
}

static int poll_one(struct modules *m, void *base, uint32_t i)
{
	struct wire_module *w = wire_module(base, i), copy;
	int r = 0;

	/* acquire: pairs with the shim's release once the rest is written. */
	if (m->number[i] || atomic_load_explicit(&w->ready, memory_order_acquire) != 1)
		return 0;
	memcpy(&copy, w, sizeof(copy));
	if (sane(&copy))
		r = add(m, &copy);
	if (r == 0)
		m->number[i] = sane(&copy) ? (uint16_t)m->count : REFUSED;
	return r;
}

int modules_poll(struct modules *m, void *base)
{
	struct wire_header *h = base;
	/* Relaxed: each module has its own flag. */
	uint32_t used = atomic_load_explicit(&h->modules_used, memory_order_relaxed);
	int r = 0;

	if (used > WIRE_MODULES)
		used = WIRE_MODULES;
	if (!m->first_unready)
		m->first_unready = 1; /* 0 is "no module" */
	for (uint32_t i = m->first_unready; r == 0 && i < used; i++)
		r = poll_one(m, base, i);
	while (m->first_unready < used && m->number[m->first_unready])
		m->first_unready++;
	return r;
}

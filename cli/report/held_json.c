#include "cli/report/held_json.h"

#include "cli/report/pointer.h"

#include <assert.h>
#include <inttypes.h>

static const char *const hows[HEAP_HOWS] = {
	[HEAP_START] = "start",	      [HEAP_INTERIOR] = "interior",
	[HEAP_PAST_END] = "past-end", [HEAP_TAG_LOW] = "tag-low",
	[HEAP_TAG_HIGH] = "tag-high", [HEAP_DEAD] = "dead",
	[HEAP_BORROWED] = "borrowed", [HEAP_WITHIN] = "within",
};

static const char *const kinds[HEAP_KINDS] = {
	[HEAP_GLOBAL] = "global",   [HEAP_TLS] = "tls",
	[HEAP_STACK] = "stack",	    [HEAP_REGISTER] = "register",
	[HEAP_MAPPING] = "mapping", [HEAP_VECTOR] = "vector",
	[HEAP_EXITED] = "exited",   [HEAP_REGION] = "region",
	[HEAP_KERNEL] = "kernel",
};

static void put_address(struct json *j, const char *key, uint64_t address)
{
	char text[24];

	snprintf(text, sizeof(text), "0x%" PRIx64, address);
	json_put_string(j, key, text);
}

void held_json_begin(const struct held *h, const char *report, struct json *j)
{
	const struct profile_snapshot *s = h->snapshot;

	json_object(j);
	json_put_unsigned(j, "schema", 1);
	json_put_string(j, "report", report);
	json_key(j, "snapshot");
	json_object(j);
	json_put_unsigned(j, "number", h->number + 1);
	json_put_string(j, "name", strings_get(&h->profile->strings, s->name));
	json_put_unsigned(j, "process_serial", s->process_serial);
	json_put_bool(j, "at_exit", s->kind == PROFILE_AT_EXIT);
	json_put_unsigned(j, "at_ns", s->at_ns);
	json_put_unsigned(j, "blocks", s->blocks);
	json_put_unsigned(j, "bytes", s->bytes);
	json_put_unsigned(j, "edges", s->edges);
	json_put_unsigned(j, "roots", s->roots);
	json_put_unsigned(j, "read_bytes", s->read_bytes);
	json_put_unsigned(j, "unread_bytes", s->unread_bytes);
	json_put_unsigned(j, "pause_ns", s->pause_ns);
	json_put_unsigned(j, "scan_ns", s->scan_ns);
	json_put_unsigned(j, "threads", s->threads);
	json_put_unsigned(j, "running_threads", s->running);
	json_put_bool(j, "lacking", s->lacking);
	json_close(j);
}

/* Nothing of a block of which nothing is known. */
static void put_what(const struct held *h, uint32_t block, struct json *j)
{
	static const char *const parts[HEAP_PARTS] = {
		"", "", "items", "keys", "values", "table", "bytes"};
	static_assert(HEAP_BUFFER == 6 && HEAP_PARTS == 7, "in this order");
	const struct heap_types *t = &h->graph->types;
	const struct heap_what *w = heap_types_what(t, block);
	uint32_t called = heap_types_called(t, block);

	if (!w->type)
		return;
	json_put_string(j, "type", held_type_name(h, block));
	if (called)
		json_put_string(j, "called",
				strings_get(&h->stored.roots.names, called));
	if (w->part > HEAP_TUPLE) {
		json_put_string(j, "part", parts[w->part]);
		return;
	}
	json_key(j, "refcount");
	if (w->count == HEAP_UNCOUNTED)
		json_null(j);
	else
		json_unsigned(j, w->count);
	json_put_bool(j, "tracked", w->state & HEAP_TRACKED);
	json_put_bool(j, "unused", w->state & HEAP_UNUSED);
}

void held_json_block(const struct held *h, uint32_t block, struct json *j)
{
	const struct heap_block *b = &h->graph->blocks.items[block];
	uint8_t level = h->level[block];
	char text[1024];

	put_address(j, "address", b->address);
	json_put_unsigned(j, "bytes", b->size);
	if (b->flags & HEAP_MAPPED)
		json_put_string(j, "domain", "mmap");
	if (b->flags & HEAP_CHUNK)
		json_put_string(j, "domain", "pool");
	put_what(h, block, j);
	json_put_string(j, "site", held_site(h, block, text, sizeof(text)));
	json_put_unsigned(j, "born_ns", b->born_ns);
	json_put_string(j, "held", held_level_word(level));
}

void held_json_thread(const struct held *h, uint32_t block, struct json *j)
{
	const struct profile_thread *t = held_thread(h, block);

	if (!t)
		return;
	json_put_string(j, "thread", strings_get(&h->profile->strings, t->name));
	json_put_unsigned(j, "tid", (uint64_t)t->tid);
}

static void put_how(uint16_t how, struct json *j)
{
	json_put_string(j, "how", hows[heap_how(how)]);
	json_put_unsigned(j, "into", heap_into(how));
}

void held_json_edge(const struct held *h, uint32_t edge, struct json *j)
{
	char label[POINTER_TEXT];

	json_put_unsigned(j, "offset",
			  heap_how(h->graph->edges.how[edge]) == HEAP_WITHIN
				  ? 0
				  : (uint64_t)h->graph->edges.word[edge] * HEAP_WORD);
	if (*pointer_label(h, edge, label, sizeof(label)))
		json_put_string(j, "label", label);
	put_how(h->graph->edges.how[edge], j);
}

void held_json_root(const struct held *h, size_t root, struct json *j)
{
	const struct heap_root *x = &h->graph->roots[root];
	const struct heap_area *a = &h->graph->areas[x->area];
	const struct strings *names = &h->stored.roots.names;
	char text[1024];

	json_object(j);
	json_put_string(j, "kind", kinds[a->kind]);
	json_put_string(j, "name", strings_get(names, a->name));
	if (a->function)
		json_put_string(j, "function", strings_get(names, a->function));
	json_put_string(j, a->tid ? "thread" : "module", strings_get(names, a->owner));
	if (a->tid)
		json_put_unsigned(j, "tid", (uint64_t)a->tid);
	put_address(j, "at", x->at);
	json_put_unsigned(j, "offset", x->at - a->start);
	json_put_string(j, "text", held_root(h, x, text, sizeof(text)));
	put_how(x->how, j);
	json_close(j);
}

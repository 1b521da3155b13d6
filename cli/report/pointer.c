#include "cli/report/pointer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { /* an offset in Python's objects */
       TYPE = 8,
};

enum kind {
	UNKNOWN,
	OWN, /* to a part of the object */
	ATTRIBUTE,
	KEY, /* a text */
	LITERAL,
	INDEX,
	MEMBER, /* of a set */
	THE_KEY,
	LOCAL,
};

struct pointer {
	enum kind kind;
	const char *name;
	uint64_t index;
};

static struct pointer by_label(const struct held *h, const struct heap_label *l)
{
	static const enum kind kinds[HEAP_LABEL_KINDS] = {
		[HEAP_KEY] = KEY,
		[HEAP_LITERAL] = LITERAL,
		[HEAP_ATTRIBUTE] = ATTRIBUTE,
		[HEAP_THE_KEY] = THE_KEY,
		[HEAP_MEMBER] = MEMBER,
		[HEAP_LOCAL] = LOCAL,
	};

	return (struct pointer){.kind = kinds[l->kind],
				.name = strings_get(&h->stored.roots.names, l->name)};
}

static struct pointer pointer_of(const struct held *h, uint32_t from, uint32_t edge)
{
	const struct heap_types *t = &h->graph->types;
	const struct heap_what *w = heap_types_what(t, from);
	const struct heap_what *to = heap_types_what(t, h->graph->edges.to[edge]);
	const struct heap_label *label = heap_types_label(t, edge);
	uint64_t offset = (uint64_t)h->graph->edges.word[edge] * HEAP_WORD;
	const struct heap_field *field;

	if (label)
		return by_label(h, label);
	if (w->part == HEAP_ITEMS)
		return (struct pointer){.kind = INDEX, .index = offset / HEAP_WORD};
	if (w->part == HEAP_TUPLE && offset >= heap_tuple_items(w))
		return (struct pointer){.kind = INDEX,
					.index = (offset - heap_tuple_items(w)) /
						 HEAP_WORD};
	if (w->type && w->part <= HEAP_TUPLE && offset == w->at + (uint64_t)TYPE)
		return (struct pointer){.kind = ATTRIBUTE, .name = "__class__"};
	if (w->type && to->part > HEAP_TUPLE &&
	    (w->part <= HEAP_TUPLE || w->part == HEAP_TABLE))
		return (struct pointer){.kind = OWN};
	field = heap_types_field(t, from, offset);
	if (field)
		return (struct pointer){
			.kind = ATTRIBUTE,
			.name = strings_get(&h->stored.roots.names, field->name)};
	if (w->part == HEAP_TABLE)
		return (struct pointer){.kind = MEMBER};
	return (struct pointer){.kind = UNKNOWN};
}

/* With quotes in it escaped. */
static void put_text(const char *text, FILE *out)
{
	fputc('\'', out);
	for (; *text; text++) {
		if (*text == '\'' || *text == '\\')
			fputc('\\', out);
		fputc(*text, out);
	}
	fputc('\'', out);
}

static void put(const struct pointer *p, FILE *out)
{
	switch (p->kind) {
	case ATTRIBUTE:
		fprintf(out, ".%s", p->name);
		break;
	case KEY:
		fputc('[', out);
		put_text(p->name, out);
		fputc(']', out);
		break;
	case LITERAL:
		fprintf(out, "[%s]", p->name);
		break;
	case INDEX:
		fprintf(out, "[%" PRIu64 "]", p->index);
		break;
	case MEMBER:
		fputs("{member}", out);
		break;
	case LOCAL:
		fprintf(out, "{local %s}", p->name);
		break;
	case THE_KEY:
		fputs("{key}", out);
		break;
	default:
		break;
	}
}

const char *pointer_label(const struct held *h, uint32_t edge, char *buffer,
			  size_t room)
{
	struct pointer p = pointer_of(h, heap_graph_from(h->graph, edge), edge);
	FILE *out;

	*buffer = '\0';
	out = fmemopen(buffer, room, "w");
	if (!out)
		return buffer;
	put(&p, out);
	fclose(out);
	buffer[room - 1] = '\0';
	return buffer;
}

/* ---- chains -------------------------------------------------------------- */

static bool is_object(const struct held *h, uint32_t block)
{
	const struct heap_what *w = heap_types_what(&h->graph->types, block);

	return w->type && w->part <= HEAP_TUPLE;
}

static const char *called(const struct held *h, uint32_t block)
{
	return strings_get(&h->stored.roots.names,
			   heap_types_called(&h->graph->types, block));
}

static bool is_module(const struct held *h, uint32_t block)
{
	const char *type = held_type_name(h, block);

	return is_object(h, block) && *called(h, block) &&
	       (!strcmp(type, "module") || !strcmp(type, "dict"));
}

/* Whether a step's pointer is a variable of a frame that is no object. */
static bool is_local(const struct held *h, const struct heap_step *x)
{
	return x->edge != HEAP_NONE && !is_object(h, x->block) &&
	       pointer_of(h, x->block, x->edge).kind == LOCAL;
}

/* Where the program's words begin: at the last module or variable, else at the first
 * object; count if there is none. */
static size_t begin_at(const struct held *h, const struct heap_chain *c)
{
	size_t first = c->count;

	for (size_t i = c->count; i-- > 0;) {
		if (is_module(h, c->steps[i].block) || is_local(h, &c->steps[i]))
			return i;
		if (is_object(h, c->steps[i].block))
			first = i;
	}
	return first;
}

/* Whether it is a module's dictionary that the words begin with: "app.__dict__". */
static bool put_start(const struct held *h, uint32_t block, FILE *out)
{
	static const char suffix[] = ".__dict__";
	const char *name = called(h, block);
	size_t len = strlen(name), end = len - (sizeof(suffix) - 1);

	if (len >= sizeof(suffix) && !strcmp(name + end, suffix)) {
		fprintf(out, "%.*s", (int)end, name);
		return true;
	}
	if (*name)
		fputs(name, out);
	else if (is_object(h, block))
		fprintf(out, "<%s>", held_type_name(h, block));
	return false;
}

/* A name after a dot, or a key as it stands. */
static void put_member(const char *name, FILE *out)
{
	bool is_name = *name && !strchr("0123456789", *name);

	for (const char *c = name; *c; c++)
		is_name &= (unsigned char)*c >= 0x80 || *c == '_' ||
			   (*c >= '0' && *c <= '9') || (*c >= 'a' && *c <= 'z') ||
			   (*c >= 'A' && *c <= 'Z');
	if (is_name) {
		fprintf(out, ".%s", name);
		return;
	}
	fputs(".__dict__[", out);
	put_text(name, out);
	fputc(']', out);
}

/* An attribute that is in an object's dictionary is the object's. */
static void put_steps(const struct held *h, const struct heap_chain *c, size_t from,
		      bool in_dict, FILE *out)
{
	for (size_t i = from; i + 1 < c->count; i++) {
		uint32_t edge = c->steps[i].edge;
		struct pointer p = pointer_of(h, c->steps[i].block, edge);
		bool is_dict = p.kind == ATTRIBUTE && !strcmp(p.name, "__dict__");

		if (p.kind == OWN)
			continue;
		if (in_dict && p.kind == KEY) {
			put_member(p.name, out);
			in_dict = false;
			continue;
		}
		if (in_dict)
			fputs(".__dict__", out);
		in_dict = is_dict;
		if (is_dict)
			continue;
		if (p.kind == UNKNOWN)
			fprintf(out, "->+%" PRIu64,
				(uint64_t)h->graph->edges.word[edge] * HEAP_WORD);
		else
			put(&p, out);
	}
	if (in_dict)
		fputs(".__dict__", out);
}

char *pointer_chain(const struct held *h, const struct heap_chain *c)
{
	size_t from = begin_at(h, c), len = 0;
	char *text = NULL;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return NULL;
	if (from < c->count) {
		bool in_dict = put_start(h, c->steps[from].block, out);

		put_steps(h, c, from, in_dict, out);
	}
	fclose(out);
	return text;
}

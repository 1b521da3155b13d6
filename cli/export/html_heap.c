#include "cli/export/html_heap.h"

#include "cli/base/array.h"
#include "cli/base/cleanup.h"
#include "cli/base/json.h"
#include "cli/export/html_graph.h"
#include "cli/export/html_leaks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { LISTED_LEAST = 20 };

/* While it is made. */
struct making {
	struct html_heap *to;
	const struct profile *p;
	const struct html_heap_options *o;
	struct findings findings; /* of the malloc domain */
	const char *why;	  /* there are no leaks; "" */
	const char *graph_why;	  /* there is no graph; "" */
	uint32_t snapshots[HTML_GRAPHS];
	size_t snapshot_count;
	enum profile_domain domain; /* of leaks.DOMAIN */
	size_t listed;		    /* findings of each kind, at most */
	size_t blocks_left;	    /* that graphs may have */
	size_t left_out;	    /* snapshots of findings, that have no graph here */
	struct json heap;
};

/* ---- parts ------------------------------------------------------------------- */

int html_heap_part(struct html_heap *x, const char *name,
		   int (*write)(void *context, FILE *out), void *context)
{
	struct html_part part = {0};
	FILE *out = open_memstream(&part.text, &part.len);
	int r;

	if (!out)
		return -ENOMEM;
	r = write(context, out);
	if (ferror(out))
		r = -ENOMEM;
	if (fclose(out))
		r = -ENOMEM;
	if (!r)
		r = array_reserve(&x->parts, &x->room, x->count + 1);
	if (r < 0) {
		free(part.text);
		return r;
	}
	snprintf(part.name, sizeof(part.name), "%s", name);
	x->parts[x->count++] = part;
	return 0;
}

struct writing {
	struct making *m;
	const struct held *h;
	int (*write)(struct making *m, const struct held *h, FILE *out);
};

static int write_part(void *context, FILE *out)
{
	const struct writing *w = context;

	return w->write(w->m, w->h, out);
}

static int make_part(struct making *m, const char *name, const struct held *h,
		     int (*write)(struct making *m, const struct held *h, FILE *out))
{
	return html_heap_part(m->to, name, write_part, &(struct writing){m, h, write});
}

/* ---- leaks ---------------------------------------------------------------------- */

const char *html_heap_reason(int err)
{
	return err == -ESPIPE	 ? "the profile came through a pipe"
	       : err == -EBADMSG ? "the snapshot in it is damaged"
				 : strerror(-err);
}

static int write_leaks(struct making *m, const struct held *h, FILE *out)
{
	(void)h;
	return html_leaks_json(m->p, &m->findings, m->o->path, PROFILE_MALLOC,
			       m->listed, out);
}

static int write_domain(struct making *m, const struct held *h, FILE *out)
{
	struct findings f;
	int r = m->o->find(m->o->context, m->o->which, m->domain, &f);

	(void)h;
	if (!r)
		r = html_leaks_json(m->p, &f, m->o->path, m->domain, m->listed, out);
	findings_done(&f);
	return r;
}

static int write_growing(struct making *m, const struct held *h, FILE *out)
{
	(void)h;
	return html_growing_json(m->p, out);
}

static bool has_domain(const struct profile *p, enum profile_domain domain)
{
	for (size_t i = 0; i < p->site_count; i++)
		if (p->sites[i].domain == (uint32_t)domain)
			return true;
	return false;
}

/* Of those beside malloc's. */
static int make_domains(struct making *m)
{
	static const struct {
		enum profile_domain domain;
		const char *name;
	} others[] = {{PROFILE_MMAP, "leaks.mmap"},
		      {PROFILE_POOL, "leaks.pool"},
		      {PROFILE_ARENA, "leaks.arena"}};
	int r = 0;

	for (size_t i = 0; i < sizeof(others) / sizeof(*others) && !r; i++) {
		m->domain = others[i].domain;
		if (has_domain(m->p, m->domain))
			r = make_part(m, others[i].name, NULL, write_domain);
	}
	return r;
}

static int make_leaks(struct making *m)
{
	int r = m->o->find(m->o->context, m->o->which, PROFILE_MALLOC, &m->findings);

	if (!r)
		r = make_part(m, "leaks", NULL, write_leaks);
	if (!r)
		r = make_domains(m);
	if (!r)
		r = make_part(m, "growing", NULL, write_growing);
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		m->why = html_heap_reason(r);
	return 0;
}

/* ---- graphs ----------------------------------------------------------------------- */

static void note_snapshot(struct making *m, uint32_t number)
{
	const struct profile_snapshot *all = m->p->snapshots;
	size_t i = m->snapshot_count;

	while (i && all[m->snapshots[i - 1]].bytes < all[number].bytes)
		i--;
	if (m->snapshot_count == HTML_GRAPHS)
		m->left_out++;
	else
		m->snapshot_count++;
	if (i == HTML_GRAPHS)
		return;
	memmove(&m->snapshots[i + 1], &m->snapshots[i],
		(m->snapshot_count - i - 1) * sizeof(*m->snapshots));
	m->snapshots[i] = number;
}

/* Of those that findings are of, the ones with most bytes; else the one that verbs
 * would take. */
static int find_snapshots(struct making *m)
{
	const struct findings *f = &m->findings;
	size_t count = m->p->snapshot_count;
	_cleanup_(freep) bool *meant = calloc(count + 1, sizeof(*meant));

	if (!meant)
		return -ENOMEM;
	for (size_t i = 0; i < f->count; i++)
		if (f->items[i].snapshot < count)
			meant[f->items[i].snapshot] = true;
	for (size_t i = 0; i < count; i++)
		if (meant[i])
			note_snapshot(m, (uint32_t)i);
	for (size_t i = count; i-- > 0 && !m->snapshot_count;)
		if (!m->p->snapshots[i].cause)
			note_snapshot(m, (uint32_t)i);
	return 0;
}

/* Samples of the findings that are of the snapshot. NULL without memory. */
static uint32_t *find_wanted(const struct making *m, const struct held *h,
			     size_t *ret_count)
{
	const struct findings *f = &m->findings;
	uint32_t *wanted = malloc((f->count + 1) * sizeof(*wanted));
	size_t of_kind[LEAK_KINDS] = {0}, n = 0;

	for (size_t i = 0; wanted && i < f->count; i++) {
		uint32_t block = heap_blocks_at(&h->graph->blocks, f->items[i].address);

		if (f->items[i].snapshot != h->number || block == HEAP_NONE ||
		    of_kind[f->items[i].kind]++ >= m->listed)
			continue;
		wanted[n++] = block;
	}
	*ret_count = n;
	return wanted;
}

static void put_snapshot(struct making *m, const struct held *h)
{
	const struct profile_snapshot *s = h->snapshot;
	int32_t pid = 0;

	for (size_t i = 0; i < m->p->process_count; i++)
		if (m->p->processes[i].serial == s->process_serial)
			pid = m->p->processes[i].pid;
	json_object(&m->heap);
	json_put_unsigned(&m->heap, "number", h->number + 1);
	json_put_string(&m->heap, "name", strings_get(&m->p->strings, s->name));
	json_put_unsigned(&m->heap, "pid", (uint64_t)pid);
	json_put_bool(&m->heap, "at_exit", s->kind == PROFILE_AT_EXIT);
	json_put_unsigned(&m->heap, "at_ns", s->at_ns);
	json_close(&m->heap);
}

static int write_graph(struct making *m, const struct held *h, FILE *out)
{
	struct html_graph_options o = {.most = m->blocks_left};
	_cleanup_(freep) uint32_t *wanted = find_wanted(m, h, &o.wanted_count);

	if (!wanted)
		return -ENOMEM;
	/* Most for the largest, and something for each. */
	if (h->number != m->snapshots[m->snapshot_count - 1])
		o.most -= o.most / 4;
	o.wanted = wanted;
	o.most = o.most ? o.most : 1;
	m->blocks_left -=
		o.most < h->graph->blocks.count ? o.most : h->graph->blocks.count;
	return html_graph_json(h, &o, out);
}

static int make_graph(struct making *m, uint32_t snapshot)
{
	_cleanup_(held_done) struct held h = {0};
	char number[24], name[32];
	struct held_options o = {.path = m->o->path, .snapshot = number};
	const char *why;
	int r;

	snprintf(number, sizeof(number), "%u", snapshot + 1);
	snprintf(name, sizeof(name), "graph.%u", snapshot + 1);
	r = held_open(&h, m->p, &o, &why);
	if (r < 0) {
		m->graph_why = html_heap_reason(r);
		return r == -ENOMEM ? r : 0;
	}
	r = make_part(m, name, &h, write_graph);
	if (r < 0)
		return r;
	put_snapshot(m, &h);
	return 0;
}

static const char *why_no_graph(const struct profile *p)
{
	for (size_t i = p->snapshot_count; i-- > 0;)
		if (p->snapshots[i].cause)
			return strings_get(&p->strings, p->snapshots[i].cause);
	return "";
}

/* ---- what there is ------------------------------------------------------------------ */

bool html_heap_is_part(const struct profile *p)
{
	const struct profile_slice *s = &p->slice;

	return s->has_range || s->has_moment || s->has_threads || s->has_sizes;
}

static int write_heap(struct making *m, const struct held *h, FILE *out)
{
	int r = 0;

	(void)h;
	m->heap = (struct json){.out = out, .spread = 1};
	json_object(&m->heap);
	json_put_bool(&m->heap, "cut", html_heap_is_part(m->p));
	json_key(&m->heap, "snapshots");
	json_array(&m->heap);
	for (size_t i = 0; i < m->snapshot_count && !r; i++)
		r = make_graph(m, m->snapshots[i]);
	json_close(&m->heap);
	json_put_unsigned(&m->heap, "left_out", m->left_out);
	json_put_string(&m->heap, "why", m->why);
	json_put_string(&m->heap, "graph_why", m->graph_why);
	json_put_unsigned(&m->heap, "listed", m->listed);
	json_close(&m->heap);
	json_end(&m->heap);
	return r;
}

int html_heap_init(struct html_heap *x, const struct profile *p,
		   const struct html_heap_options *o)
{
	struct making m = {.to = x, .p = p, .o = o, .why = "", .graph_why = ""};
	size_t most = o->limit / HTML_BLOCK_BYTES;
	int r = 0;

	*x = (struct html_heap){0};
	m.listed = o->limit / HTML_LEAK_BYTES;
	m.listed = m.listed < LISTED_LEAST ? LISTED_LEAST
		   : m.listed < HTML_LEAKS ? m.listed
					   : HTML_LEAKS;
	m.blocks_left = most < HTML_BLOCKS ? most : HTML_BLOCKS;
	if (o->find && o->path && !html_heap_is_part(p)) {
		r = make_leaks(&m);
		if (!r)
			r = find_snapshots(&m);
		m.graph_why = why_no_graph(p);
	}
	if (!r)
		r = make_part(&m, "heap", NULL, write_heap);
	findings_done(&m.findings);
	return r;
}

void html_heap_put(const struct html_heap *x, struct columns *c)
{
	for (size_t i = 0; i < x->count; i++)
		columns_put_bytes(c, x->parts[i].name, "json", x->parts[i].text,
				  x->parts[i].len);
}

void html_heap_done(struct html_heap *x)
{
	for (size_t i = 0; i < x->count; i++)
		free(x->parts[i].text);
	free(x->parts);
	*x = (struct html_heap){0};
}

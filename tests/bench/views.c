/*
 * views.c - what the readers' views cost on a profile with very many stacks.
 *
 *	views [STACKS [FILE [SEED [ORDER [EPOCHS [BLOCKS [SNAPSHOTS]]]]]]]
 *
 * STACKS: a million. FILE keeps the profile, for the verbs themselves, and nothing is
 * measured if SEED is given: profiles of two seeds (1) share next to no stack. ORDER,
 * if it is not 0, puts stacks and sites in another order: they are the same ones.
 * EPOCHS: what sites did is kept in so many parts of the time, two rows a site; 0: it is
 * not. SNAPSHOTS graphs of BLOCKS blocks, each with three edges to any other: what makes a
 * profile large.
 *
 * The profile is made up, but as a program's would be: 5,000 functions in 500 files of
 * 50 modules, calls from 20,000 places, a tree of them whose every node has allocated.
 */
#include "cli/base/array.h"
#include "cli/base/cleanup.h"
#include "cli/heap/store.h"
#include "cli/profile/file.h"
#include "cli/report/churn.h"
#include "cli/report/lines.h"
#include "cli/report/summary.h"
#include "cli/report/top.h"
#include "cli/report/tree.h"
#include "tests/unit/profile_make.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

enum { MODULES = 50, FILES = 500, FUNCTIONS = 5000, CODES = 20000 };

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void check(int r, const char *what)
{
	if (r >= 0)
		return;
	fprintf(stderr, "%s: %s\n", what, strerror(-r));
	exit(1);
}

static uint32_t named(struct profile *p, const char *format, uint32_t n)
{
	char text[100];

	snprintf(text, sizeof(text), format, n);
	return strings_add(&p->strings, text);
}

static void fill_code(struct make *m, struct profile *p)
{
	for (uint32_t i = 0; i < MODULES; i++) {
		struct profile_module *a = make_row(p, module);

		a->path =
			named(p, i < 10 ? "/opt/app/lib%u.so" : "/usr/lib/lib%u.so", i);
		a->start = a->bias = 0x7f0000000000 + i * 0x400000ull;
		a->end = a->start + 0x300000;
	}
	for (uint32_t i = 0; i < CODES; i++) {
		uint32_t frames = 1 + make_below(m, 3);

		*make_row(p, code) =
			(struct profile_code){(uint32_t)p->frame_count, frames};
		while (frames--) {
			uint32_t function = make_below(m, FUNCTIONS);
			uint32_t first = 1 + function / FILES * 100;

			*make_row(p, frame) = (struct profile_frame){
				.function =
					named(p, "space::type%u::method()", function),
				.file = named(p, "/opt/app/source%u.cc",
					      function % FILES),
				.line = first + make_below(m, 40),
				.function_first = first,
				.function_last = first + 40,
			};
		}
	}
}

static void fill_stacks(struct make *m, struct profile *p, uint32_t n)
{
	while (p->stack_count < n + 1) {
		size_t near = p->stack_count < 500 ? p->stack_count : 500;
		uint32_t parent = (uint32_t)(p->stack_count - 1 - make_below(m, near));

		for (uint32_t depth = 1 + make_below(m, 8); depth; depth--) {
			struct profile_stack *s = make_row(p, stack);
			uint32_t code = make_below(m, CODES);

			s->parent = parent;
			s->code = code + 1;
			s->module = code % MODULES + 1;
			s->pc = p->modules[s->module - 1].start + code * 64;
			parent = (uint32_t)p->stack_count - 1;
		}
	}
}

static void fill_site(struct make *m, struct profile *p, uint32_t stack)
{
	struct profile_site *s = make_row(p, site);
	uint32_t log2 = 4 + make_below(m, 8);
	struct profile_process *q = &p->processes[0];

	*s = (struct profile_site){.process_serial = 1, .stack = stack, .dirty = 1};
	s->allocs = 1 + make_below(m, 1000);
	s->allocated_bytes = s->allocs << log2;
	s->frees = make_below(m, 10) ? s->allocs : 0;
	s->freed_bytes = s->frees << log2;
	s->peak.blocks = make_below(m, s->allocs + 1);
	s->peak.bytes = s->peak.blocks << log2;
	s->tree_peak = s->peak;
	s->temporary.blocks = make_below(m, s->frees + 1);
	s->temporary.bytes = s->temporary.blocks << log2;
	s->freed_here = s->frees;
	s->freed_here_bytes = s->freed_bytes;
	s->last_rank = stack;
	s->last_live_bytes = make_any(m) >> 36;
	s->sizes_count = 1;
	s->sizes = calloc(1, sizeof(*s->sizes));
	*s->sizes = (struct profile_class){log2, s->allocs};
	if (s->frees) {
		s->lives_count = 1;
		s->lives = calloc(1, sizeof(*s->lives));
		*s->lives = (struct profile_class){make_below(m, 30), s->frees};
	}
	q->domain[0].allocs += s->allocs;
	q->domain[0].allocated_bytes += s->allocated_bytes;
	q->domain[0].frees += s->frees;
	q->domain[0].freed_bytes += s->freed_bytes;
	q->domain[0].peak.blocks += s->peak.blocks;
	q->domain[0].peak.bytes += s->peak.bytes;
	q->temporary.blocks += s->temporary.blocks;
	q->temporary.bytes += s->temporary.bytes;
}

/* ---- another order --------------------------------------------------------------- */

struct order {
	uint32_t *nodes; /* as they will come: old numbers */
	uint32_t *now;	 /* of each old one: the new number; 0: it has none yet */
	uint32_t count;
};

/* Puts a node behind those that it hangs from. */
static void take_node(struct order *o, const struct profile *p, uint32_t node)
{
	uint32_t first = o->count;

	for (; node && !o->now[node]; node = p->stacks[node].parent)
		o->nodes[o->count++] = node;
	for (uint32_t i = first, k = o->count; i + 1 < k; i++) {
		uint32_t other = o->nodes[--k];

		o->nodes[k] = o->nodes[i];
		o->nodes[i] = other;
	}
	for (uint32_t i = first; i < o->count; i++)
		o->now[o->nodes[i]] = i;
}

static void *room_for(size_t n, size_t bytes)
{
	void *room = calloc(n, bytes);

	check(room ? 0 : -ENOMEM, "order");
	return room;
}

/* Site i is of stack i + 1, and is so again. */
static void put_in_order(struct profile *p, const struct order *o)
{
	struct profile_stack *stacks = room_for(p->stack_count, sizeof(*stacks));
	struct profile_site *sites = room_for(p->site_count, sizeof(*sites));

	for (uint32_t i = 1; i < p->stack_count; i++) {
		stacks[i] = p->stacks[o->nodes[i]];
		stacks[i].parent = o->now[stacks[i].parent];
	}
	for (uint32_t i = 1, k = 0; i < p->stack_count; i++)
		if (o->nodes[i] <= p->site_count) {
			sites[k] = p->sites[o->nodes[i] - 1];
			sites[k++].stack = i;
		}
	memcpy(p->stacks, stacks, p->stack_count * sizeof(*stacks));
	memcpy(p->sites, sites, p->site_count * sizeof(*sites));
	free(stacks);
	free(sites);
}

static void shuffle(struct profile *p, uint32_t seed)
{
	struct make m = {.state = seed};
	uint32_t n = (uint32_t)p->stack_count;
	struct order o = {.nodes = room_for(n, sizeof(*o.nodes)),
			  .now = room_for(n, sizeof(*o.now)),
			  .count = 1};
	uint32_t *picks = room_for(n, sizeof(*picks));

	for (uint32_t i = 1; i < n; i++) {
		uint32_t k = 1 + make_below(&m, i);

		picks[i] = picks[k];
		picks[k] = i;
	}
	for (uint32_t i = 1; i < n; i++)
		take_node(&o, p, picks[i]);
	put_in_order(p, &o);
	free(picks);
	free(o.nodes);
	free(o.now);
}

struct file {
	const char *path;
	uint32_t stacks, seed, order, epochs, blocks, snapshots;
};

/* Each site allocates in one epoch and frees in a later one. */
static void fill_times(struct make *m, struct profile *p, uint32_t epochs)
{
	for (uint64_t i = 0; i < epochs; i++) {
		uint64_t at_ns = p->wall_ns / epochs * i;

		make_row(p, epoch)->at_ns = at_ns;
		*make_row(p, bin) = (struct profile_bin){
			.at_ns = at_ns, .max_bytes = i << 20, .last_bytes = i << 20};
	}
	for (size_t i = 0; i < p->site_count; i++) {
		const struct profile_site *s = &p->sites[i];
		struct profile_share *born = make_row(p, time), *gone;

		*born = (struct profile_share){
			.process_serial = s->process_serial,
			.stack = s->stack,
			.domain = s->domain,
			.value = make_below(m, epochs - 1),
			.allocs = s->allocs,
			.allocated_bytes = s->allocated_bytes,
			.temporary = s->temporary,
			.died = {s->frees, s->freed_bytes},
			.last_rank = s->last_rank,
			.last_live_bytes = s->last_live_bytes,
		};
		if (!s->frees)
			continue;
		gone = make_row(p, time);
		born = gone - 1; /* it may have moved */
		*gone = *born;
		gone->value = born->value + 1;
		gone->allocs = gone->allocated_bytes = 0;
		gone->temporary = gone->died = (struct profile_amount){0};
		gone->frees = gone->freed_here = s->frees;
		gone->freed_bytes = gone->freed_here_bytes = s->freed_bytes;
	}
	p->dimensions = PROFILE_TIMES;
	p->shares_new = true;
}

/* ---- graphs ------------------------------------------------------------------------ */

struct pieces {
	struct profile_piece *items;
	size_t count, room;
};

static int keep_piece(void *context, const void *data, size_t len)
{
	struct pieces *all = context;

	check(array_reserve(&all->items, &all->room, all->count + 1), "pieces");
	check(profile_piece_make(data, len, &all->items[all->count]), "piece");
	all->count++;
	return 0;
}

/* Every block is held by others, and one by a static variable. */
static void furnish(struct make *m, struct heap_graph *g, uint32_t blocks,
		    uint32_t sites)
{
	const struct heap_area global = {.start = 0x601000, .end = 0x602000};
	struct heap_hit hit = {0};
	uint32_t area;

	for (uint32_t i = 0; i < blocks; i++) {
		struct heap_block b = {.address = 0x555500000000 + 64ull * i,
				       .size = 48,
				       .born_ns = i,
				       .site = 1 + make_below(m, sites)};

		check(heap_blocks_add(&g->blocks, &b), "blocks");
	}
	check(heap_blocks_seal(&g->blocks), "blocks");
	g->first = calloc(blocks + 1ull, sizeof(*g->first));
	check(g->first ? heap_graph_reserve(g, 3ull * blocks) : -ENOMEM, "edges");
	for (uint32_t i = 0; i < blocks; i++) {
		g->first[i] = (uint32_t)g->edge_count;
		for (uint32_t k = 0; k < 3; k++) {
			g->edges.to[g->edge_count] = make_below(m, blocks);
			g->edges.word[g->edge_count] = k;
			g->edges.how[g->edge_count++] = 0;
		}
	}
	g->first[blocks] = (uint32_t)g->edge_count;
	check(heap_graph_add_area(g, &global, &area), "area");
	check(heap_graph_add_root(g, area, global.start, &hit), "root");
	heap_graph_seal(g);
}

/* Each is written before the next one is made. */
static void write_graphs(struct make *m, struct profile *p, struct profile_writer *w,
			 uint32_t blocks, uint32_t snapshots)
{
	struct heap_graph g = {0};
	struct heap_roots roots = {0};
	struct pieces all = {0};

	strings_add(&roots.names, "");
	furnish(m, &g, blocks, (uint32_t)p->stack_count - 1);
	check(heap_store(&g, &roots, keep_piece, &all), "graph");
	for (uint32_t i = 0; i < snapshots; i++) {
		struct profile_piece *copies = calloc(all.count + 1, sizeof(*copies));

		*make_row(p, snapshot) = (struct profile_snapshot){
			.process_serial = 1,
			.kind = PROFILE_SCHEDULED,
			.at_ns = p->wall_ns / (snapshots + 1) * (i + 1),
			.blocks = blocks,
			.bytes = 48ull * blocks,
			.edges = g.edge_count,
			.roots = g.root_count};
		for (size_t k = 0; copies && k < all.count; k++) {
			copies[k] = all.items[k];
			copies[k].data = malloc(copies[k].stored);
			check(copies[k].data ? 0 : -ENOMEM, "piece");
			memcpy(copies[k].data, all.items[k].data, copies[k].stored);
		}
		check(copies ? profile_pieces_add(p, copies, all.count) : -ENOMEM,
		      "pieces");
		free(copies);
		check(profile_writer_update(w, p), "write");
	}
	heap_graph_done(&g);
}

static void make_file(const struct file *f)
{
	struct make m = {.state = f->seed};
	struct profile *p = profile_new();
	struct profile_writer *w = NULL;
	int fd = open(f->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	check(fd < 0 ? -errno : 0, f->path);
	check(profile_writer_open(fd, &w), "open");
	*make_process(p) = (struct profile_process){.serial = 1, .pid = 1};
	p->symbolised = p->complete = p->free_stacks = true;
	p->wall_ns = 10000000000;
	fill_code(&m, p);
	fill_stacks(&m, p, f->stacks);
	for (uint32_t i = 1; i <= f->stacks; i++)
		fill_site(&m, p, i);
	if (f->order)
		shuffle(p, f->order);
	if (f->epochs > 1)
		fill_times(&m, p, f->epochs);
	p->tree_peak = p->processes[0].domain[0].peak;
	check(profile_writer_update(w, p), "write");
	if (f->snapshots)
		write_graphs(&m, p, w, f->blocks, f->snapshots);
	profile_writer_close(w);
	profile_close(p);
}

static int view(const struct profile *p, int which, FILE *out)
{
	struct lines_options lines = {.bytes = which == 0};
	struct top_options top = {.by = (enum top_by)(which - 5)};
	struct tree_options tree = {.min_percent = TREE_MIN_PERCENT,
				    .bottom_up = which == 3};
	struct churn_options churn = {0};
	struct summary_options summary = {0};

	switch (which) {
	case 0:
		return lines_text(p, &lines, out);
	case 1:
		return lines_json(p, &lines, out);
	case 2:
	case 3:
		return tree_text(p, &tree, out);
	case 4:
		return churn_text(p, &churn, out);
	case 5 + TOP_KINDS:
		return summary_text(p, &summary, out);
	default:
		return top_text(p, &top, out);
	}
}

static void measure(const char *path, int which)
{
	static const char *const names[] = {
		"lines",    "lines --json", "tree",   "tree --bottom-up", "churn",
		"top site", "function",	    "file",   "module",		  "size",
		"thread",   "lifetime",	    "domain", "process",	  "report",
	};
	struct profile *p = NULL;
	FILE *out = fopen("/dev/null", "w");
	struct rusage usage;
	char why[200] = "";
	double start = now(), loaded;

	check(profile_load(path, &p, why, sizeof(why)), why);
	loaded = now();
	check(view(p, which, out), names[which]);
	getrusage(RUSAGE_SELF, &usage);
	printf("%-17s load %6.3f s, view %6.3f s, %4ld MiB\n", names[which],
	       loaded - start, now() - loaded, usage.ru_maxrss / 1024);
	fclose(out);
	profile_close(p);
}

static uint32_t number(int argc, char **argv, int i, uint32_t usual)
{
	return i < argc ? (uint32_t)strtoul(argv[i], NULL, 10) : usual;
}

int main(int argc, char **argv)
{
	char path[] = "/tmp/heapline-bench-XXXXXX";
	struct file f = {.path = argc > 2 ? argv[2] : path,
			 .stacks = number(argc, argv, 1, 1000000),
			 .seed = number(argc, argv, 3, 1),
			 .order = number(argc, argv, 4, 0),
			 .epochs = number(argc, argv, 5, 0),
			 .blocks = number(argc, argv, 6, 1000000),
			 .snapshots = number(argc, argv, 7, 0)};
	int last = argc > 3 ? -1 : 5 + TOP_KINDS;

	if (argc <= 2)
		close(mkstemp(path));
	/* Each in a process of its own, so that memory is told of it alone. */
	for (int which = -1; which <= last; which++) {
		pid_t pid;

		fflush(stdout);
		pid = fork();
		if (!pid) {
			if (which < 0)
				make_file(&f);
			else
				measure(f.path, which);
			fflush(stdout);
			_exit(0);
		}
		waitpid(pid, NULL, 0);
	}
	if (argc <= 2)
		unlink(path);
	return 0;
}

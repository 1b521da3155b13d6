/*
 * profile_file.c - what a large profile costs on disk and in time.
 *
 *	profile_file [STACKS [SITES [LEVEL]]]	a million of each, zlib's own level
 *
 * The profile is made up, but as a program's would be: a tree of calls through fifty
 * modules, sites that come one after the other, sizes of a few classes, most blocks
 * freed.
 */
#include "cli/base/cleanup.h"
#include "cli/profile/file.h"
#include "cli/profile/format.h"
#include "cli/profile/totals.h"
#include "tests/unit/profile_make.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

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

static void fill_stacks(struct make *m, struct profile *p, uint32_t n)
{
	for (uint32_t i = 0; i < 50; i++) {
		struct profile_module *a = make_row(p, module);

		a->path = make_string(m, p);
		a->start = 0x7f0000000000 + i * 0x400000ull;
		a->end = a->start + 0x300000;
		a->bias = a->start;
	}
	while (p->stack_count < n + 1) {
		/* A chain of calls hangs off something recent, mostly. */
		size_t near = p->stack_count < 500 ? p->stack_count : 500;
		uint32_t parent = (uint32_t)(p->stack_count - 1 - make_below(m, near));
		uint32_t module = make_below(m, 50);

		for (uint32_t depth = 1 + make_below(m, 8); depth; depth--) {
			struct profile_stack *s = make_row(p, stack);

			if (!make_below(m, 4))
				module = make_below(m, 50);
			s->parent = parent;
			s->module = module + 1;
			s->pc = p->modules[module].start + make_below(m, 0x300000);
			parent = (uint32_t)p->stack_count - 1;
		}
	}
}

static void fill_classes(struct make *m, struct profile_class **items, uint32_t *count,
			 uint32_t most, uint64_t total)
{
	uint32_t n = total ? 1 + make_below(m, most) : 0, log2 = make_below(m, 10);

	*items = n ? calloc(n, sizeof(**items)) : NULL;
	*count = n;
	for (uint32_t i = 0; i < n; i++) {
		uint64_t c = i + 1 < n ? make_below(m, total + 1) : total;

		(*items)[i] = (struct profile_class){log2, c};
		total -= c;
		log2 += 1 + make_below(m, 3);
	}
}

static void fill_site(struct make *m, struct profile *p, uint32_t stack)
{
	struct profile_site *s = make_row(p, site);
	uint64_t size = 16 + make_below(m, 1 << make_below(m, 12));
	struct profile_process *process = &p->processes[0];

	*s = (struct profile_site){.process_serial = 1, .stack = stack, .dirty = 1};
	s->allocs = 1 + make_below(m, 1ull << make_below(m, 20));
	s->allocated_bytes = s->allocs * size;
	s->frees = make_below(m, 10) ? s->allocs : make_below(m, s->allocs + 1);
	s->freed_bytes = s->frees * size;
	s->peak.blocks = make_below(m, s->allocs + 1);
	s->peak.bytes = s->peak.blocks * size;
	s->tree_peak = s->peak;
	s->temporary.blocks = make_below(m, 3) ? 0 : s->frees / 2;
	s->temporary.bytes = s->temporary.blocks * size;
	s->first_ns = p->wall_ns += make_below(m, 100000);
	s->last_ns = s->first_ns + make_below(m, 1000000000);
	s->freed_here = s->frees;
	s->freed_here_bytes = s->freed_bytes;
	s->last_rank = make_any(m) >> 34;
	s->last_live_bytes = make_any(m) >> 36;
	fill_classes(m, &s->sizes, &s->sizes_count, 3, s->allocs);
	fill_classes(m, &s->lives, &s->lives_count, 6, s->frees);

	process->domain[0].allocs += s->allocs;
	process->domain[0].allocated_bytes += s->allocated_bytes;
	process->domain[0].frees += s->frees;
	process->domain[0].freed_bytes += s->freed_bytes;
	process->domain[0].peak.blocks += s->peak.blocks;
	process->domain[0].peak.bytes += s->peak.bytes;
	process->temporary.blocks += s->temporary.blocks;
	process->temporary.bytes += s->temporary.bytes;
	p->tree_peak = process->domain[0].peak;
}

static double peak_mib(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double)usage.ru_maxrss / 1024;
}

/* Everything again, so that the readers' memory is not hidden by the writer's. */
static void load(int fd, const struct profile *written)
{
	_cleanup_(profile_closep) struct profile *p = NULL;
	char path[40], why[200];
	double start = now();

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	check(profile_load(path, &p, why, sizeof(why)), why);
	printf("load    %6.3f s\n", now() - start);
	start = now();
	check(profile_check(p, why, sizeof(why)), why);
	printf("check   %6.3f s\n", now() - start);
	if (make_difference(written, p)) {
		fprintf(stderr, "%s came back changed\n", make_difference(written, p));
		exit(1);
	}
}

static double update(struct profile_writer *w, struct profile *p, const char *what)
{
	uint64_t before = profile_writer_bytes(w);
	double start = now(), took;

	check(profile_writer_update(w, p), "write");
	took = now() - start;
	printf("%-7s %6.3f s, %.2f MB\n", what, took,
	       (double)(profile_writer_bytes(w) - before) / 1e6);
	return (double)(profile_writer_bytes(w) - before);
}

int main(int argc, char **argv)
{
	uint32_t stacks = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 1000000;
	uint32_t sites = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 1000000;
	struct make m = {.state = 1};
	struct profile *p = profile_new();
	struct profile_writer *w = NULL;
	int fd = memfd_create("profile", MFD_CLOEXEC);

	sites = sites < stacks ? sites : stacks;
	check(profile_writer_open(fd, &w), "open");
	if (argc > 3)
		profile_writer_level(w, atoi(argv[3]));
	*make_process(p) = (struct profile_process){.serial = 1};
	fill_stacks(&m, p, stacks);
	printf("%.1f bytes a stack\n", update(w, p, "stacks") / (double)p->stack_count);
	for (uint32_t i = 0; i < sites; i++)
		fill_site(&m, p, i + 1);
	printf("%.1f bytes a site\n", update(w, p, "sites") / (double)sites);
	for (uint32_t i = 0; i < sites; i += 100)
		p->sites[i].dirty = 1;
	update(w, p, "a 100th");
	update(w, p, "nothing");
	printf("memory  %6.0f MiB with the model once\n", peak_mib());
	load(fd, p);
	printf("memory  %6.0f MiB with the model twice\n", peak_mib());
	profile_writer_close(w);
	profile_close(p);
	return 0;
}

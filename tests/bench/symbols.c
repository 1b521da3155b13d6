/*
 * symbols.c - what it costs to name the code of a large program.
 *
 *	symbols [FILE [PLACES [ROOT]]]	itself, 30000 places, "/"
 *
 * Places are random addresses of the file's code, which is worse than a profile's:
 * those are in the units that are at work.
 */
#include "cli/base/array.h"
#include "cli/base/cleanup.h"
#include "cli/profile/profile.h"
#include "cli/symbol/symbols.h"

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The first executable segment. */
static void code_of(const char *root, const char *path, uint64_t *start, uint64_t *size)
{
	char full[8192];
	_cleanup_(closep) int fd = -1;
	Elf64_Ehdr e;

	snprintf(full, sizeof(full), "%s%s", root, path);
	fd = open(full, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || pread(fd, &e, sizeof(e), 0) != sizeof(e)) {
		perror(full);
		exit(1);
	}
	for (int i = 0; i < e.e_phnum; i++) {
		Elf64_Phdr p;

		if (pread(fd, &p, sizeof(p),
			  (off_t)(e.e_phoff + (size_t)i * sizeof(p))) != sizeof(p) ||
		    p.p_type != PT_LOAD || !(p.p_flags & PF_X))
			continue;
		*start = p.p_vaddr;
		*size = p.p_memsz;
		return;
	}
	fprintf(stderr, "%s: no code\n", full);
	exit(1);
}

static struct profile *make(size_t places, uint64_t start, uint64_t size)
{
	struct profile *p = profile_new();
	uint64_t seed = 1;

	if (!p || array_reserve(&p->modules, &p->module_room, 1) ||
	    array_reserve(&p->stacks, &p->stack_room, places + 1))
		exit(1);
	p->modules[0] = (struct profile_module){0};
	p->module_count = 1;
	for (size_t i = 0; i < places; i++) {
		seed = seed * 6364136223846793005ull + 1442695040888963407ull;
		p->stacks[p->stack_count++] =
			(struct profile_stack){.pc = start + (seed >> 16) % size,
					       .module = 1,
					       .flags = PROFILE_STACK_EXACT};
	}
	return p;
}

int main(int argc, char **argv)
{
	const char *path = argc > 1 ? argv[1] : "/proc/self/exe";
	const char *root = argc > 3 ? argv[3] : "";
	size_t places = argc > 2 ? strtoul(argv[2], NULL, 10) : 30000, lined = 0;
	uint64_t start = 0, size = 0;
	_cleanup_(profile_closep) struct profile *p = NULL;
	struct symbols *s;
	struct rusage used;
	double began;
	int r;

	code_of(root, path, &start, &size);
	p = make(places, start, size);
	began = now();
	if (symbols_open(&s) < 0)
		return 1;
	symbols_use_cache(s);
	r = symbols_module(s, 0, path, root, "");
	if (r) {
		fprintf(stderr, "%s: %s\n", path, strerror(-r));
		return 1;
	}
	if (symbols_resolve(s, p) < 0)
		return 1;
	for (size_t i = 1; i < p->stack_count; i++)
		lined +=
			p->frames[p->codes[p->stacks[i].code - 1].first_frame].line > 0;
	getrusage(RUSAGE_SELF, &used);
	printf("%s: %zu places in %.1f MB of code, %zu with lines, %zu frames: %.2f s, "
	       "%.0f MB\n",
	       path, places, (double)size / 1e6, lined, p->frame_count, now() - began,
	       (double)used.ru_maxrss / 1e3);
	symbols_close(s);
	return 0;
}

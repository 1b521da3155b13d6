/*
 * profile_walk.h - goes wherever a reader of a loaded profile may go, and aborts where
 * the loader let through what it promises to keep out.
 */
#pragma once

#include "cli/profile/file.h"
#include "cli/profile/format.h"
#include "cli/profile/merge.h"
#include "cli/profile/totals.h"
#include "tests/unit/profile_make.h"

#include <sys/mman.h>
#include <unistd.h>

static inline void walk_expect(bool right, const char *what)
{
	if (right)
		return;
	fprintf(stderr, "the loader let through %s\n", what);
	abort();
}

static inline void walk_string(const struct profile *p, uint32_t number)
{
	walk_expect(number < p->strings.count, "a string that is not there");
}

static inline void walk_classes(const struct profile_class *items, uint32_t count)
{
	walk_expect(count <= 64 && !items == !count, "impossible classes");
	for (uint32_t i = 0; i < count; i++)
		walk_expect(items[i].log2 < 64 &&
				    (!i || items[i].log2 > items[i - 1].log2),
			    "classes out of order");
}

static inline void walk_stacks(const struct profile *p)
{
	walk_expect(p->stack_count >= 1 && !p->stacks[0].parent, "a missing root");
	for (size_t i = 1; i < p->stack_count; i++)
		walk_expect(p->stacks[i].parent < i, "a stack before its parent");
	for (size_t i = 0; i < p->stack_count; i++) {
		walk_expect(p->stacks[i].module <= p->module_count, "a missing module");
		walk_expect(p->stacks[i].code <= p->code_count, "a missing code");
		walk_expect(p->stacks[i].flags < 8, "unknown flags");
	}
}

static inline void walk_snapshots(const struct profile *p)
{
	for (size_t i = 0; i < p->snapshot_count; i++) {
		const struct profile_snapshot *s = &p->snapshots[i];

		walk_string(p, s->name);
		walk_string(p, s->cause);
		walk_expect(s->kind < PROFILE_SCANS, "an unknown kind of snapshot");
		walk_expect((uint64_t)s->first_piece + s->piece_count <= p->piece_count,
			    "missing pieces of a snapshot");
	}
}

static inline void walk_symbols(const struct profile *p)
{
	for (size_t i = 0; i < p->module_count; i++) {
		walk_string(p, p->modules[i].path);
		walk_string(p, p->modules[i].build_id);
		walk_expect(p->modules[i].start <= p->modules[i].end,
			    "a module reversed");
	}
	for (size_t i = 0; i < p->frame_count; i++) {
		walk_string(p, p->frames[i].function);
		walk_string(p, p->frames[i].linkage);
		walk_string(p, p->frames[i].file);
	}
	for (size_t i = 0; i < p->code_count; i++)
		walk_expect(p->codes[i].frames && (uint64_t)p->codes[i].first_frame +
								  p->codes[i].frames <=
							  p->frame_count,
			    "missing frames");
	for (size_t i = 0; i < p->source_count; i++) {
		walk_string(p, p->sources[i].file);
		walk_string(p, p->sources[i].text);
		walk_expect(p->sources[i].first &&
				    p->sources[i].first + p->sources[i].count >=
					    p->sources[i].first,
			    "impossible lines");
	}
}

static inline void walk_processes(const struct profile *p,
				  struct profile_serials *known)
{
	for (size_t i = 0; i < p->process_count; i++) {
		const struct profile_process *a = &p->processes[i];

		walk_expect(a->serial && profile_serials_find(known, a->serial) == i,
			    "processes with one serial");
		walk_expect(a->parent_serial < a->serial,
			    "a parent younger than its child");
		walk_expect(!a->parent_serial ||
				    profile_serials_find(known, a->parent_serial) !=
					    SIZE_MAX,
			    "a missing parent");
		walk_expect(a->end <= PROFILE_EXECED, "an unknown end");
		walk_string(p, a->command);
		walk_string(p, a->exe);
	}
	for (size_t i = 0; i < p->thread_count; i++) {
		walk_expect(profile_serials_find(known, p->threads[i].process_serial) !=
				    SIZE_MAX,
			    "a thread of no process");
		walk_string(p, p->threads[i].name);
	}
	for (size_t i = 0; i < p->unfollowed_count; i++)
		walk_string(p, p->unfolloweds[i].program);
}

static inline void walk_sites(const struct profile *p, struct profile_serials *known)
{
	for (size_t i = 0; i < p->site_count; i++) {
		const struct profile_site *s = &p->sites[i];

		walk_expect(profile_serials_find(known, s->process_serial) != SIZE_MAX,
			    "a site of no process");
		walk_expect(s->stack < p->stack_count && s->domain < PROFILE_DOMAINS &&
				    !s->dirty && s->frees <= s->allocs &&
				    s->freed_bytes <= s->allocated_bytes,
			    "an impossible site");
		walk_classes(s->sizes, s->sizes_count);
		walk_classes(s->lives, s->lives_count);
	}
	for (size_t i = 1; i < p->bin_count; i++)
		walk_expect(p->bins[i].at_ns > p->bins[i - 1].at_ns &&
				    p->bins[i].min_bytes <= p->bins[i].max_bytes,
			    "an impossible timeline");
}

static inline void walk(const struct profile *p)
{
	struct profile_serials known = {0};
	char why[200];

	walk_expect(profile_serials_init(&known, p) == 0, "more than memory");
	walk_string(p, p->version);
	walk_string(p, p->host);
	walk_string(p, p->options);
	walk_string(p, p->stopped);
	walk_stacks(p);
	walk_snapshots(p);
	walk_symbols(p);
	walk_processes(p, &known);
	walk_sites(p, &known);
	profile_serials_done(&known);
	profile_check(p, why, sizeof(why));
}

/* The file of a profile, in one update. */
static inline void walk_write(struct profile *p, int level, struct bytes *ret)
{
	struct profile_writer *w = NULL;
	int fd = memfd_create("profile", MFD_CLOEXEC);

	for (size_t i = 0; i < p->site_count; i++)
		p->sites[i].dirty = 1;
	walk_expect(profile_writer_open(dup(fd), &w) == 0, "no writer");
	profile_writer_level(w, level);
	walk_expect(profile_writer_update(w, p) == 0, "what cannot be written");
	ret->len = 0;
	if (bytes_room(ret, profile_writer_bytes(w)))
		ret->len = (size_t)pread(fd, ret->data, profile_writer_bytes(w), 0);
	profile_writer_close(w);
	close(fd);
}

/* What was accepted must come back as it is when it is written anew. */
static inline void walk_again(struct profile *p)
{
	struct profile *again = NULL;
	struct bytes b = {0};
	char why[200];

	walk_write(p, 0, &b);
	if (profile_load_bytes(b.data, b.len, false, &again, why, sizeof(why)) < 0)
		walk_expect(false, why);
	walk_expect(!make_difference(p, again), "what comes back otherwise");
	profile_close(again);
	bytes_done(&b);
}

/* What came of a merge, as it is read again. */
static inline struct profile *walk_merged(const struct profile_merged *merged)
{
	struct profile_writer *w = NULL;
	struct profile *p = NULL;
	char path[40], why[200];
	int fd = memfd_create("profile", MFD_CLOEXEC);

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	walk_expect(profile_writer_open(dup(fd), &w) == 0, "no writer");
	walk_expect(profile_writer_update_with(w, merged->p, merged->more,
					       merged->more_count) == 0,
		    "what cannot be written");
	profile_writer_close(w);
	if (profile_load_with(path, PROFILE_DIMENSIONS, &p, why, sizeof(why)) < 0)
		walk_expect(false, why);
	close(fd);
	return p;
}

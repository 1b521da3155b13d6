/*
 * profile_make.h - random profiles for tests, fuzzers and benches, and how to compare
 * them: every field takes any value that a profile may have.
 */
#pragma once

#include "cli/base/array.h"
#include "cli/base/bytes.h"
#include "cli/profile/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct make {
	uint64_t state; /* of the generator of random numbers */
	uint32_t size;	/* rows that a section gains at a time, at most */
	uint32_t named; /* strings made so far */
};

static inline uint64_t make_any(struct make *m)
{
	uint64_t z = m->state += 0x9e3779b97f4a7c15ull; /* splitmix64 */

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

/* 0 .. limit - 1; limit > 0. */
static inline uint32_t make_below(struct make *m, uint64_t limit)
{
	return (uint32_t)(make_any(m) % limit);
}

/* Of any magnitude, the extremes more often than by chance. */
static inline uint64_t make_value(struct make *m)
{
	switch (make_below(m, 8)) {
	case 0:
		return 0;
	case 1:
		return UINT64_MAX;
	default:
		return make_any(m) >> make_below(m, 64);
	}
}

static inline uint32_t make_value32(struct make *m)
{
	return (uint32_t)(make_value(m) >> make_below(m, 33));
}

static inline uint64_t make_at_most(struct make *m, uint64_t most)
{
	uint64_t v = make_value(m);

	return v <= most ? v : most ? v % most : 0;
}

static inline struct profile_amount make_amount(struct make *m)
{
	return (struct profile_amount){make_value(m), make_value(m)};
}

/* The number of a string, new or not. */
static inline uint32_t make_string(struct make *m, struct profile *p)
{
	char text[300];
	int n = snprintf(text, sizeof(text), "%u", m->named);
	uint32_t len = (uint32_t)n +
		       (make_below(m, 8) ? make_below(m, 12) : make_below(m, 200));

	if (make_below(m, 2))
		return make_below(m, p->strings.count);
	m->named++;
	for (uint32_t i = (uint32_t)n; i < len; i++)
		text[i] = (char)(1 + make_below(m, 255));
	return strings_add_n(&p->strings, text, len);
}

static inline uint32_t make_count(struct make *m)
{
	return make_below(m, 4) ? make_below(m, m->size + 1) : 0;
}

/* A new row at the end of one of the profile's arrays. */
#define make_row(p, member)                                                            \
	__extension__({                                                                \
		if (array_reserve(&(p)->member##s, &(p)->member##_room,                \
				  (p)->member##_count + 1) < 0)                        \
			abort();                                                       \
		&(p)->member##s[(p)->member##_count++];                                \
	})

static inline void make_meta(struct make *m, struct profile *p)
{
	p->version = make_string(m, p);
	p->host = make_string(m, p);
	p->options = make_string(m, p);
	p->start_unix_ns = make_value(m);
	p->wall_ns = make_value(m);
	p->complete = make_below(m, 2);
	p->symbolised = make_below(m, 2);
	p->free_stacks = make_below(m, 2);
	p->lossy = make_below(m, 2);
	p->sampled = make_below(m, 1 << 20);
	p->lost_no_ring = make_value(m);
	p->cut_stacks = make_value(m);
	p->stopped = make_string(m, p);
	p->write_error = (int32_t)make_value32(m);
	p->tree_peak = make_amount(m);
	p->tree_peak_at_ns = make_value(m);
}

static inline void make_process_fields(struct make *m, struct profile *p,
				       struct profile_process *a)
{
	a->pid = (int32_t)make_value32(m);
	a->command = make_string(m, p);
	a->exe = make_string(m, p);
	a->end = make_below(m, PROFILE_EXECED + 1);
	a->end_status = (int32_t)make_value32(m);
	a->notes = make_value32(m);
	a->start_ns = make_value(m);
	a->end_ns = make_value(m);
	for (int d = 0; d < PROFILE_DOMAINS; d++) {
		a->domain[d].allocs = make_value(m);
		a->domain[d].allocated_bytes = make_value(m);
		a->domain[d].frees = make_at_most(m, a->domain[d].allocs);
		a->domain[d].freed_bytes =
			make_at_most(m, a->domain[d].allocated_bytes);
		a->domain[d].peak = make_amount(m);
		a->domain[d].peak_at_ns = make_value(m);
	}
	a->temporary = make_amount(m);
	a->unknown_frees = make_value(m);
	a->unseen_frees = make_value(m);
	/* (No value of its own: all that follows would be another.) */
	a->finalised.blocks = a->unseen_frees / 2;
	a->finalised.bytes = a->unknown_frees / 3;
	a->arenas.bytes = a->unseen_frees / 4;
	a->arenas.used.blocks = a->unknown_frees / 5;
	a->arenas.used.bytes = a->unseen_frees / 6;
	a->arenas_at_peak.bytes = a->unknown_frees / 7;
	a->arenas_at_peak.used.blocks = a->unseen_frees / 8;
	a->arenas_at_peak.used.bytes = a->unknown_frees / 9;
	a->lost = make_value(m);
	a->held_back_ns = make_value(m);
	a->events = make_value(m);
	a->inherited = make_amount(m);
	a->inherited_freed = make_amount(m);
	for (int k = 0; k < PROFILE_MOMENTS; k++)
		a->memory[k] = (struct profile_memory){
			.at_ns = make_value(m),
			.live_bytes = make_value(m),
			.used_bytes = make_value(m),
			.system_bytes = make_value(m),
			.rss_at_ns = make_value(m),
			.rss_bytes = make_value(m),
			.rss_anonymous = make_value(m),
			.rss_files = make_value(m),
			.rss_stack = make_value(m),
			.rss_shared = make_value(m),
			.rss_own = make_value(m),
		};
}

static inline struct profile_process *make_process(struct profile *p)
{
	if (array_reserve(&p->processes, &p->process_room, p->process_count + 1) < 0)
		abort();
	return &p->processes[p->process_count++];
}

static inline void make_processes(struct make *m, struct profile *p)
{
	for (uint32_t n = make_count(m) + !p->process_count; n; n--) {
		struct profile_process *a = make_process(p);

		a->serial = (uint32_t)p->process_count * 3;
		if (p->process_count > 1 && make_below(m, 2))
			a->parent_serial =
				p->processes[make_below(m, p->process_count - 1)]
					.serial;
	}
	for (size_t i = 0; i < p->process_count; i++)
		if (make_below(m, 2))
			make_process_fields(m, p, &p->processes[i]);
}

static inline uint32_t make_serial(struct make *m, const struct profile *p)
{
	return p->processes[make_below(m, p->process_count)].serial;
}

/* Threads and bins may also become fewer. */
static inline void make_threads(struct make *m, struct profile *p)
{
	if (!make_below(m, 4))
		p->thread_count = 0;
	for (uint32_t n = make_count(m); n; n--) {
		struct profile_thread *t = make_row(p, thread);

		*t = (struct profile_thread){
			.process_serial = make_serial(m, p),
			.tid = (int32_t)make_value32(m),
			.name = make_string(m, p),
			.events = make_value(m),
			.start_ns = make_value(m),
			.end_ns = make_value(m),
		};
	}
}

static inline void make_bins(struct make *m, struct profile *p)
{
	if (!make_below(m, 4))
		p->bin_count = 0;
	for (uint32_t n = make_count(m); n; n--) {
		struct profile_bin *b = make_row(p, bin);

		*b = (struct profile_bin){
			.at_ns = p->bin_count > 1 ? b[-1].at_ns + 1 +
							    make_value(m) % (1ull << 50)
						  : 0,
			.max_bytes = make_value(m),
			.last_bytes = make_value(m),
			.last_blocks = make_value(m),
			.allocs = make_value(m),
			.rss_bytes = make_value(m),
		};
		b->min_bytes = make_at_most(m, b->max_bytes);
	}
}

static inline void make_unfolloweds(struct make *m, struct profile *p)
{
	if (!make_below(m, 4))
		p->unfollowed_count = 0;
	for (uint32_t n = make_count(m); n; n--)
		*make_row(p, unfollowed) = (struct profile_unfollowed){
			.parent_serial = make_below(m, 3) ? make_serial(m, p) : 0,
			.pid = (int32_t)make_value32(m),
			.program = make_string(m, p),
			.why = make_value32(m),
			.at_ns = make_value(m),
		};
}

static inline void make_marks(struct make *m, struct profile *p)
{
	if (!make_below(m, 4))
		p->mark_count = 0;
	for (uint32_t n = p->process_count ? make_count(m) : 0; n; n--)
		*make_row(p, mark) = (struct profile_mark){
			.process_serial = make_serial(m, p),
			.name = make_string(m, p),
			.at_ns = make_value(m),
			.marks = make_value(m),
		};
}

static inline void make_proofs(struct make *m, struct profile *p)
{
	if (!make_below(m, 4))
		p->proof_count = 0;
	for (uint32_t n = p->process_count ? make_count(m) : 0; n; n--)
		*make_row(p, proof) = (struct profile_proof){
			.process_serial = make_serial(m, p),
			.address = make_value(m),
			.lost_ns = make_value(m),
			.freed_ns = make_value(m),
		};
}

static inline void make_pieces(struct make *m, struct profile *p)
{
	struct profile_piece pieces[3];
	unsigned char data[64];
	size_t count = make_below(m, 4);

	for (size_t i = 0; i < count; i++) {
		size_t len = make_below(m, sizeof(data));

		for (size_t k = 0; k < len; k++)
			data[k] = (unsigned char)make_value32(m);
		if (profile_piece_make(data, len, &pieces[i]) < 0)
			abort();
	}
	if (profile_pieces_add(p, pieces, count) < 0)
		abort();
}

static inline void make_snapshots(struct make *m, struct profile *p)
{
	for (uint32_t n = p->process_count ? make_below(m, 3) : 0; n; n--) {
		*make_row(p, snapshot) = (struct profile_snapshot){
			.process_serial = make_serial(m, p),
			.name = make_string(m, p),
			.cause = make_string(m, p),
			.kind = make_below(m, PROFILE_SCANS),
			.at_ns = make_value(m),
			.blocks = make_value(m),
			.bytes = make_value(m),
			.edges = make_value(m),
			.roots = make_value(m),
			.read_bytes = make_value(m),
			.unread_bytes = make_value(m),
			.pause_ns = make_value(m),
			.scan_ns = make_value(m),
			.threads = make_value32(m),
			.running = make_value32(m),
			.lacking = make_below(m, 2),
		};
		make_pieces(m, p);
	}
}

static inline void make_symbols(struct make *m, struct profile *p)
{
	for (uint32_t n = make_count(m); n; n--) {
		struct profile_module *a = make_row(p, module);

		a->path = make_string(m, p);
		a->build_id = make_string(m, p);
		a->end = make_value(m);
		a->start = make_at_most(m, a->end);
		a->bias = make_value(m);
	}
	for (uint32_t n = make_count(m); n; n--) {
		struct profile_frame *f = make_row(p, frame);

		*f = (struct profile_frame){
			make_string(m, p), make_string(m, p), make_string(m, p),
			make_value32(m),   make_value32(m),   make_value32(m),
		};
	}
	for (uint32_t n = p->frame_count ? make_count(m) : 0; n; n--) {
		struct profile_code *c = make_row(p, code);

		c->first_frame = make_below(m, p->frame_count);
		c->frames = 1 + make_below(m, p->frame_count - c->first_frame);
	}
	for (uint32_t n = make_count(m); n; n--) {
		struct profile_source *s = make_row(p, source);

		s->file = make_string(m, p);
		s->first = 1 + make_below(m, UINT32_MAX - 1);
		s->count = (uint32_t)make_at_most(m, UINT32_MAX - s->first);
		s->text = make_string(m, p);
	}
}

static inline void make_stacks(struct make *m, struct profile *p)
{
	for (uint32_t n = make_count(m); n; n--) {
		struct profile_stack *s = make_row(p, stack);

		s->pc = make_value(m);
		s->parent = make_below(m, p->stack_count - 1);
		s->module = make_below(m, p->module_count + 1);
		s->flags = make_below(m, 8);
	}
	for (size_t i = 0; i < p->stack_count; i++)
		if (!make_below(m, 3))
			p->stacks[i].code = make_below(m, p->code_count + 1);
}

static inline void make_classes(struct make *m, struct profile_class **items,
				uint32_t *count)
{
	uint64_t which = make_any(m);

	if (make_below(m, 20)) /* few, mostly */
		which &= make_any(m) & make_any(m) & make_any(m) & make_any(m);
	else if (!make_below(m, 4))
		which = UINT64_MAX;
	free(*items);
	*items = NULL;
	*count = 0;
	if (!which)
		return;
	*items = calloc(64, sizeof(**items));
	for (uint32_t i = 0; i < 64; i++)
		if (which >> i & 1)
			(*items)[(*count)++] = (struct profile_class){i, make_value(m)};
}

static inline void make_site_fields(struct make *m, struct profile_site *s)
{
	s->dirty = 1;
	s->allocs = make_value(m);
	s->allocated_bytes = make_value(m);
	s->frees = make_at_most(m, s->allocs);
	s->freed_bytes = make_at_most(m, s->allocated_bytes);
	s->peak = make_amount(m);
	s->tree_peak = make_amount(m);
	s->temporary = make_amount(m);
	s->first_ns = make_value(m);
	s->last_ns = make_value(m);
	s->freed_here = make_value(m);
	s->freed_here_bytes = make_value(m);
	s->last_rank = make_value(m);
	s->last_live_bytes = make_value(m);
	/* (No value of its own, as above.) */
	s->values = s->allocs / 2;
	s->repeated = s->allocs / 3;
	make_classes(m, &s->sizes, &s->sizes_count);
	make_classes(m, &s->lives, &s->lives_count);
}

static inline bool make_has_site(const struct profile *p, const struct profile_site *s)
{
	for (size_t i = 0; i < p->site_count; i++)
		if (p->sites[i].process_serial == s->process_serial &&
		    p->sites[i].stack == s->stack && p->sites[i].domain == s->domain)
			return true;
	return false;
}

static inline void make_sites(struct make *m, struct profile *p)
{
	for (uint32_t n = make_count(m); n; n--) {
		struct profile_site site = {
			.process_serial = make_serial(m, p),
			.stack = make_below(m, p->stack_count),
			.domain = make_below(m, PROFILE_DOMAINS),
		};

		if (make_has_site(p, &site))
			continue;
		make_site_fields(m, &site);
		*make_row(p, site) = site;
	}
	for (size_t i = 0; i < p->site_count; i++)
		if (!make_below(m, 4))
			make_site_fields(m, &p->sites[i]);
}

/* Takes a part from what a site has left: all of it for the last one. */
static inline struct profile_share make_share(struct make *m, struct profile_share *left,
					      bool last, bool by_time)
{
	struct profile_share s = *left;
	uint64_t *from = &left->allocs, *to = &s.allocs;
	size_t fields = (sizeof(s) - offsetof(struct profile_share, allocs)) / 8;

	for (size_t i = 0; i < fields && !last; i++)
		to[i] = make_at_most(m, from[i]);
	if (!last) { /* no more of them die, or are freed, than there are */
		s.died.blocks = s.allocs < left->died.blocks ? s.allocs
							      : left->died.blocks;
		s.died.bytes = s.allocated_bytes < left->died.bytes
				       ? s.allocated_bytes
				       : left->died.bytes;
		s.frees = by_time ? 0 : s.died.blocks;
		s.freed_bytes = by_time ? 0 : s.died.bytes;
	}
	for (size_t i = 0; i < fields; i++)
		from[i] -= to[i];
	return s;
}

/* The shares of a site by one dimension, of values below `values`. */
static inline void make_site_shares(struct make *m, const struct profile_site *s,
				    bool by_time, uint32_t values,
				    struct profile_share **items, size_t *count,
				    size_t *room)
{
	uint32_t n = 1 + make_below(m, values < 3 ? values : 3), first;
	struct profile_share left = {
		.process_serial = s->process_serial,
		.stack = s->stack,
		.domain = s->domain,
		.allocs = s->allocs,
		.allocated_bytes = s->allocated_bytes,
		.frees = s->frees,
		.freed_bytes = s->freed_bytes,
		.freed_here = s->freed_here,
		.freed_here_bytes = s->freed_here_bytes,
		.temporary = s->temporary,
		.died = {s->frees, s->freed_bytes},
	};

	if (!by_time) {
		left.peak = s->peak;
		left.tree_peak = s->tree_peak;
	}
	if (array_reserve(items, room, *count + n) < 0)
		abort();
	first = values > n ? make_below(m, values - n) : 0;
	for (uint32_t i = 0; i < n; i++) {
		struct profile_share share = make_share(m, &left, i == n - 1, by_time);

		share.value = first + i;
		if (by_time) {
			share.last_rank = i == n - 1 ? s->last_rank : make_value(m);
			share.last_live_bytes =
				i == n - 1 ? s->last_live_bytes : make_value(m);
		}
		(*items)[(*count)++] = share;
	}
}

/* All of them anew, as the sites have changed. */
static inline void make_shares(struct make *m, struct profile *p)
{
	uint64_t at = make_below(m, 1000);

	p->epoch_count = p->time_count = p->size_count = p->owner_count = 0;
	for (uint32_t n = 1 + make_below(m, 6); n; n--) {
		make_row(p, epoch)->at_ns = at;
		at += 1 + make_below(m, 1ull << 40);
	}
	for (size_t i = 0; i < p->site_count; i++) {
		const struct profile_site *s = &p->sites[i];

		make_site_shares(m, s, true, (uint32_t)p->epoch_count, &p->times,
				 &p->time_count, &p->time_room);
		if (s->domain != PROFILE_MALLOC)
			continue;
		make_site_shares(m, s, false, 64, &p->sizes, &p->size_count,
				 &p->size_room);
		make_site_shares(m, s, false, (uint32_t)p->thread_count + 1, &p->owners,
				 &p->owner_count, &p->owner_room);
		if (p->owners[p->owner_count - 1].value == p->thread_count)
			p->owners[p->owner_count - 1].value = PROFILE_OTHERS;
	}
	p->dimensions = PROFILE_DIMENSIONS;
	p->divided = PROFILE_SIZES | PROFILE_OWNERS;
	p->shares_new = true;
}

/* Lets a profile go on: what may grow grows, what may change changes. */
static inline void make_more(struct make *m, struct profile *p)
{
	make_meta(m, p);
	make_processes(m, p);
	make_threads(m, p);
	make_bins(m, p);
	make_unfolloweds(m, p);
	make_marks(m, p);
	make_proofs(m, p);
	make_snapshots(m, p);
	make_symbols(m, p);
	make_stacks(m, p);
	make_sites(m, p);
	make_shares(m, p);
}

#define make_same_rows(a, b, member)                                                   \
	((a)->member##_count == (b)->member##_count &&                                 \
	 (!(a)->member##_count ||                                                      \
	  !memcmp((a)->member##s, (b)->member##s,                                      \
		  (a)->member##_count * sizeof(*(a)->member##s))))

static inline bool make_same_classes(const struct profile_class *a,
				     const struct profile_class *b, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (a[i].log2 != b[i].log2 || a[i].count != b[i].count)
			return false;
	return true;
}

static inline bool make_same_site(const struct profile_site *a,
				  const struct profile_site *b)
{
	struct profile_site left = *a, right = *b;

	left.sizes = left.lives = right.sizes = right.lives = NULL;
	left.dirty = right.dirty = 0;
	return !memcmp(&left, &right, sizeof(left)) &&
	       make_same_classes(a->sizes, b->sizes, a->sizes_count) &&
	       make_same_classes(a->lives, b->lives, a->lives_count);
}

/* What differs between two profiles, or NULL. Byte by byte, so that a field that
 * nobody thought of counts too; but not `complete`. */
static inline const char *make_difference(const struct profile *a,
					  const struct profile *b)
{
	size_t from = offsetof(struct profile, version);
	size_t to = offsetof(struct profile, processes);
	struct profile left = *a, right = *b;

	left.complete = right.complete = false;
	if (memcmp((char *)&left + from, (char *)&right + from, to - from))
		return "description";
	if (a->strings.count != b->strings.count)
		return "number of strings";
	for (uint32_t i = 0; i < a->strings.count; i++)
		if (strcmp(strings_get(&a->strings, i), strings_get(&b->strings, i)))
			return "strings";
	if (!make_same_rows(a, b, module) || !make_same_rows(a, b, frame) ||
	    !make_same_rows(a, b, code) || !make_same_rows(a, b, source))
		return "modules, frames, codes or sources";
	if (!make_same_rows(a, b, stack))
		return "stacks";
	if (a->process_count != b->process_count ||
	    (a->process_count && memcmp(a->processes, b->processes,
					a->process_count * sizeof(*a->processes))))
		return "processes";
	if (!make_same_rows(a, b, thread) || !make_same_rows(a, b, bin))
		return "threads or bins";
	if (!make_same_rows(a, b, snapshot) || a->piece_count != b->piece_count)
		return "snapshots";
	if (!make_same_rows(a, b, mark))
		return "marks";
	if (!make_same_rows(a, b, proof))
		return "blocks that were not lost";
	if (!make_same_rows(a, b, unfollowed))
		return "programs not followed";
	if (a->site_count != b->site_count)
		return "number of sites";
	for (size_t i = 0; i < a->site_count; i++)
		if (!make_same_site(&a->sites[i], &b->sites[i]))
			return "sites";
	if (!make_same_rows(a, b, epoch))
		return "epochs";
	if (!a->time_count || !b->time_count) /* not asked for */
		return NULL;
	if (!make_same_rows(a, b, time) || !make_same_rows(a, b, size) ||
	    !make_same_rows(a, b, owner))
		return "shares";
	return NULL;
}

/* Damage: pieces overwritten, exchanged, doubled, dropped, counted up or down. */
static inline void make_corrupt(struct make *m, struct bytes *b)
{
	size_t a, c, n = 1 + make_below(m, 64);

	if (!b->len)
		return;
	a = make_below(m, b->len);
	c = make_below(m, b->len);
	n = n < b->len - a ? n : b->len - a;
	n = n < b->len - c ? n : b->len - c;
	switch (make_below(m, 6)) {
	case 0:
		for (size_t i = 0; i < n; i++)
			b->data[a + i] = (unsigned char)make_any(m);
		break;
	case 1:
		memmove(b->data + a, b->data + c, n);
		break;
	case 2:
		memmove(b->data + a, b->data + a + n, b->len - a - n);
		b->len -= n;
		break;
	case 3:
		memset(b->data + a, make_below(m, 2) ? 0 : 0xff, n);
		break;
	default:
		b->data[a] = (unsigned char)(b->data[a] + 1 - 2 * make_below(m, 2));
	}
}

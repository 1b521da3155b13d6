/*
 * churn_advice.c - what the numbers of a site say about it.
 */
#include "cli/report/churn.h"

#include <stdio.h>
#include <string.h>

enum { /* what advice takes, so that it is never given for a trifle or by chance */
       GROWTH_CLASSES = 5, /* powers of two in a row */
       GROWTH_SPREAD = 4,  /* the first has at most so many times the last's blocks */
       GROWTH_BLOCKS = 100,
       REUSE_BLOCKS = 1000,
       REUSE_PERCENT = 80,     /* of the blocks are temporary */
       SAME_SIZE_PERCENT = 95, /* are in one class */
       POOL_BLOCKS = 10000,
       POOL_BYTES = 1024, /* of a block, less than */
       POOL_FREED_PERCENT = 90,
       POOL_LIFE_NS = 100000000, /* half of the blocks live shorter */
       POOL_ROUNDS = 100,	 /* times that each of a pool would be used */
       LIST_BLOCKS = 1000,
       LIST_ITEMS = 100, /* blocks for one of those around a list */
       LIST_KEPT = 16,	 /* in free lists */
       NUMBERS = 10000,
       NUMBERS_A_LIST = 50, /* at least, on the average */
       PLACE = 8,	    /* bytes of one in a list */
       CACHE_BLOCKS = 10000,
       CACHE_VALUES = 60,   /* were looked at: 128 times as many were freed */
       CACHE_PERCENT = 95,  /* of them came again, ... */
       CACHE_SHARE = 256,   /* ... and one in so many blocks was looked at, at least */
       PLACES_PERCENT = 80, /* of a list's places have a number */
};

static bool at_least(uint64_t part, unsigned percent, uint64_t whole)
{
	return (double)part * 100 >= (double)percent * (double)whole;
}

/* The class with most blocks. */
static unsigned main_class(const struct classes *c)
{
	unsigned best = 0;

	for (unsigned i = 1; i < CLASSES; i++)
		if (c->count[i] > c->count[best])
			best = i;
	return best;
}

/* Sizes double, as they do in a vector that grows: neighbouring classes without a gap,
 * later ones with no more blocks than earlier ones, since some series end early. The
 * first class may have fewer: series start at different sizes. */
static bool sizes_double(const struct classes *c, unsigned *ret_first,
			 unsigned *ret_last)
{
	unsigned first = 0, last = CLASSES - 1;

	if (!c->total)
		return false;
	while (!c->count[first])
		first++;
	while (!c->count[last])
		last--;
	*ret_first = first;
	*ret_last = last;
	/* 1, 2, 4: below 4 bytes every size is a class. */
	if (last - first + 1 < GROWTH_CLASSES)
		return false;
	for (unsigned i = first + 1; i <= last; i++)
		if (!c->count[i] || (i > first + 1 && c->count[i] > c->count[i - 1]))
			return false;
	return c->count[first + 1] / GROWTH_SPREAD <= c->count[last] &&
	       c->count[first] / GROWTH_SPREAD <= c->count[last];
}

static bool advise_reserve(const struct churn_site *s, char *reason, size_t room)
{
	unsigned first, last;

	if (s->allocs < GROWTH_BLOCKS || !sizes_double(&s->sizes, &first, &last) ||
	    !at_least(s->freed_here, 50, s->allocs))
		return false;
	snprintf(reason, room,
		 "its sizes double from %s to %s, %s of the largest after %s blocks, "
		 "and %s of the blocks are freed at the same line: ask for the final "
		 "size at once.",
		 units_size(classes_low(first)).text,
		 units_size(classes_high(last) + 1).text,
		 units_count(s->sizes.count[last]).text, units_count(s->allocs).text,
		 units_percent(s->freed_here < s->allocs ? s->freed_here : s->allocs,
			       s->allocs)
			 .text);
	return true;
}

static bool advise_reuse(const struct churn_site *s, char *reason, size_t room)
{
	unsigned size = main_class(&s->sizes);

	if (s->allocs < REUSE_BLOCKS ||
	    !at_least(s->temporary, REUSE_PERCENT, s->allocs) ||
	    !at_least(s->sizes.count[size], SAME_SIZE_PERCENT, s->allocs))
		return false;
	snprintf(reason, room,
		 "%s of its %s blocks were freed by the thread's next event, and %s "
		 "are of %s: keep one and use it again.",
		 units_percent(s->temporary, s->allocs).text,
		 units_count(s->allocs).text,
		 units_percent(s->sizes.count[size], s->allocs).text,
		 classes_sizes(size).text);
	return true;
}

static bool advise_pool(const struct churn_site *s, char *reason, size_t room)
{
	unsigned size = main_class(&s->sizes), life;

	if (s->allocs < POOL_BLOCKS || classes_high(size) >= POOL_BYTES ||
	    !at_least(s->sizes.count[size], SAME_SIZE_PERCENT, s->allocs) ||
	    !at_least(s->frees, POOL_FREED_PERCENT, s->allocs) || !s->lives.total)
		return false;
	life = classes_percentile(&s->lives, 50);
	if (classes_high(life) > POOL_LIFE_NS)
		return false;
	snprintf(reason, room,
		 "%s blocks, %s of them of %s, %s freed, half of these within %s: take "
		 "them from a pool.",
		 units_count(s->allocs).text,
		 units_percent(s->sizes.count[size], s->allocs).text,
		 classes_sizes(size).text, units_percent(s->frees, s->allocs).text,
		 units_duration(classes_high(life) + 1).text);
	return true;
}

/* ---- of Python ----------------------------------------------------------- */

/* How many lived at a time, on the average: as many as were made in one's lifetime. */
static uint64_t alive(const struct churn_objects *o, unsigned life)
{
	uint64_t ns = o->last_ns > o->first_ns ? o->last_ns - o->first_ns : 1;
	double n = (double)o->allocs * (double)classes_high(life) / (double)ns;

	return n < (double)o->allocs ? (uint64_t)n : o->allocs;
}

/* Native code would keep one block and use it again; of Python's that can be done with
 * what a class makes, if few of them live at a time, and not with numbers and texts. */
static bool advise_objects(const struct churn_python *p, char *reason, size_t room)
{
	const struct churn_objects *o = &p->objects;
	bool at_once = o->allocs >= REUSE_BLOCKS &&
		       at_least(o->temporary, REUSE_PERCENT, o->allocs);
	unsigned life;

	if (!o->lives.total || !at_least(o->frees, POOL_FREED_PERCENT, o->allocs))
		return false;
	life = classes_percentile(&o->lives, 50);
	if (!at_once && (o->allocs < POOL_BLOCKS || classes_high(life) > POOL_LIFE_NS ||
			 alive(o, life) > o->allocs / POOL_ROUNDS))
		return false;
	snprintf(reason, room,
		 "%s objects were made by calling a class, %s freed, half of these "
		 "within %s: if they can be used again, take them from a pool.",
		 units_count(o->allocs).text, units_percent(o->frees, o->allocs).text,
		 units_duration(classes_high(life) + 1).text);
	return true;
}

/* What a list comprehension makes is in its list until the line has done with that. All
 * of it was freed by the line itself, but for what free lists keep. A line that puts one
 * list in the place of another does that as well, with all but its last list: so lists
 * must be long, beside what each call of a comprehension makes around it. */
static bool advise_generator(const struct churn_site *s, char *reason, size_t room)
{
	const struct churn_python *p = &s->python;
	uint64_t around = p->line_allocs - s->allocs;

	if (!p->is_list || s->allocs < LIST_BLOCKS || p->line_allocs < s->allocs ||
	    around > s->allocs / LIST_ITEMS || s->frees + LIST_KEPT < s->allocs ||
	    p->line_freed + LIST_KEPT < p->line_allocs)
		return false;
	snprintf(
		reason, room,
		"the %s blocks of this list comprehension were freed by its own line: "
		"if the list is gone through once, a generator expression has one item "
		"at a time.",
		units_count(s->allocs).text);
	return true;
}

/* So many places as lists have, that grow by an eighth, and in few blocks. */
static bool advise_array(const struct churn_python *p, char *reason, size_t room)
{
	const struct profile_amount *n = &p->numbers, *rest = &p->rest;
	uint64_t all = n->bytes + rest->bytes;

	if (n->blocks < NUMBERS || rest->blocks > n->blocks / NUMBERS_A_LIST ||
	    rest->bytes / PLACE < n->blocks ||
	    !at_least(n->blocks * PLACE, PLACES_PERCENT, rest->bytes))
		return false;
	snprintf(reason, room,
		 "%s numbers and the lists that they are in had %s at the peak: "
		 "array.array has 8 bytes a number, %s.",
		 units_count(n->blocks).text, units_size(all).text,
		 units_size(n->blocks * PLACE).text);
	return true;
}

/* The values are of what was freed here: where most blocks of the line are of other kinds,
 * little is known of it. */
static bool advise_cache(const struct churn_site *s, char *reason, size_t room)
{
	const struct churn_python *p = &s->python;

	if (s->allocs < CACHE_BLOCKS || p->values < CACHE_VALUES ||
	    p->values < s->allocs / CACHE_SHARE ||
	    !at_least(p->repeated, CACHE_PERCENT, p->values))
		return false;
	snprintf(reason, room,
		 "of %s texts and numbers that were looked at, %s had one of 8 values "
		 "that it had made before: functools.lru_cache keeps what a function "
		 "made, a name outside of the loop a constant.",
		 units_count(p->values).text, units_count(p->repeated).text);
	return true;
}

static enum churn_advice advise_python(const struct churn_site *s, char *reason,
				       size_t room)
{
	if (advise_generator(s, reason, room))
		return CHURN_GENERATOR;
	if (advise_array(&s->python, reason, room))
		return CHURN_ARRAY;
	if (advise_objects(&s->python, reason, room))
		return CHURN_POOL;
	if (advise_cache(s, reason, room))
		return CHURN_CACHE;
	return CHURN_NONE;
}

enum churn_advice churn_advise(const struct churn_site *s, char *reason, size_t room)
{
	*reason = '\0';
	if (s->python.is)
		return advise_python(s, reason, room);
	if (advise_reserve(s, reason, room))
		return CHURN_RESERVE;
	if (advise_reuse(s, reason, room))
		return CHURN_REUSE;
	if (advise_pool(s, reason, room))
		return CHURN_POOL;
	return CHURN_NONE;
}

/* ---- what is known of Python's ------------------------------------------- */

/* A float has 24 bytes; an int of up to 60 bits 28, or 32 where it is computed. No
 * object that has others is so small, but one that a class makes. */
static bool are_numbers(const struct profile_site *site)
{
	return site->allocs && (site->allocated_bytes == site->allocs * 24 ||
				site->allocated_bytes == site->allocs * 28 ||
				site->allocated_bytes == site->allocs * 32);
}

void churn_python_add(struct churn_python *to, const struct profile *p,
		      const struct instances *n, const struct profile_site *site,
		      struct profile_amount peak)
{
	struct profile_amount *amount = &to->rest;

	to->values += site->values;
	to->repeated += site->repeated;
	if (instances_has(n, p, site->stack)) {
		to->objects.allocs += site->allocs;
		to->objects.frees += site->frees;
		to->objects.temporary += site->temporary.blocks;
		if (!to->objects.last_ns || site->first_ns < to->objects.first_ns)
			to->objects.first_ns = site->first_ns;
		if (site->last_ns > to->objects.last_ns)
			to->objects.last_ns = site->last_ns;
		classes_add(&to->objects.lives, site->lives, site->lives_count);
	} else if (are_numbers(site)) {
		amount = &to->numbers;
	}
	amount->blocks += peak.blocks;
	amount->bytes += peak.bytes;
}

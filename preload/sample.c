#include "preload/sample.h"

#include "preload/sys.h"
#include "preload/wire.h"

#include <errno.h>
#include <sys/mman.h>

#define TLS __thread __attribute__((tls_model("initial-exec")))

struct sample sample;
TLS uint64_t sample_left;

static TLS uint64_t beyond; /* bytes to the next point, behind sample_left */
static TLS uint64_t dice;   /* state of the generator; 0: not begun */

/* ---- drawing ------------------------------------------------------------- */

/* splitmix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators",
 * OOPSLA 2014. */
static uint64_t draw(void)
{
	uint64_t z = dice += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

/* In (0, 1]. */
static double draw_fraction(void)
{
	return (double)((draw() >> 11) + 1) * 0x1p-53;
}

/* -ln x of a normal number x in (0, 1]. There is no libm here. */
static double minus_log(double x)
{
	union {
		double number;
		uint64_t bits;
	} m = {.number = x};
	int exponent = (int)(m.bits >> 52) - 1023;
	double z, square, sum = 0;

	m.bits = (m.bits & ((1ull << 52) - 1)) | 1023ull << 52; /* in [1, 2) */
	z = (m.number - 1) / (m.number + 1);
	square = z * z;
	for (int i = 25; i > 0; i -= 2)
		sum = sum * square + 1.0 / i;
	return -(exponent * 0.69314718055994530942 + 2 * z * sum);
}

/* 1 - exp(-t), t in [0, 2). */
static double hit_probability(double t)
{
	double sum = 0;

	for (int i = 24; i > 0; i--)
		sum = (1 - sum) * t / i;
	return sum;
}

static uint64_t interval(void)
{
	/* relaxed: it was seen to be set already, and does not change. */
	return atomic_load_explicit(&sample.interval, memory_order_relaxed);
}

/* Mean distance of the points. */
static double spacing(void)
{
	return (double)interval() / (2 * 0.69314718055994530942);
}

static void begin(void)
{
	long tid = sys_call3(SYS_gettid, 0, 0, 0);

	dice = sys_monotonic_ns() ^ (uint64_t)tid << 40 ^ (uintptr_t)&dice;
	dice = draw() | 1;
}

/* The next point is so many bytes away: rounded up, for it lies within a byte. */
static void set_gap(double bytes)
{
	uint64_t gap = (uint64_t)bytes + 1;

	sample_left = gap < interval() ? gap : interval();
	beyond = gap - sample_left;
}

static void next_point(void)
{
	set_gap(minus_log(draw_fraction()) * spacing());
}

/* Whether a block that a point fell into is accepted. */
static bool accepts(size_t size)
{
	double p = hit_probability((double)size / spacing());

	return draw_fraction() * p * (double)wire_weight(interval(), size) <= 1;
}

bool sample_skips_slowly(size_t size)
{
	uint64_t to_point;

	if (!dice) {
		begin();
		next_point();
	}
	if (size >= interval())
		return false; /* it is no part of the process */
	to_point = sample_left + beyond;
	if (size < to_point) {
		to_point -= size;
		sample_left = to_point < interval() ? to_point : interval();
		beyond = to_point - sample_left;
		return true;
	}
	next_point(); /* from the block's end: the process has no memory */
	return !accepts(size);
}

void sample_forked(void)
{
	sample_left = beyond = dice = 0;
}

void sample_seed(uint64_t seed)
{
	dice = seed | 1ull << 63;
	next_point();
}

/* ---- the set of recorded blocks -------------------------------------------
 *
 * A cascade of hash tables, each eight times the one before, so that it touches memory
 * in proportion to what was ever in it. An address may stand in any level, in a window
 * of one cache line. Its owner alone adds and takes it; others' addresses come and go
 * in the slots beside it. A fork child has its parent's, as it has its blocks.
 */

static void *reserve(size_t bytes)
{
	long p = sys_call6(SYS_mmap, 0, (long)bytes, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return (unsigned long)p > -4096ul ? NULL : (void *)p;
}

int sample_init(uint64_t bytes)
{
	sample.filter = reserve(1 << SAMPLE_FILTER_BITS);
	sample.set = reserve(SAMPLE_SET_SLOTS * sizeof(*sample.set));
	if (!sample.filter || !sample.set)
		return -ENOMEM;
	/* release: the tables, then the word that says they are there. */
	atomic_store_explicit(&sample.interval, bytes, memory_order_release);
	return 0;
}

static _Atomic uintptr_t *window(const void *p, unsigned level)
{
	uint64_t hash = ((uintptr_t)p >> 4) * 0xd6e8feb86659fd93ull;
	unsigned bits = SAMPLE_SET_FIRST_BITS + 3 * level;
	size_t first = 0;

	for (unsigned below = 0; below < level; below++)
		first += (size_t)1 << (SAMPLE_SET_FIRST_BITS + 3 * below);
	return sample.set + first +
	       ((hash >> (64 - bits)) & ~(uint64_t)(SAMPLE_WINDOW - 1));
}

static bool swap(_Atomic uintptr_t *slots, uintptr_t from, uintptr_t to)
{
	for (unsigned i = 0; i < SAMPLE_WINDOW; i++) {
		uintptr_t is = from;

		/* relaxed: the block's own way from thread to thread orders them. */
		if (atomic_load_explicit(&slots[i], memory_order_relaxed) == from &&
		    atomic_compare_exchange_strong_explicit(&slots[i], &is, to,
							    memory_order_relaxed,
							    memory_order_relaxed))
			return true;
	}
	return false;
}

/* A counter that was full once has lost count, and stays. */
static void count(const void *p, int change)
{
	_Atomic uint8_t *counter = &sample.filter[sample_hash(p)];
	uint8_t is = atomic_load_explicit(counter, memory_order_relaxed);

	while (is != UINT8_MAX && !atomic_compare_exchange_weak_explicit(
					  counter, &is, (uint8_t)(is + change),
					  memory_order_relaxed, memory_order_relaxed))
		;
}

/* One more level is in use from now on, for all who look for what is put there. */
static void need(unsigned level)
{
	uint32_t is = atomic_load_explicit(&sample.levels, memory_order_relaxed);

	while (is <= level && !atomic_compare_exchange_weak_explicit(
				      &sample.levels, &is, level + 1,
				      memory_order_relaxed, memory_order_relaxed))
		;
}

bool sample_add(const void *p)
{
	for (unsigned level = 0; level < SAMPLE_SET_LEVELS; level++)
		if (swap(window(p, level), 0, (uintptr_t)p)) {
			need(level);
			count(p, 1);
			return true;
		}
	return false;
}

bool sample_skips_free_slowly(const void *p)
{
	uint32_t levels = atomic_load_explicit(&sample.levels, memory_order_relaxed);

	for (unsigned level = 0; level < levels; level++)
		if (swap(window(p, level), (uintptr_t)p, 0)) {
			count(p, -1);
			return false;
		}
	return true;
}

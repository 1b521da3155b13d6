/*
 * holding.c - blocks to look at in the viewer, each kind by a function of its own: many
 * alike under one, a long list, lost ones that hold others, a ring, and some that more
 * are added to all the time.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NOINLINE __attribute__((noinline))

enum { ITEMS = 300, LINKS = 200, LOST = 40, GROWTH = 60 };

/* ---- many alike ---------------------------------------------------------- */

struct shelf {
	char *items[ITEMS];
	struct shelf *self;
};

static struct shelf *g_shelf;

static NOINLINE char *make_item(size_t i)
{
	return memset(malloc(48 + i % 3), 'x', 48);
}

static NOINLINE void fill_shelf(void)
{
	g_shelf = calloc(1, sizeof(*g_shelf));
	g_shelf->self = g_shelf;
	for (size_t i = 0; i < ITEMS; i++)
		g_shelf->items[i] = make_item(i);
}

/* ---- a long list --------------------------------------------------------- */

struct link {
	struct link *next;
	char *name;
};

static struct link *g_links;

static NOINLINE struct link *make_link(struct link *next)
{
	struct link *link = malloc(sizeof(*link));

	link->next = next;
	link->name = strdup("a link of the list");
	return link;
}

static NOINLINE void make_links(void)
{
	for (int i = 0; i < LINKS; i++)
		g_links = make_link(g_links);
}

/* ---- lost ------------------------------------------------------------------ */

static void *volatile g_last; /* takes the last word that points at what is lost */

static NOINLINE void lose_links(void)
{
	struct link *lost = NULL;

	for (int i = 0; i < LOST; i++)
		lost = make_link(lost);
	g_last = lost;
	g_last = NULL;
}

static NOINLINE void lose_ring(void)
{
	struct link *first = make_link(NULL), *second = make_link(first);

	first->next = make_link(second);
	g_last = first;
	g_last = NULL;
}

static NOINLINE void lose_words(void)
{
	for (int i = 0; i < LOST; i++)
		g_last = strdup("nobody has this");
	g_last = NULL;
}

/* ---- more and more ----------------------------------------------------------- */

static struct link *g_log;

static NOINLINE void grow(void)
{
	const struct timespec while_ = {0, 10000000};

	for (int i = 0; i < GROWTH; i++) {
		g_log = make_link(g_log);
		g_log->name = realloc(g_log->name, 4000);
		nanosleep(&while_, NULL);
	}
}

/* Overwrites what calls have left on the stack. */
static NOINLINE void sweep(void)
{
	char room[16384];

	memset(room, 0, sizeof(room));
	__asm__ volatile("" : : "r"(room) : "memory");
}

int main(void)
{
	fill_shelf();
	make_links();
	lose_links();
	lose_ring();
	lose_words();
	grow();
	sweep();
	return 0;
}

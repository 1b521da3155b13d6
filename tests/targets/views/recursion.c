/* A list of ten, made and freed by functions that call themselves; two that call each
 * other. */
#include <stdlib.h>

struct item {
	struct item *next;
	char text[92];
};

__attribute__((noinline)) static struct item *make(int count)
{
	struct item *item = malloc(sizeof(*item));

	item->next = count > 1 ? make(count - 1) : NULL;
	return item;
}

__attribute__((noinline)) static void drop(struct item *item)
{
	if (item->next)
		drop(item->next);
	free(item);
}

static void *pong(int count);

__attribute__((noinline)) static void *ping(int count)
{
	void *rest = count ? pong(count - 1) : NULL;

	free(rest);
	return malloc(10);
}

__attribute__((noinline)) static void *pong(int count)
{
	void *rest = count ? ping(count - 1) : NULL;

	free(rest);
	return malloc(1000);
}

int main(void)
{
	drop(make(10));
	free(ping(5));
	return 0;
}

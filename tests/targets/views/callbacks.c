/* Allocations below a library that calls back: qsort and bsearch. */
#include <stdlib.h>
#include <string.h>

static char *copy_of(const char *text)
{
	char *copy = malloc(strlen(text) + 1);

	return strcpy(copy, text);
}

static int compare(const void *left, const void *right)
{
	char *a = copy_of(*(char *const *)left);
	char *b = copy_of(*(char *const *)right);
	int order = strcmp(a, b);

	free(a);
	free(b);
	return order;
}

int main(void)
{
	const char *names[] = {"delta", "alpha", "echo", "bravo"};
	const char *wanted = "echo";
	const char **found;

	qsort(names, 4, sizeof(*names), compare);
	found = bsearch(&wanted, names, 4, sizeof(*names), compare);
	return found ? (copy_of(*found)[0] != 'e') : 2;
}

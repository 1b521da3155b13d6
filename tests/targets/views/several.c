/* A program of several files and a library, which both have a function of one header. */
#include "several.h"

int main(void)
{
	void *mine = several_new(100), *part = part_new(), *library = library_new();

	free(mine);
	free(part);
	free(library);
	return 0;
}

/* The library of several.c. */
#include "several.h"

void *library_new(void)
{
	return several_new(5000);
}

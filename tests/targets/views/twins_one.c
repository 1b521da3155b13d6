/* Two files with a static function of one name: they are two functions. */
#include <stdlib.h>

void *two(void);

static void *make(void)
{
	return malloc(100);
}

int main(void)
{
	void *p = make(), *q = two();

	free(p);
	return q == NULL;
}

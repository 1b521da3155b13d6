/* Memory asked for in macros: it is the line's that uses them. */
#include <stdlib.h>

#define MAKE(bytes) malloc(bytes)
#define MAKE_TWO(a, b, bytes)                                                          \
	do {                                                                           \
		(a) = MAKE(bytes);                                                     \
		(b) = MAKE(2 * (bytes));                                               \
	} while (0)

void *volatile one, *volatile two;

int main(void)
{
	MAKE_TWO(one, two, 1000);
	free(one);
	one = MAKE(10);
	return 0;
}

#include "cli/base/array.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int array_room_(void **items, size_t *room, size_t need, size_t item_bytes)
{
	size_t more = *room ? *room : 8, bytes;
	char *grown;

	if (need <= *room)
		return 0;
	while (more < need)
		if (__builtin_mul_overflow(more, 2, &more))
			return -EOVERFLOW;
	if (__builtin_mul_overflow(more, item_bytes, &bytes))
		return -EOVERFLOW;
	grown = realloc(*items, bytes);
	if (!grown)
		return -ENOMEM;
	*items = grown;
	*room = more;
	return 0;
}

int array_reserve_(void **items, size_t *room, size_t need, size_t item_bytes)
{
	size_t had = *room;
	int r = array_room_(items, room, need, item_bytes);

	if (!r && *room > had)
		memset((char *)*items + had * item_bytes, 0,
		       (*room - had) * item_bytes);
	return r;
}

#include "cli/base/contents.h"

#include "cli/base/cleanup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

int contents_read(const char *path, size_t most, char **ret, size_t *ret_len)
{
	_cleanup_(fclosep) FILE *in = fopen(path, "re");
	_cleanup_(freep) char *text = NULL;

	if (!in)
		return -errno;
	text = malloc(most + 2);
	if (!text)
		return -ENOMEM;
	errno = 0;
	*ret_len = fread(text, 1, most + 1, in);
	if (ferror(in))
		return errno ? -errno : -EIO;
	text[*ret_len] = '\0';
	*ret = take_ptr(text);
	return 0;
}

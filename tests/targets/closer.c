/*
 * closer.c - closes every descriptor it can, as daemons do, then opens files of its
 * own under the same numbers and allocates: they must hold what it wrote.
 *
 *	closer FILE
 */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	if (argc < 2)
		return 2;
	for (int fd = 3; fd < 1024; fd++)
		close(fd);
	for (int fd = 3; fd < 200; fd++)
		if (open(argv[1], O_WRONLY | O_CREAT | O_APPEND, 0666) != fd)
			return 3;
	for (int i = 0; i < 200000; i++) {
		void *volatile p = malloc(100);

		free(p);
	}
	return write(150, "mine\n", 5) == 5 ? 0 : 4;
}

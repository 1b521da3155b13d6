/*
 * loader.c - loads and unloads plugins, so that their addresses are reused.
 *
 *	loader N PLUGIN...	N times, each plugin in turn: dlopen, one block of 60
 *				bytes by it (kept every tenth time), dlclose
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

typedef void *block_fn(size_t size);

int main(int argc, char **argv)
{
	int count = argc > 2 ? atoi(argv[1]) : 0;

	for (int i = 0; i < count; i++) {
		for (int k = 2; k < argc; k++) {
			void *handle = dlopen(argv[k], RTLD_NOW);
			block_fn *block = handle ? (block_fn *)dlsym(handle,
								     "plugin_block")
						 : NULL;
			void *volatile p;

			if (!block) {
				fprintf(stderr, "%s\n", dlerror());
				return 1;
			}
			p = block(60);
			if (i % 10)
				free(p);
			dlclose(handle);
		}
	}
	return dlopen("/nonexistent.so", RTLD_NOW) ? 1 : 0;
}

/*
 * embed.c - a program with Python inside, which it loads late and for itself alone:
 * "embed LIBRARY SCRIPT [THREADS]" runs the script, in each of so many threads.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int (*ensure)(void);
static void (*release)(int);
static int (*run)(const char *);
static char script[65536];

static void *find(void *library, const char *name)
{
	void *p = dlsym(library, name);

	if (!p) {
		fprintf(stderr, "%s\n", dlerror());
		exit(2);
	}
	return p;
}

static void *thread(void *arg)
{
	int state = ensure();

	(void)arg;
	run(script);
	release(state);
	return NULL;
}

int main(int argc, char **argv)
{
	void *library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
	void (*initialize)(int), (*finalize)(void), *(*save)(void), (*restore)(void *);
	int count = argc > 3 ? atoi(argv[3]) : 0;
	pthread_t threads[16];
	FILE *f = fopen(argv[2], "r");
	void *state;

	if (!library || !f || count > 16)
		return 2;
	script[fread(script, 1, sizeof(script) - 1, f)] = '\0';
	fclose(f);
	*(void **)&ensure = find(library, "PyGILState_Ensure");
	*(void **)&release = find(library, "PyGILState_Release");
	*(void **)&run = find(library, "PyRun_SimpleString");
	*(void **)&initialize = find(library, "Py_InitializeEx");
	*(void **)&finalize = find(library, "Py_Finalize");
	*(void **)&save = find(library, "PyEval_SaveThread");
	*(void **)&restore = find(library, "PyEval_RestoreThread");
	initialize(0);
	if (!count)
		run(script);
	state = save();
	for (int i = 0; i < count; i++)
		pthread_create(&threads[i], NULL, thread, NULL);
	for (int i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	restore(state);
	finalize();
	return 0;
}

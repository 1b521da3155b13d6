/*
 * blank.c - a child without thread-local storage of its own, as the sandboxes of
 * browsers make: clone() with memory shared, and zeroes in the place of what libc keeps
 * for a thread. It may make system calls, execute a program, and end.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STACK = 256 << 10, LOCALS = 16 << 10 };

static int ends(void *context)
{
	(void)context;
	_exit(21);
}

static int executes(void *context)
{
	(void)context;
	execl("/bin/sh", "sh", "-c", "echo executed; exit 22", (char *)NULL);
	_exit(99);
}

static int executes_in_vain(void *context)
{
	(void)context;
	execl("/no/such/program", "x", (char *)NULL);
	_exit(23);
}

static int maps(void *context)
{
	char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0);

	(void)context;
	p[0] = 1;
	_exit(munmap(p, 8192) ? 99 : 24);
}

static int calls(void *context)
{
	stack_t none = {.ss_flags = SS_DISABLE};

	(void)context;
	if (prctl(PR_SET_NAME, "blank") || sigaltstack(&none, NULL))
		_exit(99);
	_exit(25);
}

/* The memory below the locals is what it was. */
static int run(int (*child)(void *), int fill)
{
	static _Alignas(64) char stack[STACK], locals[2 * LOCALS];
	int status = 0, changed = 0;
	pid_t pid;

	free(malloc(100));
	memset(locals, fill, LOCALS);
	memset(locals + LOCALS, 0, LOCALS);
	pid = clone(child, stack + STACK,
		    CLONE_VM | CLONE_FS | CLONE_VFORK | CLONE_SETTLS | SIGCHLD, NULL,
		    NULL, locals + LOCALS, NULL);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -1;
	/* (errno is there.) */
	for (int i = 0; i < LOCALS; i++)
		changed += locals[i] != (char)fill;
	return changed <= 4 ? status : -2;
}

int main(void)
{
	int (*const all[])(void *) = {ends, executes, executes_in_vain, maps, calls};

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		for (int fill = 0; fill < 2; fill++) {
			printf("%zu: %x\n", i, (unsigned)run(all[i], fill ? 0x41 : 0));
			fflush(stdout);
		}
	free(malloc(200));
	return 7;
}

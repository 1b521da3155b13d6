/*
 * execs.c - executes a program in every way that libc knows.
 *
 * execs HOW [-i] PROGRAM [ARGUMENT]...	HOW is one of ways[] below; -i: with an empty
 *					environment where the call takes one
 *
 * The spawning ways wait for the child and pass its status on. A call that fails says
 * so, and is followed by 1,000 bytes allocated and an exit with status 9.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
int execveat(int, const char *, char *const[], char *const[], int);

static int result(pid_t child)
{
	int status = 0;

	if (child < 0)
		return 9;
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		continue;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static void one_by_one(const char *how, char **argv, char **env)
{
	const char *p = argv[0], *a = argv[0] ? argv[1] : NULL, *b = a ? argv[2] : NULL;

	if (!strcmp(how, "execl"))
		execl(p, p, a, b, (char *)NULL);
	else if (!strcmp(how, "execlp"))
		execlp(p, p, a, b, (char *)NULL);
	else
		execle(p, p, a, b, (char *)NULL, env);
}

static void execute(const char *how, char **argv, char **env)
{
	if (!strcmp(how, "execve"))
		execve(argv[0], argv, env);
	else if (!strcmp(how, "execv"))
		execv(argv[0], argv);
	else if (!strcmp(how, "execvp"))
		execvp(argv[0], argv);
	else if (!strcmp(how, "execvpe"))
		execvpe(argv[0], argv, env);
	else if (!strcmp(how, "execveat"))
		execveat(AT_FDCWD, argv[0], argv, env, 0);
	else if (!strcmp(how, "fexecve"))
		fexecve(open(argv[0], O_RDONLY), argv, env);
	else if (!strcmp(how, "syscall"))
		syscall(SYS_execve, argv[0], argv, env);
	else
		one_by_one(how, argv, env);
}

int main(int argc, char **argv)
{
	const char *how = argv[1];
	char *empty[] = {NULL}, **env = environ;
	pid_t child = 0;

	argv += 2;
	if (argc > 2 && !strcmp(*argv, "-i")) {
		env = empty;
		argv++;
	}
	if (!strcmp(how, "spawn"))
		return posix_spawn(&child, argv[0], NULL, NULL, argv, env)
			       ? 9
			       : result(child);
	if (!strcmp(how, "spawnp"))
		return posix_spawnp(&child, argv[0], NULL, NULL, argv, env) ? 9
									  : result(child);
	if (!strcmp(how, "system"))
		return WEXITSTATUS(system(argv[0]));
	if (!strcmp(how, "vfork")) {
		child = vfork();
		if (!child) {
			execve(argv[0], argv, env);
			_exit(9);
		}
		return result(child);
	}
	if (!strcmp(how, "fork") || !strcmp(how, "clone")) {
		child = strcmp(how, "fork") ? (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0,
							     0, 0)
					    : fork();
		if (!child) {
			execve(argv[0], argv, env);
			_exit(9);
		}
		return result(child);
	}
	execute(how, argv, env);
	perror(argv[0]);
	return malloc(1000) ? 9 : 8;
}

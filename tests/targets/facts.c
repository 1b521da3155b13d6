/*
 * facts.c - what a program can see of itself, after having allocated: descriptors,
 * environment, signals, threads, children, limits, timers, name, auxiliary state.
 * Under heapline it must print the same, but for the environment's LD_PRELOAD and
 * HEAPLINE_ variables.
 *
 *	facts room	prints how many bytes it could map (of a limited address space)
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static void descriptors(void)
{
	struct stat st;

	for (int fd = 0; fd < 4096; fd++) {
		if (fstat(fd, &st))
			continue;
		printf("fd %d type %o flags %d %o\n", fd, (unsigned)st.st_mode & S_IFMT,
		       fcntl(fd, F_GETFD), (unsigned)fcntl(fd, F_GETFL));
	}
}

static void environment(void)
{
	for (char **e = environ; *e; e++)
		printf("env %s\n", *e);
}

static void signals(void)
{
	struct sigaction action;
	stack_t stack;
	sigset_t set;

	for (int s = 1; s < 65; s++)
		if (!sigaction(s, NULL, &action))
			printf("signal %d %s %x\n", s,
			       action.sa_handler == SIG_DFL   ? "default"
			       : action.sa_handler == SIG_IGN ? "ignored"
							      : "handled",
			       (unsigned)action.sa_flags);
	sigprocmask(SIG_SETMASK, NULL, &set);
	for (int s = 1; s < 65; s++)
		if (sigismember(&set, s))
			printf("signal %d blocked\n", s);
	sigpending(&set);
	for (int s = 1; s < 65; s++)
		if (sigismember(&set, s))
			printf("signal %d pending\n", s);
	sigaltstack(NULL, &stack);
	printf("alternate stack flags %d\n", stack.ss_flags);
}

static void status_lines(void)
{
	static const char *const wanted[] = {
		"Name:",   "Umask:",  "State:",	     "Threads:",
		"SigPnd:", "ShdPnd:", "NoNewPrivs:", "Seccomp:",
	};
	FILE *f = fopen("/proc/self/status", "re");
	char line[256];

	while (f && fgets(line, sizeof(line), f))
		for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++)
			if (!strncmp(line, wanted[i], strlen(wanted[i])))
				fputs(line, stdout);
	if (f)
		fclose(f);
}

static void limits(void)
{
	for (int which = 0; which < (int)RLIM_NLIMITS; which++) {
		struct rlimit limit;

		if (!getrlimit((__rlimit_resource_t)which, &limit))
			printf("limit %d %llx %llx\n", which,
			       (unsigned long long)limit.rlim_cur,
			       (unsigned long long)limit.rlim_max);
	}
}

static void timers(void)
{
	for (int which = 0; which < 3; which++) {
		struct itimerval timer;

		getitimer((__itimer_which_t)which, &timer);
		printf("timer %d %d\n", which,
		       timer.it_value.tv_sec || timer.it_value.tv_usec);
	}
	printf("prctl dumpable %d, death signal %d, subreaper %d, slack %d\n",
	       prctl(PR_GET_DUMPABLE), prctl(PR_GET_PDEATHSIG, &(int){0}),
	       prctl(PR_GET_CHILD_SUBREAPER, &(int){0}), prctl(PR_GET_TIMERSLACK));
}

static void children(void)
{
	int status;
	pid_t pid = waitpid(-1, &status, WNOHANG | __WALL);

	printf("child %s %d\n", pid > 0 ? "yes" : "none", pid < 0 ? errno : 0);
}

static void relations(void)
{
	printf("group %d session %d\n", (int)getpgrp(), (int)getsid(0));
	printf("directory %s\n", getcwd((char[4096]){0}, 4096));
}

/* In pieces of 16 MB. */
static void room(void)
{
	const size_t piece = 16 << 20;
	unsigned long pieces = 0;

	while (mmap(NULL, piece, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
	       MAP_FAILED)
		pieces++;
	printf("%lu\n", pieces * piece);
}

int main(int argc, char **argv)
{
	int fd;

	if (argc > 1 && !strcmp(argv[1], "room")) {
		room();
		return 0;
	}
	for (int i = 0; i < 1000; i++) {
		void *volatile p = malloc((size_t)i);

		free(p);
	}
	fd = open("/dev/null", O_RDONLY);
	printf("next descriptor %d\n", fd);
	close(fd);
	descriptors();
	environment();
	signals();
	status_lines();
	limits();
	timers();
	children();
	relations();
	return 0;
}

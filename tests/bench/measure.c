/*
 * measure.c - runs one command and tells what it and all that it starts have cost.
 *
 *	measure RESULT PROGRAM SECONDS MIB [NAME=VALUE]... -- COMMAND [ARGUMENT]...
 *
 * PROGRAM is the path of the executable that is under test, COMMAND what runs it:
 * itself, or a tool. The variables are COMMAND's, not ours. All is killed behind that
 * time, or if their anonymous memory grows beyond MIB. RESULT becomes one line:
 *
 *	killed	    "", "time" or "memory"
 *	status	    of COMMAND: its exit status, or 128 + signal
 *	wall_ns	    from the start of COMMAND until it ended
 *	all_ns	    until the last of the processes ended, daemons included
 *	target_ns   until the last process of PROGRAM ended; 0: none was seen
 *	cpu_ns	    user and system time of all processes
 *	target_kib  greatest peak resident set of any process of PROGRAM
 *	tool_kib    sum of those of all other processes
 *
 * As a subreaper we inherit orphans, so whatever daemon a tool leaves behind is waited
 * for and its time counts. Peaks are VmHWM, read every few milliseconds until the
 * process is gone (growth in the last few may be missed); that of COMMAND itself, or
 * of a PROGRAM that it ran and waited for, is the kernel's own at the end.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	PIDS = 1 << 22,
	OURS = 1024, /* processes of one run; more are waited for, but not read */
	TICK_MS = 5,
	FIRST_VARIABLE = 5, /* in argv */
};

struct process {
	pid_t pid;
	bool gone, is_target;
	int pidfd; /* of a target, to see its end at once; else -1 */
	uint64_t peak_kib;
};

static struct {
	const char *program, *killed;
	uint64_t limit_ns, limit_kib, resident_kib;
	struct process processes[OURS];
	size_t count;
	unsigned char strangers[PIDS / 8]; /* by pid: known to be none of ours */
	uint64_t began, target_ns, cpu_ns;
	pid_t command;
	int status;
	uint64_t wall_ns, command_kib;
} run;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static size_t slurp(pid_t pid, const char *name, char *ret, size_t room)
{
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, ret, room - 1);
	if (fd >= 0)
		close(fd);
	ret[n > 0 ? n : 0] = '\0';
	return n > 0 ? (size_t)n : 0;
}

static pid_t parent_of(pid_t pid)
{
	char text[512], *name_end;
	int parent = 0;

	if (!slurp(pid, "stat", text, sizeof(text)))
		return 0;
	name_end = strrchr(text, ')');
	if (!name_end || sscanf(name_end, ") %*c %d", &parent) != 1)
		return 0;
	return parent;
}

static struct process *find(pid_t pid)
{
	for (size_t i = 0; i < run.count; i++)
		if (run.processes[i].pid == pid && !run.processes[i].gone)
			return &run.processes[i];
	return NULL;
}

static void meet(pid_t pid)
{
	pid_t parent;

	if (pid <= 0 || pid >= PIDS || run.strangers[pid / 8] & 1 << pid % 8 ||
	    find(pid))
		return;
	parent = parent_of(pid);
	if (parent != getpid() && !find(parent))
		run.strangers[pid / 8] |= (unsigned char)(1 << pid % 8);
	else if (run.count < OURS)
		run.processes[run.count++] = (struct process){.pid = pid, .pidfd = -1};
}

/* Processes are met in the order of their pids: a child whose pid wrapped around is
 * taken for a stranger's. 4 million pids are not used up in one run. */
static void meet_all(void)
{
	DIR *d = opendir("/proc");
	struct dirent *e;

	while (d && (e = readdir(d)))
		if (e->d_name[0] >= '1' && e->d_name[0] <= '9')
			meet((pid_t)atoi(e->d_name));
	if (d)
		closedir(d);
}

/* A line of /proc/PID/status that is an amount. */
static uint64_t kib_of(const char *status, const char *name)
{
	const char *line = strstr(status, name);

	return line ? strtoull(line + strlen(name), NULL, 10) : 0;
}

static void look_at(struct process *p)
{
	char text[4096], path[64];
	uint64_t peak;
	ssize_t n;

	if (!p->is_target) {
		snprintf(path, sizeof(path), "/proc/%d/exe", (int)p->pid);
		n = readlink(path, text, sizeof(text) - 1);
		text[n > 0 ? n : 0] = '\0';
		p->is_target = !strcmp(text, run.program);
		if (p->is_target) {
			p->pidfd = (int)syscall(SYS_pidfd_open, p->pid, 0);
			p->peak_kib = 0; /* what it was before exec was another */
		}
	}
	if (!slurp(p->pid, "status", text, sizeof(text)))
		return;
	peak = kib_of(text, "VmHWM:");
	p->peak_kib = peak > p->peak_kib ? peak : p->peak_kib;
	run.resident_kib += kib_of(text, "RssAnon:");
}

static void kill_all(const char *why)
{
	run.killed = why;
	for (size_t i = 0; i < run.count; i++)
		if (!run.processes[i].gone)
			kill(run.processes[i].pid, SIGKILL);
}

static void look(void)
{
	meet_all();
	run.resident_kib = 0;
	for (size_t i = 0; i < run.count; i++)
		if (!run.processes[i].gone)
			look_at(&run.processes[i]);
	if (run.resident_kib > run.limit_kib)
		kill_all("memory");
	else if (now_ns() - run.began > run.limit_ns)
		kill_all("time");
}

static uint64_t ns_of(struct timeval t)
{
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_usec * 1000u;
}

/* False: no child is left. */
static bool reap(void)
{
	struct rusage used;
	struct process *p;
	int status;
	pid_t pid;

	while ((pid = wait4(-1, &status, WNOHANG, &used)) > 0) {
		run.cpu_ns += ns_of(used.ru_utime) + ns_of(used.ru_stime);
		p = find(pid);
		if (p)
			p->gone = true;
		if (pid != run.command)
			continue;
		run.wall_ns = now_ns() - run.began;
		run.command_kib = (uint64_t)used.ru_maxrss;
		run.status = WIFEXITED(status) ? WEXITSTATUS(status)
					       : 128 + WTERMSIG(status);
	}
	return pid == 0;
}

/* Sleeps until a child ends, a target does, or the next look is due. */
static void nap(int signals)
{
	struct signalfd_siginfo info;
	struct pollfd fds[64] = {{.fd = signals, .events = POLLIN}};
	struct process *of[64];
	nfds_t n = 1;

	for (size_t i = 0; i < run.count && n < 64; i++)
		if (run.processes[i].pidfd >= 0) {
			of[n] = &run.processes[i];
			fds[n].fd = of[n]->pidfd;
			fds[n].events = POLLIN;
			n++;
		}
	if (poll(fds, n, TICK_MS) <= 0)
		return;
	for (nfds_t i = 1; i < n; i++)
		if (fds[i].revents) {
			run.target_ns = now_ns() - run.began;
			close(of[i]->pidfd);
			of[i]->pidfd = -1;
			of[i]->gone = true;
		}
	if (fds[0].revents && read(signals, &info, sizeof(info)) < 0)
		return;
}

static void start(char **argv, const sigset_t *mask)
{
	run.began = now_ns();
	run.command = fork();
	if (run.command)
		return;
	sigprocmask(SIG_SETMASK, mask, NULL);
	for (; *argv && strcmp(*argv, "--"); argv++)
		putenv(*argv);
	if (*argv)
		execvp(argv[1], argv + 1);
	fprintf(stderr, "measure: %s: %s\n", *argv ? argv[1] : "no command",
		strerror(errno));
	_exit(127);
}

static int tell(const char *path)
{
	uint64_t target = 0, tool = 0, all_ns = now_ns() - run.began;
	bool direct = false;
	FILE *out;

	for (size_t i = 0; i < run.count; i++) {
		const struct process *p = &run.processes[i];

		if (!p->is_target)
			tool += p->peak_kib;
		else if (p->peak_kib > target)
			target = p->peak_kib;
		direct |= p->is_target && p->pid == run.command;
	}
	if (direct && run.command_kib > target)
		target = run.command_kib;
	out = fopen(path, "w");
	if (!out)
		return 1;
	fprintf(out,
		"{\"killed\": \"%s\", \"status\": %d, \"wall_ns\": %" PRIu64
		", \"all_ns\": %" PRIu64 ", \"target_ns\": %" PRIu64
		", \"cpu_ns\": %" PRIu64 ", \"target_kib\": %" PRIu64
		", \"tool_kib\": %" PRIu64 "}\n",
		run.killed, run.status, run.wall_ns, all_ns, run.target_ns, run.cpu_ns,
		target, tool);
	return fclose(out) ? 1 : 0;
}

int main(int argc, char **argv)
{
	sigset_t mask, before;
	int signals;

	if (argc < FIRST_VARIABLE + 2) {
		fprintf(stderr, "usage: measure RESULT PROGRAM SECONDS MIB "
				"[NAME=VALUE]... -- COMMAND [ARGUMENT]...\n");
		return 2;
	}
	run.program = argv[2];
	run.limit_ns = strtoull(argv[3], NULL, 10) * 1000000000u;
	run.limit_kib = strtoull(argv[4], NULL, 10) << 10;
	run.killed = "";
	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	sigprocmask(SIG_BLOCK, &mask, &before);
	signals = signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC);
	if (signals < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0) {
		perror("measure");
		return 1;
	}
	start(argv + FIRST_VARIABLE, &before);
	while (reap()) {
		look();
		nap(signals);
	}
	return tell(argv[1]);
}

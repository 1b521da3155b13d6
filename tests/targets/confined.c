/*
 * confined.c - a worker that gives up privileges, or the way to files, processes,
 * descriptors and the kernel; then works on.
 *
 * confined HOW [PROGRAM [ARGUMENT]...]
 *
 * Allocates 10 blocks of 100 bytes, confines itself, allocates and frees 70,000 blocks
 * of 40 bytes (more than any ring holds), keeps 3 of 500, and ends with status 7; or
 * executes PROGRAM instead of ending. HOW may be several, joined by "+"; "fork" means
 * that the rest, and the work, are a child's, whose status is passed on; "exit", that it
 * ends by exit(), not _exit(). A system that refuses ends it with status 77.
 */
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum { REFUSED = 77, STATUS = 7, PASSING = 70000 };

static void *volatile kept[16];
static int strict, plain;

static void finish(int status)
{
	if (strict)
		syscall(SYS_exit, status);
	if (plain)
		exit(status);
	_exit(status);
}

static void must(int ok)
{
	if (!ok)
		_exit(REFUSED);
}

static void work(void)
{
	for (int i = 0; i < PASSING; i++) {
		void *volatile p = malloc(40);

		free(p);
	}
	for (int i = 10; i < 13; i++)
		kept[i] = malloc(500);
}

static int status_of(pid_t pid)
{
	int status = 0;

	must(pid > 0);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* Every call but those listed is deadly; or, with `deny`, those are. */
static void filter(int by, int deny, const int *calls, size_t n)
{
	struct sock_filter code[64];
	struct sock_fprog program = {0, code};
	unsigned short at = 0;
	unsigned kill = SECCOMP_RET_KILL_PROCESS, allow = SECCOMP_RET_ALLOW;

	code[at++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
						  offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < n; i++) {
		code[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
							  (unsigned)calls[i], 0, 1);
		code[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K,
							  deny ? kill : allow);
	}
	code[at++] =
		(struct sock_filter)BPF_STMT(BPF_RET | BPF_K, deny ? allow : kill);
	program.len = at;
	must(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	if (by == SYS_seccomp)
		must(!syscall(by, SECCOMP_SET_MODE_FILTER, 0, &program));
	else if (by == SYS_prctl)
		must(!syscall(by, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0));
	else
		must(!prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0));
}

/* What a worker needs that has opened all it wants. */
static const int few[] = {SYS_read, SYS_write, SYS_brk, SYS_mmap, SYS_munmap,
			  SYS_exit, SYS_exit_group, SYS_rt_sigreturn};
/* What nobody needs who has no name for them. */
static const int odd[] = {SYS_socket, SYS_connect, SYS_recvmsg, SYS_get_robust_list,
			  SYS_gettid, SYS_getpid, SYS_memfd_create};
static const int ours[] = {SYS_socket, SYS_connect, SYS_recvmsg, SYS_get_robust_list};

static void *thread(void *none)
{
	for (int i = 0; i < 100; i++) {
		void *volatile p = malloc(60);

		free(p);
	}
	return none;
}

static void limit(int what, rlim_t soft, int hard_too)
{
	struct rlimit is;

	must(!getrlimit(what, &is));
	is.rlim_cur = soft;
	if (hard_too)
		is.rlim_max = soft;
	must(!setrlimit(what, &is));
}

static void unshared(int flags)
{
	must(!unshare(flags));
}

static void by_descriptors(const char *how)
{
	if (!strcmp(how, "closefrom"))
		closefrom(3);
	else if (!strcmp(how, "close_range"))
		must(!close_range(3, ~0u, 0) || errno == ENOSYS);
	else if (!strcmp(how, "closeall"))
		for (int fd = 0; fd < 1024; fd++)
			close(fd);
	else if (!strcmp(how, "nofile3"))
		limit(RLIMIT_NOFILE, 3, 1);
	else if (!strcmp(how, "nofile4"))
		limit(RLIMIT_NOFILE, 4, 1);
	else if (!strcmp(how, "nofile-soft"))
		limit(RLIMIT_NOFILE, 4, 0);
	else if (!strcmp(how, "as"))
		limit(RLIMIT_AS, 60 << 20, 1);
}

static void by_namespace(const char *how)
{
	if (!strcmp(how, "user"))
		unshared(CLONE_NEWUSER);
	else if (!strcmp(how, "mount"))
		unshared(CLONE_NEWNS);
	else if (!strcmp(how, "net"))
		unshared(CLONE_NEWNET);
	else if (!strcmp(how, "ipc"))
		unshared(CLONE_NEWIPC | CLONE_NEWUTS);
	else if (!strcmp(how, "pid"))
		unshared(CLONE_NEWPID);
	else if (!strcmp(how, "root"))
		must(!chroot(".") && !chdir("/"));
}

/* The code that has getpid(), libc's. */
static int find_libc(struct dl_phdr_info *info, size_t size, void *ret)
{
	const uintptr_t inside = (uintptr_t)getpid;

	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *part = &info->dlpi_phdr[i];
		uintptr_t at = info->dlpi_addr + part->p_vaddr;

		if (part->p_flags & PF_X && inside - at < part->p_memsz) {
			memcpy(ret, (uintptr_t[2]){at, part->p_memsz}, 2 * sizeof(at));
			return 1;
		}
	}
	return 0;
}

/* System calls of this thread that are not made by libc are deadly. */
static void dispatch(int by_number, int on)
{
	static char blocks = SYSCALL_DISPATCH_FILTER_BLOCK;
	uintptr_t libc[2] = {0};
	long n = SYS_prctl;

	must(dl_iterate_phdr(find_libc, libc));
	if (!on)
		must(!prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_OFF, 0, 0,
			    0));
	else if (by_number)
		must(!syscall(n, PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON,
			      libc[0], libc[1], &blocks));
	else
		must(!prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, libc[0],
			    libc[1], &blocks));
}

static void by_kernel(const char *how)
{
	pthread_t t;

	if (!strcmp(how, "strict")) {
		strict = 1;
		must(!prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0));
	} else if (!strcmp(how, "filter")) {
		filter(0, 0, few, sizeof(few) / sizeof(*few));
	} else if (!strcmp(how, "filter-syscall")) {
		filter(SYS_seccomp, 0, few, sizeof(few) / sizeof(*few));
	} else if (!strcmp(how, "filter-number")) {
		filter(SYS_prctl, 0, few, sizeof(few) / sizeof(*few));
	} else if (!strcmp(how, "odd")) {
		filter(0, 1, odd, sizeof(odd) / sizeof(*odd));
	} else if (!strcmp(how, "ours")) {
		filter(SYS_seccomp, 1, ours, sizeof(ours) / sizeof(*ours));
	} else if (!strncmp(how, "dispatch", 8)) {
		dispatch(!strcmp(how, "dispatch-number"),
			 strcmp(how, "dispatch-off") != 0);
	} else if (!strcmp(how, "thread")) {
		must(!pthread_create(&t, NULL, thread, NULL));
		pthread_join(t, NULL);
	}
}

static volatile sig_atomic_t taken;

static void take_counter(int signal)
{
	(void)signal;
	must(!prctl(PR_SET_TSC, PR_TSC_SIGSEGV, 0, 0, 0));
	taken = 1;
}

/* In the middle of an allocation, most likely. */
static void be_interrupted(void)
{
	const struct itimerval soon = {.it_value.tv_usec = 1000};

	must(signal(SIGALRM, take_counter) != SIG_ERR);
	must(!setitimer(ITIMER_REAL, &soon, NULL));
	while (!taken)
		free(malloc(100000));
}

static void by_privilege(const char *how)
{
	if (!strcmp(how, "exit"))
		plain = 1;
	else if (!strcmp(how, "user-id"))
		must(!setgid(65534) && !setuid(65534));
	else if (!strcmp(how, "dumpable"))
		must(!prctl(PR_SET_DUMPABLE, 0, 0, 0, 0));
	else if (!strcmp(how, "counter"))
		take_counter(0);
	else if (!strcmp(how, "counter-by-handler"))
		be_interrupted();
	else if (!strcmp(how, "no-new"))
		must(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	else if (!strcmp(how, "capabilities"))
		for (int c = 0; c < 40; c++)
			prctl(PR_CAPBSET_DROP, c, 0, 0, 0);
}

static void confine(char *hows)
{
	for (char *how = strtok(hows, "+"); how; how = strtok(NULL, "+")) {
		pid_t pid = 0;

		if (!strcmp(how, "fork"))
			pid = fork();
		else if (!strcmp(how, "clone")) /* a namespace of its own at once */
			pid = (pid_t)syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0,
					     0);
		if (pid)
			finish(status_of(pid));
		by_privilege(how);
		by_descriptors(how);
		by_namespace(how);
		by_kernel(how);
	}
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return 2;
	for (int i = 0; i < 10; i++)
		kept[i] = malloc(100);
	confine(argv[1]);
	work();
	if (argc > 2) {
		execv(argv[2], argv + 2);
		finish(127);
	}
	finish(STATUS);
}

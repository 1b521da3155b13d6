#include "cli/base/threads.h"

#include <sched.h>
#include <signal.h>

int threads_start(pthread_t *ret, const pthread_attr_t *attr, void *(*run)(void *),
		  void *context)
{
	sigset_t all, before;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(ret, attr, run, context);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -err;
}

size_t threads_allowed(size_t most)
{
	cpu_set_t cpus;
	size_t n = sched_getaffinity(0, sizeof(cpus), &cpus) < 0
			   ? most
			   : (size_t)CPU_COUNT(&cpus);

	return n < most ? n : most;
}

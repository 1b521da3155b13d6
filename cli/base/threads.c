#include "cli/base/threads.h"

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

#include "cli/collect/bell.h"

#include "cli/base/kernel.h"
#include "cli/base/threads.h"
#include "preload/wire.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct bell {
	_Atomic uint32_t *asleep; /* shared with the targets */
	_Atomic uint32_t armed;	  /* ours alone: the target may scribble on the other */
	_Atomic bool closing;
	int fd;
	pthread_t thread;
};

enum { FOR_LONG_NS = 1000000000 };

static void *listen_for_rings(void *bell)
{
	struct bell *b = bell;
	uint64_t one = 1;

	while (!atomic_load(&b->closing)) {
		if (!atomic_load(&b->armed)) {
			kernel_futex_wait(&b->armed, 0, FOR_LONG_NS);
			continue;
		}
		if (atomic_load(b->asleep) == WIRE_ASLEEP &&
		    !atomic_load(&b->closing)) {
			kernel_futex_wait(b->asleep, WIRE_ASLEEP, FOR_LONG_NS);
			continue;
		}
		atomic_store(&b->armed, 0);
		if (write(b->fd, &one, sizeof(one)) < 0)
			break;
	}
	return NULL;
}

int bell_open(_Atomic uint32_t *asleep, struct bell **ret)
{
	struct bell *b = calloc(1, sizeof(*b));
	int err;

	if (!b)
		return -ENOMEM;
	b->asleep = asleep;
	b->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (b->fd < 0) {
		err = -errno;
		free(b);
		return err;
	}
	err = threads_start(&b->thread, NULL, listen_for_rings, b);
	if (err < 0) {
		close(b->fd);
		free(b);
		return err;
	}
	*ret = b;
	return 0;
}

void bell_close(struct bell *b)
{
	if (!b)
		return;
	atomic_store(&b->closing, true);
	atomic_store(&b->armed, 1);
	kernel_futex_wake(&b->armed);
	atomic_store(b->asleep, WIRE_AWAKE);
	kernel_futex_wake(b->asleep);
	pthread_join(b->thread, NULL);
	close(b->fd);
	free(b);
}

int bell_fd(const struct bell *b)
{
	return b->fd;
}

void bell_arm(struct bell *b)
{
	uint64_t rings;

	/* What was rung before is answered by the pass that follows. */
	while (read(b->fd, &rings, sizeof(rings)) > 0)
		continue;
	atomic_store(b->asleep, WIRE_ASLEEP);
	atomic_store(&b->armed, 1);
	kernel_futex_wake(&b->armed);
}

void bell_nap(struct bell *b)
{
	/* Nobody acts on it but to know that he is not watched meanwhile. */
	atomic_store_explicit(b->asleep, WIRE_NAPS, memory_order_relaxed);
}

void bell_disarm(struct bell *b)
{
	atomic_store(b->asleep, WIRE_AWAKE);
}

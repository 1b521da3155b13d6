/*
 * kernel.h - pointers of a process that the kernel keeps for it: the data of its epoll
 * descriptors, and the values that its POSIX timers will send.
 */
#pragma once

#include "cli/base/strings.h"
#include "cli/heap/graph.h"

struct heap_kernel_word {
	uint64_t value;
	int32_t epoll; /* descriptor; -1: it is a timer's */
	uint32_t of;   /* descriptor that is watched, or the timer's number */
};

struct heap_kernel {
	struct heap_kernel_word *items; /* of one epoll descriptor after each other */
	size_t count, room;
};

/* Asks /proc, while the process stands still. What cannot be had there is left out. 0
 * or -ENOMEM. */
int heap_kernel_read(pid_t pid, struct heap_kernel *ret);

/* Adds those that point at blocks to the graph, as roots: their `at` is what is
 * watched, or the timer. 0, -ENOMEM or -EOVERFLOW. */
int heap_kernel_add(const struct heap_kernel *k, struct heap_graph *g,
		    struct strings *names);

void heap_kernel_done(struct heap_kernel *k);

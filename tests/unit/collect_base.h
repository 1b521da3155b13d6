/*
 * collect_base.h - a wire that all tests of a program share, with stacks 1 to n of a frame
 * each, stack i at address 1000 + i.
 */
#pragma once

#include "tests/unit/collect_wire.h"

static void *base;

/* For a set-up: 0, or -1. */
static inline int base_open(uint32_t stacks)
{
	base = wire_make(0);
	for (uint32_t i = 1; base && i <= stacks; i++)
		if (wire_add_node(base, 1000 + i, 0) != i)
			return -1;
	return base ? 0 : -1;
}

/* As a tear-down. */
static inline int base_close(void **state)
{
	(void)state;
	wire_unmake(base);
	return 0;
}

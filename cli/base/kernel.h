/*
 * kernel.h - system calls that libc has no name for, and the monotonic clock in ns.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

/* Sleeps until *word differs from seen, is woken, or timeout_ns have passed. */
void kernel_futex_wait(_Atomic uint32_t *word, uint32_t seen, uint64_t timeout_ns);

/* Wakes all who sleep on *word, in whatever process. */
void kernel_futex_wake(_Atomic uint32_t *word);

/* CLOCK_MONOTONIC. */
uint64_t kernel_monotonic_ns(void);

/*
 * last_verify.h - whether the frames of the last stack (last.h) still follow from each
 * other: for last.c, and for recall.c, which reads them only.
 */
#pragma once

#include "preload/arch.h"
#include "preload/last.h"
#include "preload/probe.h"

static inline int32_t last_slot(uint32_t how)
{
	return (int32_t)how >> LAST_SLOT_SHIFT;
}

static inline uint32_t last_flags(uint32_t how)
{
	return how >> LAST_FLAGS_SHIFT & 7;
}

static inline uint64_t last_load_slot(uintptr_t cfa, int32_t slot)
{
	return probe_load(cfa + (uintptr_t)(int64_t)(slot * ARCH_WORD));
}

/* slot: rbp's, in words. */
static inline uintptr_t last_load_return(uintptr_t cfa, int32_t slot)
{
	return arch_code(probe_load(arch_return_slot(cfa, slot * ARCH_WORD)));
}

/* Is the caller of `at`, a kept frame that was met again, what it was? For those that
 * the return address proves. */
static inline bool last_same_return(const struct last_frame *at)
{
	const struct last_frame *next = at - 1;

	return last_load_return(next->sp, last_slot(at->how)) == next->pc;
}

/* For all. The outermost frame has none: its slot is LAST_OPAQUE. */
static inline bool last_same_caller(const struct last_frame *at)
{
	const struct last_frame *next = at - 1;
	int32_t slot = last_slot(at->how);

	if (__builtin_expect(at->how & LAST_CHECK, 0) &&
	    (slot == LAST_OPAQUE || last_load_slot(next->sp, slot) != next->fp))
		return false;
	return last_same_return(at);
}

/* Where the words are that last_same_caller() reads of a kept frame: so many. 0: they are
 * not what they were, or do not prove its caller. */
static inline size_t last_caller_words(const struct last_frame *at, uintptr_t ret[2])
{
	uintptr_t cfa = at[-1].sp;
	int32_t slot = last_slot(at->how);

	if (slot == LAST_OPAQUE || !last_same_caller(at))
		return 0;
	ret[0] = arch_return_slot(cfa, slot * ARCH_WORD);
	ret[1] = cfa + (uintptr_t)(int64_t)(slot * ARCH_WORD);
	return at->how & LAST_CHECK ? 2 : 1;
}

/* The outermost frame that follows from `at` by words that are what they were. Two at
 * a time are asked whether more is to be compared; of the outermost it is. */
static inline const struct last_frame *last_verify(const struct last_frame *at)
{
	for (;; at -= 2) {
		if (__builtin_expect((at->how | at[-1].how) & LAST_CHECK, 0)) {
			if (!last_same_caller(at))
				return at;
			if (!last_same_caller(at - 1))
				return at - 1;
			continue;
		}
		if (!last_same_return(at))
			return at;
		if (!last_same_return(at - 1))
			return at - 1;
	}
}

/*
 * fde.h - from a pc to the entry of .eh_frame that speaks of it: an FDE (a function's
 * range and program) with its CIE (what several share, and the program before theirs).
 */
#pragma once

#include "preload/cfi.h"
#include "preload/reader.h"

struct cie {
	struct reader program;
	uint64_t code_align;
	int64_t data_align;
	uint8_t ra;
	uint8_t fde_encoding;
	bool sized; /* FDEs have augmentation data too */
	bool signal;
};

struct fde {
	struct cie cie;
	struct reader program;
	uint64_t low, high; /* pcs */
	const void *data_base;
};

/* By the sorted table, or one after the other. 0; -ENOENT: there is none around pc;
 * -EBADMSG. */
int fde_find(const struct cfi *c, uintptr_t pc, struct fde *ret);

/* The FDE behind *cursor, which is NULL at first. 0; -ENOENT at the end; -EBADMSG. */
int fde_next(const struct cfi *c, const unsigned char **cursor, struct fde *ret);

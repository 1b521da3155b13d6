/*
 * slicing.h - the options by which readers cut a profile to a part of its recording.
 */
#pragma once

#include "cli/cmd/reader.h"
#include "cli/profile/slice.h"

/* Each takes an option's value. NULL, or a clause on what is wrong with it. */
typedef const char *slicing_take(struct slice_options *o, const char *value);
const char *slicing_moment(struct slice_options *o, const char *value);
const char *slicing_range(struct slice_options *o, const char *value);
const char *slicing_sizes(struct slice_options *o, const char *value);
const char *slicing_threads(struct slice_options *o, const char *value);

/* Cuts a profile that was loaded with slice_needs(), or its timeline alone. -1, or the
 * exit status of a failure, which is explained. */
int slicing_cut(const struct slice_options *o, const struct reader_file *f,
		bool timeline);

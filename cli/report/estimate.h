/*
 * estimate.h - how far the figures of a sampled recording may be off.
 *
 * A recorded block of s bytes stands for ceil(R / s) of its size, R: profile.sampled
 * (preload/sample.h). For any set of blocks whose true sum is Y, that estimate is
 * unbiased, and of variance
 *
 *	sum of s * s * (ceil(R / s) - 1)  <=  sum of s * R  =  R * Y
 *
 * over the blocks smaller than R (D. G. Horvitz, D. J. Thompson, "A generalization of
 * sampling without replacement from a finite universe", J. Amer. Statist. Assoc. 47,
 * 1952, for independent draws). So the sums Y that an estimate E speaks for are those
 * with (E - Y)^2 <= z^2 R Y: an interval between the two roots (E. B. Wilson's,
 * "Probable inference, the law of succession, and statistical inference", same journal
 * 22, 1927). It is honest for small sums too, and has an upper end where nothing was
 * recorded.
 *
 * Not for the peak's choice of moment: the greatest of many estimates is rather too
 * great. No interval is given for numbers of blocks.
 */
#pragma once

#include "cli/base/json.h"
#include "cli/profile/profile.h"

#include <stdio.h>

#define ESTIMATE_PERCENT 95

struct estimate_range {
	uint64_t low, high;
};

/* Of an amount of bytes of the malloc domain. Low == high == bytes where nothing was
 * sampled. */
struct estimate_range estimate_range(const struct profile *p, uint64_t bytes);

/* A line that says that figures are estimates, and what that means; nothing where they
 * are not. */
void estimate_text(const struct profile *p, bool colour, FILE *out);

/* The member "sampled": null, or an object. */
void estimate_json(const struct profile *p, struct json *j);

/* The member NAME_95: [low, high]; nothing where nothing was sampled. */
void estimate_json_range(const struct profile *p, struct json *j, const char *name,
			 uint64_t bytes);

/*
 * collect_compare.h - two profiles that are to have the same sites, in the same order.
 */
#pragma once

#include "tests/unit/unit.h"

#include "cli/profile/profile.h"

static inline void compare_histograms(const struct profile_class *a, uint32_t a_count,
				      const struct profile_class *b, uint32_t b_count)
{
	assert_int_equal(a_count, b_count);
	for (uint32_t i = 0; i < a_count; i++) {
		assert_int_equal(a[i].log2, b[i].log2);
		assert_int_equal(a[i].count, b[i].count);
	}
}

static inline void compare_sites(const struct profile *a, const struct profile *b)
{
	assert_int_equal(a->site_count, b->site_count);
	for (size_t i = 0; i < a->site_count; i++) {
		struct profile_site x = a->sites[i], y = b->sites[i];

		compare_histograms(x.sizes, x.sizes_count, y.sizes, y.sizes_count);
		compare_histograms(x.lives, x.lives_count, y.lives, y.lives_count);
		x.sizes = y.sizes = x.lives = y.lives = NULL;
		assert_memory_equal(&x, &y, sizeof(x));
	}
}

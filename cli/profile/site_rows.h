/*
 * site_rows.h - rows of sites, which have a key: a later one is put over an earlier.
 */
#pragma once

#include "cli/profile/rows.h"

/* Loads the payload of a chunk of sites. 0, -EBADMSG or -ENOMEM. */
int site_rows_load(struct load *l, const struct format_section *s,
		   struct bytes_reader *in);

/*
 * scan.h - the loader's first pass: how far the file is whole.
 */
#pragma once

#include "cli/profile/load.h"

/* Finds l->end, l->tail and l->tail_at by checksums alone: nothing is inflated. 0, or
 * -errno with its clause: no profile, a newer one's, unreadable. */
int scan(struct load *l);

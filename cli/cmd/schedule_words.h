/*
 * schedule_words.h - when snapshots are to be taken, as users write it.
 */
#pragma once

#include "cli/collect/control.h"

/* A value of --snapshot-every, or of --snapshot-at: "30s", "peak>100M". NULL, or how it
 * is written. */
const char *schedule_words_add(struct control_schedule *s, bool every,
			       const char *value);

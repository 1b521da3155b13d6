/*
 * schedule.h - snapshots that nobody asks for by hand: at intervals, at a moment, or
 * when a heap grows (run --snapshot-every, --snapshot-at).
 */
#pragma once

#include "cli/base/table.h"
#include "cli/collect/control.h"
#include "cli/collect/engine.h"
#include "cli/collect/scan.h"

struct schedule {
	struct control_schedule o;
	uint64_t next_ns; /* of the intervals; 0: not begun */
	uint64_t look_ns; /* at heaps, next */
	uint64_t at_next_ns; /* the moment, or when to look again */
	bool at_done;
	struct table peaks; /* process -> live bytes beyond which it is its turn */
};

/* As long as the process lives. */
void schedule_open(struct schedule *s, const struct control_schedule *o);

/* Asks for the processes that are due. now: ns since the recording began. */
void schedule_tick(struct schedule *s, struct engine *e, struct scans *scans,
		   uint64_t now);

/* ns until something may be due; UINT64_MAX: by events alone, or never. */
uint64_t schedule_wait(const struct schedule *s, uint64_t now);

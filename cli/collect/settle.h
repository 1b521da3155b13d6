/*
 * settle.h - events that contradict the live blocks: parked (park.h) until a legal
 * order is found, or until nothing can explain them any more (ledger_settle()).
 */
#pragma once

#include "cli/collect/ledger.h"

/* Parks an event of p; r: of a begin and a restore. */
void settle_park(struct ledger *l, struct ledger_process *p, const struct event *ev,
		 struct ledger_realloc *r);

/* Applies an event if it is legal and nothing waits at its address, else parks it. */
void settle_submit(struct ledger *l, struct ledger_process *p, const struct event *ev,
		   struct ledger_realloc *r);

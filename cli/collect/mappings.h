/*
 * mappings.h - what events of the mmap domain and of Python's arenas do to the books.
 */
#pragma once

#include "cli/collect/ledger.h"

void mappings_map(struct ledger *l, struct ledger_process *p, struct ledger_thread *t,
		  const struct event *ev);
void mappings_unmap(struct ledger *l, struct ledger_process *p, struct ledger_thread *t,
		    const struct event *ev);

/* Tells the sites what the process leaves mapped at its end: as sites_keep(). */
void mappings_keep(struct ledger *l, struct ledger_process *p,
		   const struct history_index *x, uint64_t ns);

/* The thread's last unmapping did not happen. */
void mappings_unmap_failed(struct ledger *l, struct ledger_process *p,
			   struct ledger_thread *t, const struct event *ev);

/*
 * mappings.h - what events of the mmap domain do to the books.
 */
#pragma once

#include "cli/collect/ledger.h"

void mappings_map(struct ledger *l, struct ledger_process *p, struct ledger_thread *t,
		  const struct event *ev);
void mappings_unmap(struct ledger *l, struct ledger_process *p, struct ledger_thread *t,
		    const struct event *ev);

/* The thread's last unmapping did not happen. */
void mappings_unmap_failed(struct ledger *l, struct ledger_process *p,
			   struct ledger_thread *t, const struct event *ev);

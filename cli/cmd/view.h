/*
 * view.h - what the server of `heapline view` answers:
 *
 *	""		the application: a page that fetches the rest
 *	api/VERB?...	what the verb prints with --json and these options
 *	columns/NAME	a column of that page (cli/export/html.h); without content: there
 *			is none of that name
 *
 * "b." before VERB, as in some names: of the second profile. "all." before NAME: of the
 * columns that have all (KEEPER_WHOLE). What can be had is made when it
 * is asked for first, by keepers' children; answers of verbs and columns stay.
 */
#pragma once

#include "cli/cmd/view_keeper.h"
#include "cli/serve/web.h"

struct view;

/* k is taken over, and closed with it. NULL without memory. */
struct view *view_open(const struct keeper_profiles *p, struct keeper k);

/* Where its answers go, and what watches their pipes; before anything is asked. Begins
 * what is sure to be asked for. */
void view_serve(struct view *v, struct web *s);

/* As of web_options.ask. */
void view_ask(void *view, struct web_call *call, const struct request *r);

/* After the server. NULL is fine. */
void view_close(struct view *v);

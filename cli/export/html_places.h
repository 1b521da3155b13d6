/*
 * html_places.h - the code that a page's nodes are in: places, each a run of frames
 * (the innermost first, as in profile_code), and what every frame counts under.
 *
 * The numbers are those of report/labels.h and report/lines_sums.h, so that a page
 * groups frames as the reports do without knowing why.
 */
#pragma once

#include "cli/report/labels.h"
#include "cli/report/lines_sums.h"

enum { HTML_LABELS = LABELS_MODULE + 1 }; /* kinds of labels */

struct html_place {
	uint32_t first_frame, frames;
	bool cut; /* it stands for frames that are missing */
};

struct html_frame {
	uint32_t label[HTML_LABELS]; /* by enum labels_kind */
	uint32_t line, function; /* index + 1 into the lines_sums' arrays; 0: none */
	uint32_t plain; /* 0: it has a line, or its module's others do; 1: it has none;
			 * 2: and is in a module of the program's own */
	uint32_t owner; /* enum frames_owner */
};

struct html_places {
	const struct lines_sums *sums;
	struct labels labels[HTML_LABELS];
	struct table ids;	   /* -> index of a place */
	struct html_place *places; /* [0]: of no stack, and of "smaller" nodes */
	struct html_frame *frames;
	size_t place_count, place_room, frame_count, frame_room;
};

/* The sums must stay. 0 or -ENOMEM. html_places_done() in any case. */
int html_places_init(struct html_places *l, const struct lines_sums *sums);
void html_places_done(struct html_places *l);

/* The place of a node of the profile, added if new. UINT32_MAX without memory. */
uint32_t html_places_of(struct html_places *l, uint32_t stack);

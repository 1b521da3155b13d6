#include "cli/profile/profile.h"

#include "cli/base/array.h"
#include "cli/base/cleanup.h"

struct profile *profile_new(void)
{
	_cleanup_(profile_closep) struct profile *p = calloc(1, sizeof(*p));

	if (!p || strings_add(&p->strings, "") != 0 ||
	    array_reserve(&p->stacks, &p->stack_room, 1) < 0)
		return NULL;
	p->stack_count = 1;
	return take_ptr(p);
}

void profile_drop_sites(struct profile *p)
{
	for (size_t i = 0; !p->class_block_count && i < p->site_count; i++) {
		free(p->sites[i].sizes);
		free(p->sites[i].lives);
	}
	for (size_t i = 0; i < p->class_block_count; i++)
		free(p->class_blocks[i]);
	free(p->class_blocks);
	free(p->sites);
	p->class_blocks = NULL;
	p->sites = NULL;
	p->class_block_count = p->class_block_room = 0;
	p->site_count = p->site_room = 0;
}

void profile_pieces_free(struct profile_piece *pieces, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(pieces[i].data);
	free(pieces);
}

static void free_all_but_sites(struct profile *p)
{
	profile_pieces_free(p->pieces, p->piece_count);
	strings_done(&p->strings);
	free(p->snapshots);
	free(p->processes);
	free(p->threads);
	free(p->modules);
	free(p->stacks);
	free(p->codes);
	free(p->frames);
	free(p->bins);
	free(p->unfolloweds);
	free(p->epochs);
	free(p->times);
	free(p->sizes);
	free(p->owners);
	free(p->marks);
	free(p->proofs);
	free(p->sources);
	free(p->wrappers);
}

void profile_keep_sites(struct profile *p)
{
	struct profile kept = {
		.sites = p->sites,
		.site_count = p->site_count,
		.site_room = p->site_room,
		.class_blocks = p->class_blocks,
		.class_block_count = p->class_block_count,
		.class_block_room = p->class_block_room,
	};

	free_all_but_sites(p);
	*p = kept;
}

void profile_close(struct profile *p)
{
	if (!p)
		return;
	profile_drop_sites(p);
	free_all_but_sites(p);
	free(p);
}

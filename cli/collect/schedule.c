#include "cli/collect/schedule.h"

#include "cli/base/units.h"

#include <stdio.h>

#define LOOK_NS 2000000u /* between looks at how large heaps are */
#define AGAIN_NS 20000000u /* between looks for something to show */

void schedule_open(struct schedule *s, const struct control_schedule *o)
{
	*s = (struct schedule){.o = *o,
			       .next_ns = o->every_ns,
			       .at_next_ns = o->at_ns,
			       .at_done = !o->at_ns};
}

static bool has_to_show(const struct engine_process *p)
{
	return engine_process_heap(p).live_bytes;
}

/* All that live, and have something to show. False: none does. */
static bool ask_all(struct engine *e, struct scans *scans, const char *name)
{
	struct engine_process *p = NULL;
	bool any = false;

	while ((p = engine_process_next_living(e, p)))
		if (has_to_show(p)) {
			scans_schedule(scans, p, name);
			any = true;
		}
	return any;
}

/* Whether one of them waits for a snapshot already: it would get no other. */
static bool any_waits(struct engine *e, const struct scans *scans)
{
	struct engine_process *p = NULL;

	while ((p = engine_process_next_living(e, p)))
		if (has_to_show(p) && scans_is_scheduled(scans, p))
			return true;
	return false;
}

/* The moment has come, and its snapshot has not: intervals wait for it. */
static bool is_due(const struct schedule *s, uint64_t now)
{
	return !s->at_done && now >= s->o.at_ns;
}

/* Moments that went by unseen are left out. */
static void tick_every(struct schedule *s, struct engine *e, struct scans *scans,
		       uint64_t now)
{
	uint64_t late;
	char name[64];

	if (!s->o.every_ns || now < s->next_ns || is_due(s, now))
		return;
	late = (now - s->next_ns) / s->o.every_ns;
	snprintf(name, sizeof(name), "at %s",
		 units_duration(s->next_ns + late * s->o.every_ns).text);
	s->next_ns += (late + 1) * s->o.every_ns;
	ask_all(e, scans, name);
}

/* Or as soon as there is something. */
static void tick_at(struct schedule *s, struct engine *e, struct scans *scans,
		    uint64_t now)
{
	char name[64];

	if (s->at_done || now < s->at_next_ns)
		return;
	snprintf(name, sizeof(name), "at %s", units_duration(s->o.at_ns).text);
	s->at_done = !any_waits(e, scans) && ask_all(e, scans, name);
	s->at_next_ns = now + AGAIN_NS;
}

/* When it is first above, and again when it has doubled. */
static void look_at_heap(struct schedule *s, struct engine_process *p,
			 struct scans *scans)
{
	uint64_t live = engine_process_heap(p).live_bytes, *most;
	char name[64];

	if (live <= s->o.peak_bytes)
		return;
	most = table_put(&s->peaks, (struct table_key){p->serial, 0}, NULL);
	if (!most || live <= *most)
		return;
	snprintf(name, sizeof(name), "peak %s", units_size(live).text);
	if (!scans_schedule(scans, p, name))
		*most = live > UINT64_MAX / 2 ? UINT64_MAX : 2 * live;
}

static void tick_peaks(struct schedule *s, struct engine *e, struct scans *scans,
		       uint64_t now)
{
	struct engine_process *p = NULL;

	if (!s->o.peak_bytes || now < s->look_ns)
		return;
	s->look_ns = now + LOOK_NS;
	while ((p = engine_process_next_living(e, p)))
		look_at_heap(s, p, scans);
}

void schedule_tick(struct schedule *s, struct engine *e, struct scans *scans,
		   uint64_t now)
{
	tick_at(s, e, scans, now);
	tick_every(s, e, scans, now);
	tick_peaks(s, e, scans, now);
}

uint64_t schedule_wait(const struct schedule *s, uint64_t now)
{
	uint64_t until = s->o.every_ns && !is_due(s, now) ? s->next_ns : UINT64_MAX;

	if (!s->at_done && s->at_next_ns < until)
		until = s->at_next_ns;
	return until == UINT64_MAX ? until : until > now ? until - now : 0;
}

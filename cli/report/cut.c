#include "cli/report/cut.h"

#include "cli/base/units.h"
#include "cli/report/text.h"

/* To the millisecond at least: bounds of epochs are not round. */
static struct cut_words seconds(uint64_t ns)
{
	struct cut_words w;

	snprintf(w.text, sizeof(w.text), "%.*f s", ns < 1000000000u ? 6 : 3,
		 (double)ns / 1e9);
	return w;
}

struct cut_words cut_period(const struct profile *p)
{
	const struct profile_slice *s = &p->slice;
	struct cut_words w = {"whole run"};

	if (s->has_range)
		snprintf(w.text, sizeof(w.text), "from %.30s to %.30s",
			 seconds(s->from_ns).text,
			 s->to_end ? "the end" : seconds(s->to_ns).text);
	return w;
}

struct cut_words cut_over(const struct profile *p)
{
	struct cut_words w = {"over the whole run"};

	return p->slice.has_range ? cut_period(p) : w;
}

uint64_t cut_length_ns(const struct profile *p)
{
	const struct profile_slice *s = &p->slice;

	return s->has_range ? s->to_ns - s->from_ns : p->wall_ns;
}

struct cut_words cut_moment(const struct profile *p)
{
	const struct profile_slice *s = &p->slice;
	struct cut_words w = {""};

	if (s->has_moment && s->at_end)
		snprintf(w.text, sizeof(w.text), "the end");
	else if (s->has_moment)
		snprintf(w.text, sizeof(w.text), "%.30s after the start",
			 seconds(s->at_ns).text);
	return w;
}

const char *cut_leaked(const struct profile *p)
{
	return p->slice.has_range ? "allocated in that time and never freed"
				  : "never freed";
}

/* The wider one of the epochs that meet at a bound, or else end there. */
static uint64_t width(const struct profile *p, uint64_t bound_ns)
{
	uint64_t most = 0;

	for (size_t i = 1; i < p->epoch_count; i++) {
		uint64_t before = p->epochs[i - 1].at_ns, at = p->epochs[i].at_ns;
		bool meets = bound_ns >= before && bound_ns <= at;

		if ((meets || i + 1 == p->epoch_count) && at - before > most)
			most = at - before;
	}
	return most ? most : p->wall_ns;
}

static void put_threads(const struct profile *p, FILE *out)
{
	const struct profile_slice *s = &p->slice;
	const struct profile_thread *t = &p->threads[s->thread];

	fputs("Only blocks that ", out);
	if (s->threads == 1) {
		text_put(out, strings_get(&p->strings, t->name));
		fprintf(out, " (thread %d)", t->tid);
	} else {
		fprintf(out, "%s threads", units_count(s->threads).text);
	}
	fputs(" allocated, whoever freed them.\n", out);
	if (s->threads_mixed)
		fputs("It allocated more: there were too many threads at too many "
		      "places to keep all apart.\n",
		      out);
}

bool cut_is(const struct profile *p)
{
	const struct profile_slice *s = &p->slice;

	return s->has_range || s->has_moment || s->has_sizes || s->has_threads;
}

void cut_text(const struct profile *p, const char *path, FILE *out)
{
	const struct profile_slice *s = &p->slice;

	if (path && cut_is(p)) {
		text_put(out, path);
		fputs(": ", out);
	}
	if (s->has_range)
		fprintf(out, "Only what was done %s. Leaked: %s.\n", cut_period(p).text,
			cut_leaked(p));
	if (s->has_threads)
		put_threads(p, out);
	if (s->has_sizes && s->high_bytes == UINT64_MAX)
		fprintf(out, "Only blocks of %s bytes and more.\n",
			units_count(s->low_bytes).text);
	else if (s->has_sizes)
		fprintf(out, "Only blocks of %s to %s bytes.\n",
			units_count(s->low_bytes).text,
			units_count(s->high_bytes - 1).text);
	if (s->has_moment)
		fprintf(out, "In place of the peak: what was live at %s.\n",
			cut_moment(p).text);
	if (s->has_range || (s->has_moment && !s->at_end))
		fprintf(out, "Times are known to %s, and rounded to that.\n",
			units_duration(width(p, s->has_moment ? s->at_ns : s->from_ns))
				.text);
	if (cut_is(p))
		fputc('\n', out);
}

void cut_json(const struct profile *p, struct json *j)
{
	const struct profile_slice *s = &p->slice;

	json_key(j, "filter");
	json_object(j);
	if (s->has_range) {
		json_key(j, "time");
		json_object(j);
		json_put_unsigned(j, "from_ns", s->from_ns);
		json_put_unsigned(j, "to_ns", s->to_ns);
		json_close(j);
	}
	if (s->has_sizes) {
		json_key(j, "size");
		json_object(j);
		json_put_unsigned(j, "from_bytes", s->low_bytes);
		json_put_unsigned(j, "to_bytes", s->high_bytes);
		json_close(j);
	}
	if (s->has_threads) {
		json_key(j, "thread");
		json_object(j);
		json_put_unsigned(j, "threads", s->threads);
		if (s->threads == 1) {
			const struct profile_thread *t = &p->threads[s->thread];

			json_key(j, "tid");
			json_signed(j, t->tid);
			json_put_string(j, "name", strings_get(&p->strings, t->name));
		}
		json_put_bool(j, "incomplete", s->threads_mixed);
		json_close(j);
	}
	if (s->has_moment) {
		json_key(j, "at");
		json_object(j);
		json_put_unsigned(j, "ns", s->at_ns);
		json_put_bool(j, "end", s->at_end);
		json_close(j);
	}
	json_close(j);
}

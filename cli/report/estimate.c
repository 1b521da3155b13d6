#include "cli/report/estimate.h"

#include "cli/base/units.h"
#include "cli/report/text.h"

#include <math.h>

#define Z 1.959964 /* of the normal distribution: 95 % lie within */

struct estimate_range estimate_range(const struct profile *p, uint64_t bytes)
{
	double e = (double)bytes, half = Z * Z * (double)p->sampled / 2;
	double root = sqrt(half * (2 * e + half));
	double low = e + half - root, high = e + half + root;

	if (!p->sampled)
		return (struct estimate_range){bytes, bytes};
	return (struct estimate_range){
		low > 0 ? (uint64_t)low : 0,
		high < 0x1p63 ? (uint64_t)ceil(high) : UINT64_MAX,
	};
}

void estimate_text(const struct profile *p, bool colour, FILE *out)
{
	uint64_t example = p->sampled < (1ull << 50) ? 100 * p->sampled : p->sampled;
	struct estimate_range range = estimate_range(p, example);

	if (!p->sampled)
		return;
	text_style(out, colour, TEXT_WARNING);
	fputs("ESTIMATES: ", out);
	fprintf(out, "about one allocation in %s was recorded (--sample).\n",
		units_size(p->sampled).text);
	text_style(out, colour, TEXT_PLAIN);
	fprintf(out,
		"All figures of the heap (malloc) are estimates. In %d cases of 100, "
		"%s "
		"stands for\nsomething between %s and %s; greater sums are closer, "
		"smaller ones are rough.\nBlocks of %s and more were all recorded.\n",
		ESTIMATE_PERCENT, units_size(example).text, units_size(range.low).text,
		units_size(range.high).text, units_size(p->sampled).text);
}

void estimate_json(const struct profile *p, struct json *j)
{
	json_key(j, "sampled");
	if (!p->sampled) {
		json_null(j);
		return;
	}
	json_object(j);
	json_put_unsigned(j, "interval_bytes", p->sampled);
	json_put_unsigned(j, "confidence_percent", ESTIMATE_PERCENT);
	json_close(j);
}

void estimate_json_range(const struct profile *p, struct json *j, const char *name,
			 uint64_t bytes)
{
	struct estimate_range range = estimate_range(p, bytes);
	char key[64];

	if (!p->sampled)
		return;
	snprintf(key, sizeof(key), "%s_%d", name, ESTIMATE_PERCENT);
	json_key(j, key);
	json_array(j);
	json_unsigned(j, range.low);
	json_unsigned(j, range.high);
	json_close(j);
}

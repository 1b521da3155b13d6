/*
 * amount_json.h - bytes and blocks, as reports write them in JSON.
 */
#pragma once

#include "cli/base/json.h"
#include "cli/profile/profile.h"

/* "bytes", "blocks" of an object begun. */
static inline void amount_json_items(struct json *j, struct profile_amount amount)
{
	json_put_unsigned(j, "bytes", amount.bytes);
	json_put_unsigned(j, "blocks", amount.blocks);
}

/* An object of them. */
static inline void amount_json(struct json *j, const char *name,
			       struct profile_amount amount)
{
	json_key(j, name);
	json_object(j);
	amount_json_items(j, amount);
	json_close(j);
}

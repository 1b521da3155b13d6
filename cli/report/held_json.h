/*
 * held_json.h - blocks, edges and roots of a heap graph, as all its reports write them
 * in JSON. Addresses are texts ("0x55d0..."): numbers of JSON readers are too short.
 */
#pragma once

#include "cli/base/json.h"
#include "cli/report/held.h"

/* Begins the outermost object: schema, report, and "snapshot". */
void held_json_begin(const struct held *h, const char *report, struct json *j);

/* "address", "bytes", "site", "born_ns", "held", of an object begun. */
void held_json_block(const struct held *h, uint32_t block, struct json *j);

/* "thread" and "tid" of who allocated it, if that is known, of an object begun. */
void held_json_thread(const struct held *h, uint32_t block, struct json *j);

/* "offset", "how", "into", of an object begun. */
void held_json_edge(const struct held *h, uint32_t edge, struct json *j);

/* An object. */
void held_json_root(const struct held *h, size_t root, struct json *j);

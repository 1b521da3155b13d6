/*
 * html_bundle.h - the viewer as viewer/build.mjs made it, in this binary (embed.py).
 */
#pragma once

#include <stddef.h>

extern const char html_bundle_script[], html_bundle_style[];
extern const size_t html_bundle_script_bytes, html_bundle_style_bytes;

/* Of the above, in base64: what the content security policy lets run. */
extern const char html_bundle_script_sha256[], html_bundle_style_sha256[];

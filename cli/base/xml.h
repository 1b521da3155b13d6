/*
 * xml.h - text in XML 1.0, from names that come from anywhere.
 */
#pragma once

#include <stdio.h>

/* Writes text as content or as an attribute's value: what is markup is escaped, what
 * XML has no character for (controls, bytes that are no UTF-8) becomes U+FFFD. */
void xml_put(FILE *out, const char *text);

/* <name>text</name> */
void xml_put_element(FILE *out, const char *name, const char *text);

/*
 * picture.h - graphs in Graphviz's words made pictures of, where Graphviz is installed.
 */
#pragma once

#include <stdio.h>

/* Has `dot` draw what write() says, as SVG, into a file that is whole or not there at
 * all ("-": onto out). 0, or what write() returned; *ret_status: VERB_OK, or another
 * exit status after the reason was said. */
int picture_draw(const char *path, FILE *out, int (*write)(void *context, FILE *dot),
		 void *context, int *ret_status);

/*
 * view_browser.h - starts the user's browser. A command line is open to every user of
 * the machine, and the address has a secret in it: the browser is given a file of the
 * user's alone, which sends it there.
 */
#pragma once

enum { VIEW_BROWSER_PATH = 4096 };

struct view_browser {
	char path[VIEW_BROWSER_PATH]; /* of the file; "": there is none */
};

/* 0; -ENOENT: there is no xdg-open; -errno. */
int view_browser_open(struct view_browser *b, const char *address);

/* Removes the file. */
void view_browser_close(struct view_browser *b);

/*
 * die_text.h - strings of debugging information entries, bounded. libdw's own
 * dwarf_formstring() looks whether a string begins in its section, not whether it ends
 * there: in a damaged file it may run beyond.
 */
#pragma once

#include <elfutils/libdw.h>
#include <stdbool.h>

/* Whether the tables of strings of a file end with one's end: then all of them do. To
 * be asked before any is used. */
bool die_texts_end(Dwarf *dwarf);

/* An attribute's string, the file's; NULL: it is none, or has no end. */
const char *die_text(Dwarf_Attribute *attribute);

/* As dwarf_diename(). */
const char *die_name(Dwarf_Die *die);

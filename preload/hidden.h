/*
 * hidden.h - data of the shim's own, which other files of it declare.
 *
 * -fvisibility=hidden says so of what is defined in a file, not of what it only declares:
 * that would be looked up in the table of what other objects may have replaced.
 */
#pragma once

#define HIDDEN __attribute__((visibility("hidden")))

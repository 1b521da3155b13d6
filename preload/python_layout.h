/*
 * python_layout.h - where CPython's structures have what is read of them, by version.
 */
#pragma once

#include <stdint.h>

/* Offsets, bytes; -1: there is none. */
struct python_layout {
	uint16_t version;     /* major << 8 | minor */
	int16_t state_frame;  /* thread state: the innermost frame, or _PyCFrame */
	int16_t state_thread; /* thread state: pthread_self() of its thread */
	int16_t link_frame;   /* _PyCFrame: the innermost frame */
	int16_t link_outside; /* _PyCFrame: the one of the loop outside */
	int16_t frame_code, frame_outside, frame_at;
	int16_t frame_entry; /* a byte: the first frame of a loop (3.11) */
	int16_t frame_owner; /* a byte: whose memory it is in (3.11 and later) */
	int16_t code_file, code_name, code_first_line, code_lines;
	int16_t code_start; /* the instructions (3.11 and later) */
	int16_t code_bytes; /* else a bytes object of them */
	int16_t text_short,
		text_long; /* str: where the characters begin, ASCII or not */
	int16_t code_constants;
	int16_t tuple_items;
};

/* Of all 64-bit builds that do not change how an object begins: as their own headers
 * say (offsetof() over 3.8.18, 3.9.18, 3.10.13, 3.11.7, 3.12.1, 3.13.0, 3.14.10 and
 * 3.15.2). */
static const struct python_layout python_layouts[] = {
	/* version, thread state, link, frame, code, text, tuple */
	{0x308, 24,  176, -1,  -1, 32, 24, 104, -1, -1,
	 104,	112, 40,  120, -1, 48, 48, 72,	56, 24},
	{0x309, 24,  176, -1,  -1, 32, 24, 104, -1, -1,
	 104,	112, 40,  120, -1, 48, 48, 72,	56, 24},
	{0x30a, 24,  176, -1,  -1, 32, 24, 96, -1, -1,
	 104,	112, 40,  120, -1, 48, 48, 72, 56, 24},
	{0x30b, 56,  152, 8,   16,  32, 48, 56, 68, 69,
	 112,	128, 72,  136, 184, -1, 48, 72, 24, 24},
	{0x30c, 56,  136, 0,   8,   0,	8,  56, -1, 70,
	 112,	128, 68,  136, 192, -1, 40, 56, 24, 24},
	{0x30d, 72,  152, -1,  -1,  0,	8,  56, -1, 70,
	 112,	128, 68,  136, 200, -1, 40, 56, 24, 24},
	{0x30e, 72,  152, -1,  -1,  0,	8,  56, -1, 74,
	 112,	128, 68,  136, 208, -1, 40, 56, 24, 32},
	{0x30f, 72,  176, -1,  -1,  0,	8,  56, -1, 74,
	 112,	128, 68,  136, 208, -1, 40, 56, 24, 32},
};

/* Places in it. */
enum {
	PYTHON_3_11 = 3,
	PYTHON_3_12,
	PYTHON_3_13,
	PYTHON_3_14,
	PYTHON_3_15,
};

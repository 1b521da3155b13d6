/*
 * heapline.h - for programs that want to know that they are being profiled.
 *
 * Nothing needs to be linked: the functions are there when libheapline.so is
 * preloaded, and weak otherwise.
 *
 *	if (heapline_recording && heapline_recording())
 *		...
 */
#ifndef HEAPLINE_H
#define HEAPLINE_H

#ifdef __cplusplus
extern "C" {
#endif

/* 1 while this process's heap is being recorded, else 0. */
int heapline_recording(void) __attribute__((weak));

#ifdef __cplusplus
}
#endif

#endif

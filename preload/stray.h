/*
 * stray.h - a fork in the middle of a hook: by a signal handler, which its child returns
 * from.
 *
 * The hook then goes on in both processes. What it works with is its thread's memory,
 * which the two share: the child's half would put events into its parent's ring, beside
 * the parent. So where a hook is at work, its thread's memory is copied before the fork,
 * and the copy lies in its place in the child, at the same addresses, for whatever the
 * hook has in its registers. What it puts there is put into the child's own ring once it
 * has one, and the hook is found to be over.
 *
 * The copy is of whole pages: of the controls of all rings that are on one page, which the
 * child must not claim any more.
 */
#pragma once

#include "preload/hook.h"

/* Around a fork, by the thread that makes it. */
void stray_before_fork(const struct hook_call *call);
void stray_in_parent(void);
void stray_in_child(void);

/* Whether the ring's control is a copy here. */
bool stray_has_copy(uint32_t ring);

/* t was claimed by a thread that had `old` before (NULL: none): if hooks are at work with
 * that, t knows of them. */
void stray_claimed(struct thread *t, const struct thread *old);

/* t's hooks were looked at, and all but so many are over: what they have put is t's now. */
void stray_collect(struct thread *t, uint32_t left);

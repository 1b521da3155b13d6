// Trees that were made, kept while their question is the last one asked.

import type { Model } from "./model";
import type { Scope } from "./scope";
import type { State } from "./state";
import { bottomUp, LEAST_PERCENT, nodeName, topDown, type Tree, type TreeOptions } from "./tree";

const kept: { scope: Scope; key: string; tree: Tree }[] = [];

export function treeOf(scope: Scope, state: State, up: boolean, root = 0): Tree {
  const key = [state.metric, state.lines, up, root].join();
  const known = kept.find((k) => k.scope === scope && k.key === key);
  if (known) return known.tree;
  const options: TreeOptions = { metric: state.metric, lines: state.lines, least: LEAST_PERCENT, root };
  const tree = up ? bottomUp(scope, options) : topDown(scope, options);
  kept.unshift({ scope, key, tree });
  kept.length = Math.min(kept.length, 4);
  return tree;
}

/** The label of a function by its full name; 0: there is none. */
export function labelOf(m: Model, full: string): number {
  if (!full) return 0;
  const names = m.labels.function.full;
  for (let i = 1; i < names.length; i++) if (m.text(names[i]) === full) return i;
  return 0;
}

/** The function label of a tree's node; 0: none. */
export function functionOf(m: Model, tree: Tree, i: number): number {
  return tree.frame[i] < 0 ? 0 : m.frame.by_function[tree.frame[i]];
}

/** Whether the name of a node matches: in full, or as it is shown. */
export function isCalled(m: Model, tree: Tree, i: number, lines: boolean, regex: RegExp): boolean {
  const { full } = lines ? m.labels.line : m.labels.function;
  return regex.test(m.text(full[tree.label[i]])) || regex.test(nodeName(m, tree, i, lines));
}

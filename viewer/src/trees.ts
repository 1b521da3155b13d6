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

/** By node: its name matches. And what is below matching nodes together. */
export function search(
  m: Model, tree: Tree, lines: boolean, regex: RegExp,
): { found: Uint8Array; value: number; nodes: number } {
  const known = new Map<number, boolean>();
  const found = new Uint8Array(tree.count);
  const inside = new Uint8Array(tree.count);
  let value = 0;
  let nodes = 0;
  for (let i = 1; i < tree.count; i++) {
    const label = tree.label[i];
    if (label >= 0 && tree.value[i] > 0) {
      let matches = known.get(label);
      if (matches === undefined) {
        const labels = lines ? m.labels.line : m.labels.function;
        matches = regex.test(m.text(labels.full[label])) || regex.test(nodeName(m, tree, i, lines));
        known.set(label, matches);
      }
      if (matches) {
        found[i] = 1;
        nodes++;
        if (!inside[tree.parent[i]]) value += tree.value[i];
      }
    }
    inside[i] = found[i] | inside[tree.parent[i]];
  }
  return { found, value, nodes };
}

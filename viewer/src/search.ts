// What is searched for in a tree, by the names of its nodes.

import type { Boxes } from "./flame";

export interface Found {
  found: Uint8Array; // by node: it matches
  nodes: number;
  value: number; // of what is below matching nodes, together
}

/** Asks one node of each label: the others are called the same. */
export function search(
  tree: Pick<Boxes, "count" | "label" | "parent" | "value">, matches: (node: number) => boolean,
): Found {
  const known = new Map<number, boolean>();
  const found = new Uint8Array(tree.count);
  const inside = new Uint8Array(tree.count);
  let value = 0;
  let nodes = 0;
  for (let i = 1; i < tree.count; i++) {
    const label = tree.label[i];
    if (label >= 0 && tree.value[i] > 0) {
      let is = known.get(label);
      if (is === undefined) known.set(label, (is = matches(i)));
      if (is) {
        found[i] = 1;
        nodes++;
        if (!inside[tree.parent[i]]) value += tree.value[i];
      }
    }
    inside[i] = found[i] | inside[tree.parent[i]];
  }
  return { found, value, nodes };
}

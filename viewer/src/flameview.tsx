// The flame graph of one profile: functions coloured by whose they are.

import { useMemo } from "preact/hooks";
import { amount, exact, metricWord, useMetricPhrase } from "./cells";
import { useView } from "./context";
import { type At, FlamePage } from "./flamepage";
import { BASE, type Model, OWN } from "./model";
import type { State } from "./state";
import { INLINED, nodeName, RECURSIVE, type Tree } from "./tree";
import { functionOf, isCalled, labelOf, treeOf } from "./trees";
import { clean, count, percent } from "./units";

/** A shade that a name keeps wherever it stands. */
function shade(label: number): number {
  return (Math.imul(label + 1, 0x9e3779b1) >>> 8) % 3;
}

function colourOf(m: Model, tree: Tree, i: number): string {
  const owner = m.frame.owner[tree.frame[i]];
  const kind = owner === OWN ? "--own-" : owner === BASE ? "--base-" : "--library-";
  return kind + (shade(tree.label[i]) + 1);
}

function Status(p: { tree: Tree; node: number }) {
  const { model: m, state } = useView();
  const { tree, node } = p;
  const flags = tree.flags[node];
  return (
    <>
      <strong class="name" data-key="name">
        {clean(nodeName(m, tree, node, state.lines))}
      </strong>{" "}
      <span data-key="value" data-value={tree.value[node]} title={exact(tree.value[node], state.metric)}>
        {amount(tree.value[node], state.metric)}
      </span>
      {", "}
      {percent(tree.value[node], tree.total)}
      {tree.self[node] > 0 && (
        <>
          {"; itself "}
          <span data-key="self" data-value={tree.self[node]}>
            {amount(tree.self[node], state.metric)}
          </span>
        </>
      )}
      {flags & RECURSIVE ? "; recursive" : ""}
      {flags & INLINED ? "; inlined" : ""}
    </>
  );
}

/** Where the source of a node is shown. */
function sourceOf(m: Model, at: At<Tree>, all: boolean): Partial<State> | null {
  const frame = at.tree.frame[at.node];
  const line = frame < 0 ? 0 : m.frame.line[frame];
  if (!line) return null;
  const f = m.line.function[line - 1];
  return {
    view: "source", file: m.text(m.function.file[f]), fn: m.text(m.function.name[f]),
    all: all || !m.function.own[f],
  };
}

export function FlameView() {
  const { model: m, scope, state, set } = useView();
  const phrase = useMetricPhrase();
  const root = useMemo(() => labelOf(m, state.root), [m, state.root]);
  const tree = treeOf(scope, state, state.dir === "callers" && !root, root);
  const above = root ? treeOf(scope, state, true, root) : null;
  return (
    <FlamePage
      state={state}
      set={set}
      tree={tree}
      above={above}
      root={root ? state.root : ""}
      label="Flame graph"
      caption={
        <>
          {metricWord(scope, state.metric)}: {phrase}.{" "}
          <span class="key own" /> the program's own <span class="key library" /> libraries{" "}
          <span class="key base" /> libc and runtimes
        </>
      }
      dress={(t) => ({
        colour: (node, of) => of(colourOf(m, t, node)),
        text: (node) => nodeName(m, t, node, state.lines),
        status: (node) => <Status tree={t} node={node} />,
        key: String(state.lines),
      })}
      matches={(at, regex) => isCalled(m, at.tree, at.node, state.lines, regex)}
      said={(found) =>
        `${count(found.nodes)} found, ${amount(found.value, state.metric)}, ` +
        percent(found.value, tree.total)
      }
      nameOf={(at) => {
        const fn = functionOf(m, at.tree, at.node);
        return fn ? m.text(m.labels.function.full[fn]) : "";
      }}
      sourceOf={(at) => sourceOf(m, at, state.all)}
    />
  );
}

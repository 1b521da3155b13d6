// The call tree as a table.

import { useMemo, useState } from "preact/hooks";
import { Bar, metricWord, useMetricPhrase, Value } from "./cells";
import { useView } from "./context";
import { Directions, LinesBox } from "./flame";
import { Grid } from "./grid";
import { SearchField, TreeName } from "./parts";
import { parseRegex } from "./scope";
import { search } from "./search";
import { functionOf, isCalled, treeOf } from "./trees";
import { CALLED, INLINED, nodeFullName, nodeName, RECURSIVE, type Tree } from "./tree";
import { percent } from "./units";

const OPEN_AT_FIRST = 0.01; // of the total, as `heapline tree` shows
const ROWS_AT_FIRST = 400;

/** What is open at first: nodes that have enough, while there are not too many. */
function openAtFirst(tree: Tree): Set<number> {
  const open = new Set<number>();
  let rows = 0;
  const queue = [0];
  for (let q = 0; q < queue.length && rows < ROWS_AT_FIRST; q++) {
    const node = queue[q];
    if (!tree.below[node]) continue;
    open.add(node);
    for (const c of tree.children(node)) {
      rows++;
      if (tree.value[c] >= OPEN_AT_FIRST * tree.total) queue.push(c);
    }
  }
  return open;
}

function rowsOf(tree: Tree, open: Set<number>, wanted: Uint8Array | null): number[] {
  const rows: number[] = [];
  const stack = [0];
  while (stack.length) {
    const node = stack.pop()!;
    if (node) rows.push(node);
    if (!open.has(node)) continue;
    const under = tree.children(node);
    for (let i = under.length; i-- > 0; )
      if (!wanted || wanted[under[i]]) stack.push(under[i]);
  }
  return rows;
}

export function TreeView() {
  const { model: m, scope, state, set } = useView();
  const phrase = useMetricPhrase();
  const callers = state.dir === "callers";
  const tree = treeOf(scope, state, callers);
  const [opened, setOpened] = useState<{ tree: Tree; open: Set<number> }>({
    tree, open: openAtFirst(tree),
  });
  const [selected, select] = useState(0);
  const own = opened.tree === tree ? opened : { tree, open: openAtFirst(tree) };
  const { regex, why } = parseRegex(state.search);
  // With a search: what matches, and who leads there.
  const wanted = useMemo(() => {
    if (!regex) return null;
    const { found } = search(tree, (i) => isCalled(m, tree, i, state.lines, regex));
    for (let i = tree.count - 1; i > 0; i--) if (found[i]) found[tree.parent[i]] = 1;
    return found;
  }, [tree, state.search, state.lines]);
  const open = useMemo(() => {
    if (!wanted) return own.open;
    const all = new Set<number>();
    for (let i = 0; i < tree.count && all.size < 20000; i++) if (wanted[i]) all.add(i);
    return all;
  }, [own, wanted]);
  const rows = useMemo(() => rowsOf(tree, open, wanted), [tree, open, wanted]);
  const toggle = (row: number, to: boolean) => {
    const next = new Set(own.open);
    if (to) next.add(rows[row]);
    else next.delete(rows[row]);
    setOpened({ tree, open: next });
  };
  const isOpen = (row: number) =>
    !tree.below[rows[row]] ? undefined : open.has(rows[row]);
  const columns = [
    { title: metricWord(scope, state.metric), className: "number" },
    { title: "Share", className: "number share" },
    ...(callers ? [] : [{ title: "Self", className: "number self" }]),
    { title: "Function", className: "text" },
  ];
  const at = Math.min(selected, rows.length - 1);
  const fn = at >= 0 ? functionOf(m, tree, rows[at]) : 0;
  return (
    <div class="tree-view">
      <div class="tools">
        <Directions />
        <LinesBox state={state} set={set} />
        <SearchField text={state.search} why={why} set={(text) => set({ search: text })} />
        <span class="actions">
          <button
            type="button"
            disabled={!fn}
            onClick={() => set({ view: "flame", root: m.text(m.labels.function.full[fn]) }, true)}
          >
            Callers and callees
          </button>
        </span>
      </div>
      <p class="caption">
        {metricWord(scope, state.metric)}: {phrase}. Total{" "}
        <Value value={tree.total} metric={state.metric} />.
      </p>
      <Grid
        key={state.dir + state.metric + state.lines}
        label="Call tree"
        className="tree"
        columns={columns}
        template={callers ? "var(--callers-template)" : "var(--tree-template)"}
        rowHeight={24}
        count={rows.length}
        selected={at}
        onSelect={select}
        onOpen={(row) => {
          const now = isOpen(row);
          if (now !== undefined) toggle(row, !now);
        }}
        level={(row) => tree.depth[rows[row]]}
        expanded={isOpen}
        onToggle={toggle}
        cells={(row) => {
          const node = rows[row];
          const now = isOpen(row);
          const flags = tree.flags[node];
          const mark =
            (flags & INLINED ? (flags & CALLED ? " [partly inlined]" : " [inlined]") : "") +
            (flags & RECURSIVE ? " [recursive]" : "");
          return [
            <Bar value={tree.value[node]} of={tree.total} metric={state.metric} />,
            percent(tree.value[node], tree.total),
            ...(callers ? [] : [<Value value={tree.self[node]} metric={state.metric} blank />]),
            <TreeName
              depth={tree.depth[node]}
              open={now}
              toggle={(to) => toggle(row, to)}
              className={"owner" + (tree.frame[node] < 0 ? 2 : m.frame.owner[tree.frame[node]])}
              title={nodeFullName(m, tree, node, state.lines)}
              name={nodeName(m, tree, node, state.lines)}
              mark={mark}
            />,
          ];
        }}
      />
    </div>
  );
}

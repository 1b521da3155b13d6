// The flame graph of two profiles: boxes as wide as the greater of both, coloured by
// what became of them.

import { useMemo, useRef, useState } from "preact/hooks";
import { amount, exact } from "./cells";
import { Directions, Flame, LinesBox } from "./flame";
import { amountOf } from "./pairtables";
import { Mark, signed, Threshold, Totals, usePair, usePhrase } from "./pairparts";
import { statusOf } from "./pairsums";
import { type PairTree, pairTreeOf } from "./pairtree";
import { SearchField } from "./parts";
import { type Metric, parseRegex } from "./scope";
import { clean, count } from "./units";

/** Three shades each way by how much of the greater side changed; grey: nothing did. */
export function shadeOf(a: number, b: number): string {
  if (a === b) return "--same";
  const share = Math.abs(b - a) / Math.max(a, b);
  return (b > a ? "--grown-" : "--shrunk-") + (share >= 1 ? 3 : share >= 0.25 ? 2 : 1);
}

function Status(p: { tree: PairTree; node: number; metric: Metric }) {
  const { tree, node, metric } = p;
  const [a, b] = [tree.a[node], tree.b[node]];
  return (
    <>
      <strong class="name" data-key="name">
        {clean(tree.name(node))}
      </strong>{" "}
      <Mark status={statusOf(amountOf(a, metric), amountOf(b, metric), metric)} />{" "}
      <span data-key="a" data-value={a} title={exact(a, metric)}>
        {amount(a, metric)}
      </span>
      {" \u2192 "}
      <span data-key="b" data-value={b} title={exact(b, metric)}>
        {amount(b, metric)}
      </span>
      {", "}
      <span data-key="difference" data-value={b - a}>
        {signed(b - a, metric)}
      </span>
    </>
  );
}

export function PairFlameView() {
  const { pair, scopes, state, set } = usePair();
  const { metric, lines, least } = state;
  const phrase = usePhrase();
  const root = useMemo(() => pair.functionCalled(state.root), [pair, state.root]);
  const tree = pairTreeOf(pair, scopes, state, state.dir === "callers" && !root, root);
  const above = root ? pairTreeOf(pair, scopes, state, true, root) : null;
  const [zoom, setZoom] = useState({ tree, node: 0 });
  const [selected, select] = useState({ tree, node: -1 });
  const find = useRef<HTMLInputElement>(null);
  const { regex, why } = parseRegex(state.search);
  const hitsOf = (t: PairTree) => {
    if (!regex) return null;
    const hits = new Uint8Array(t.count);
    for (let i = 1; i < t.count; i++) if (t.label[i] >= 0 && regex.test(t.name(i, true))) hits[i] = 1;
    return hits;
  };
  const found = useMemo(() => hitsOf(tree), [tree, state.search]);
  const foundAbove = useMemo(() => above && hitsOf(above), [above, state.search]);
  const most = useMemo(() => {
    let greatest = 0;
    for (let i = 0; i < tree.count; i++)
      greatest = Math.max(greatest, Math.abs(tree.b[i] - tree.a[i]));
    return greatest;
  }, [tree]);
  const one = selected.tree === tree || selected.tree === above ? selected : { tree, node: -1 };
  const zoomed = zoom.node > 0 && (zoom.tree === tree || zoom.tree === above);
  const fn = one.node > 0 ? one.tree.functionOf(one.node) : 0;
  const sandwich = () => fn && set({ root: pair.name("function", fn, true) }, true);
  const flame = (t: PairTree, upward: boolean, hits: Uint8Array | null, title: string) => (
    <Flame
      tree={t}
      dress={{
        colour: (node, of) => of(shadeOf(t.a[node], t.b[node])),
        text: (node) =>
          t.a[node] === t.b[node]
            ? t.name(node)
            : signed(t.b[node] - t.a[node], metric) + " " + t.name(node),
        status: (node) => <Status tree={t} node={node} metric={metric} />,
        key: metric + lines + least,
      }}
      title={title}
      upward={upward}
      found={hits}
      zoom={zoom.tree === t ? zoom.node : 0}
      selected={selected.tree === t ? selected.node : -1}
      onZoom={(node) => {
        setZoom({ tree: t, node });
        select({ tree: t, node });
      }}
      onSelect={(node) => select({ tree: t, node })}
      onKey={(key) => {
        if (key === "/") find.current!.focus();
        else if (key === "s") sandwich();
        else return false;
        return true;
      }}
    />
  );
  return (
    <div class="flame-view pair">
      <div class="tools">
        {root ? (
          <>
            <strong class="root name">{clean(pair.name("function", root, true))}</strong>
            <button type="button" onClick={() => set({ root: "" }, true)}>
              Whole tree
            </button>
          </>
        ) : (
          <Directions />
        )}
        <LinesBox state={state} set={set} />
        <Threshold most={most} />
        <SearchField
          field={find}
          text={state.search}
          why={why}
          said={found && count(found.reduce((n, hit) => n + hit, 0)) + " found"}
          set={(text) => set({ search: text })}
        />
        <span class="actions">
          <button type="button" disabled={one.node < 1} onClick={() => setZoom(one)}>
            Zoom
          </button>
          <button type="button" disabled={!zoomed} onClick={() => setZoom({ tree, node: 0 })}>
            Unzoom
          </button>
          <button type="button" disabled={!fn} onClick={sandwich}>
            Callers and callees
          </button>
        </span>
      </div>
      <p class="caption">
        Changes of {phrase}.{" "}
        <Totals a={amountOf(tree.a[0], metric)} b={amountOf(tree.b[0], metric)} />. Boxes are as
        wide as the greater side. <span class="key grown" /> grown, new{" "}
        <span class="key shrunk" /> shrunk, gone <span class="key same" /> unchanged
      </p>
      {!tree.total && !above?.total ? (
        <p class="remark">Nothing to show: no stack in sight has any.</p>
      ) : above ? (
        <div class="sandwich">
          {flame(above, true, foundAbove, "Callers")}
          {flame(tree, false, found, "Callees")}
        </div>
      ) : (
        flame(tree, state.dir === "up", found, "Flame graph of both")
      )}
    </div>
  );
}

// The flame graph of two profiles: boxes as wide as the greater of both, coloured by
// what became of them.

import { useMemo, useRef, useState } from "preact/hooks";
import { amount, exact } from "./cells";
import { type Dress, Flame, LinesBox } from "./flame";
import { amountOf } from "./pairtables";
import { Mark, signed, Threshold, Totals, usePair, usePhrase } from "./pairparts";
import { statusOf } from "./pairsums";
import { PairTree } from "./pairtree";
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
  const tree = useMemo(
    () => new PairTree(pair, scopes, { metric, lines, least }), [scopes, metric, lines, least],
  );
  const [zoom, setZoom] = useState({ tree, node: 0 });
  const [selected, select] = useState({ tree, node: -1 });
  const find = useRef<HTMLInputElement>(null);
  const { regex, why } = parseRegex(state.search);
  const found = useMemo(() => {
    if (!regex) return null;
    const hits = new Uint8Array(tree.count);
    for (let i = 1; i < tree.count; i++)
      if (tree.label[i] >= 0 && regex.test(tree.name(i, true))) hits[i] = 1;
    return hits;
  }, [tree, state.search]);
  const dress: Dress = {
    colour: (node, of) => of(shadeOf(tree.a[node], tree.b[node])),
    text: (node) =>
      tree.a[node] === tree.b[node]
        ? tree.name(node)
        : signed(tree.b[node] - tree.a[node], metric) + " " + tree.name(node),
    status: (node) => <Status tree={tree} node={node} metric={metric} />,
    key: metric + lines + least,
  };
  const most = useMemo(() => {
    let greatest = 0;
    for (let i = 0; i < tree.count; i++)
      greatest = Math.max(greatest, Math.abs(tree.b[i] - tree.a[i]));
    return greatest;
  }, [tree]);
  const zoomed = zoom.tree === tree ? zoom.node : 0;
  const chosen = selected.tree === tree ? selected.node : -1;
  const upward = state.dir === "up";
  return (
    <div class="flame-view pair">
      <div class="tools">
        <span class="choice" role="group" aria-label="Direction">
          {([["down", "Icicle"], ["up", "Flame"]] as const).map(([dir, title]) => (
            <button
              key={dir}
              type="button"
              aria-pressed={upward === (dir === "up")}
              onClick={() => set({ dir })}
            >
              {title}
            </button>
          ))}
        </span>
        <LinesBox state={state} set={set} />
        <Threshold most={most} />
        <label class="search">
          <span class="sr">Search</span>
          <input
            ref={find}
            type="search"
            placeholder="Search: regular expression"
            value={state.search}
            aria-invalid={why !== ""}
            onInput={(e) => set({ search: e.currentTarget.value })}
          />
        </label>
        <span class="found" role="status">
          {why || (found && count(found.reduce((n, hit) => n + hit, 0)) + " found")}
        </span>
        <span class="actions">
          <button type="button" disabled={chosen < 1} onClick={() => setZoom({ tree, node: chosen })}>
            Zoom
          </button>
          <button type="button" disabled={!zoomed} onClick={() => setZoom({ tree, node: 0 })}>
            Unzoom
          </button>
        </span>
      </div>
      <p class="caption">
        Changes of {phrase}.{" "}
        <Totals a={amountOf(tree.a[0], metric)} b={amountOf(tree.b[0], metric)} />. Boxes are as
        wide as the greater side. <span class="key grown" /> grown, new{" "}
        <span class="key shrunk" /> shrunk, gone <span class="key same" /> unchanged
      </p>
      {tree.total ? (
        <Flame
          tree={tree}
          dress={dress}
          title="Flame graph of both"
          upward={upward}
          found={found}
          zoom={zoomed}
          selected={chosen}
          onZoom={(node) => {
            setZoom({ tree, node });
            select({ tree, node });
          }}
          onSelect={(node) => select({ tree, node })}
          onKey={(key) => {
            if (key === "/") find.current!.focus();
            return key === "/";
          }}
        />
      ) : (
        <p class="remark">Nothing to show: no stack in sight has any.</p>
      )}
    </div>
  );
}

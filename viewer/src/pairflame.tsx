// The flame graph of two profiles: boxes as wide as the greater of both, coloured by
// what became of them.

import { useMemo } from "preact/hooks";
import { amount, exact } from "./cells";
import { FlamePage } from "./flamepage";
import { amountOf } from "./pairtables";
import { Mark, signed, Threshold, Totals, usePair, usePhrase } from "./pairparts";
import { statusOf } from "./pairsums";
import { type PairTree, pairTreeOf } from "./pairtree";
import type { Metric } from "./scope";
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
  const most = useMemo(() => {
    let greatest = 0;
    for (let i = 0; i < tree.count; i++)
      greatest = Math.max(greatest, Math.abs(tree.b[i] - tree.a[i]));
    return greatest;
  }, [tree]);
  return (
    <FlamePage
      state={state}
      set={set}
      tree={tree}
      above={above}
      root={root ? pair.name("function", root, true) : ""}
      className="pair"
      label="Flame graph of both"
      caption={
        <>
          Changes of {phrase}.{" "}
          <Totals a={amountOf(tree.a[0], metric)} b={amountOf(tree.b[0], metric)} />. Boxes are as
          wide as the greater side. <span class="key grown" /> grown, new{" "}
          <span class="key shrunk" /> shrunk, gone <span class="key same" /> unchanged
        </>
      }
      tools={<Threshold most={most} />}
      dress={(t) => ({
        colour: (node, of) => of(shadeOf(t.a[node], t.b[node])),
        text: (node) =>
          t.a[node] === t.b[node]
            ? t.name(node)
            : signed(t.b[node] - t.a[node], metric) + " " + t.name(node),
        status: (node) => <Status tree={t} node={node} metric={metric} />,
        key: metric + lines + least,
      })}
      matches={(at, regex) => regex.test(at.tree.name(at.node, true))}
      said={(found) => count(found.nodes) + " found"}
      nameOf={(at) => {
        const fn = at.tree.functionOf(at.node);
        return fn ? pair.name("function", fn, true) : "";
      }}
    />
  );
}

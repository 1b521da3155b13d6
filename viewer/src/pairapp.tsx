// The page of two profiles: what is around its views. The same views show A or B alone.

import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { METRIC_WORDS, amount, exact } from "./cells";
import type { Model } from "./model";
import type { Pair } from "./pair";
import { PairFlameView } from "./pairflame";
import { PairContext, signed } from "./pairparts";
import { PairLeaksView, PairRefsView } from "./pairheapview";
import { PairSourceView } from "./pairsource";
import { PairSizesView, PairTopView, PairTotalsView, PairTreeView } from "./pairtables";
import { PairTimelineView } from "./pairtime";
import { Choice } from "./parts";
import { type Metric, Scope } from "./scope";
import type { State, View } from "./state";
import { clean } from "./units";

const PAGES: Record<View, () => JSX.Element> = {
  source: PairSourceView, flame: PairFlameView, tree: PairTreeView, top: PairTopView,
  timeline: PairTimelineView, leaks: PairLeaksView, refs: PairRefsView, sizes: PairSizesView,
  processes: PairTotalsView,
};

export const SHOWN = [
  { is: "diff", title: "Difference" },
  { is: "a", title: "A" },
  { is: "b", title: "B" },
] as const;

/** Which of the two is looked at, or what changed between them. */
export function ShowSwitch(p: { state: State; set: (patch: Partial<State>, remember?: boolean) => void }) {
  return (
    <Choice
      label="Show"
      className="show"
      of={SHOWN}
      at={p.state.show}
      choose={(show) => p.set({ show }, true)}
    />
  );
}

/** What a page's notices are of. */
export function pairNotices(pair: Pair, of: (m: Model) => string[]): string[] {
  return [...of(pair.a).map((n) => "A: " + n), ...of(pair.b).map((n) => "B: " + n)];
}

export function PairHeading(p: { pair: Pair }) {
  const names = [p.pair.a, p.pair.b].map((m) => m.about.profile || m.report.command);
  const commands = [p.pair.a, p.pair.b].map((m) => clean(m.report.command));
  return (
    <code title={`A: ${commands[0]}\nB: ${commands[1]}`}>
      {clean(names[0])} {"\u2192"} {clean(names[1])}
    </code>
  );
}

export function PairFigures(p: { pair: Pair }) {
  const [a, b] = [p.pair.a.report, p.pair.b.report];
  const facts: { metric: Metric; a: number; b: number }[] = [
    { metric: "peak", a: a.peak.bytes, b: b.peak.bytes },
    { metric: "leaked", a: a.leaked.bytes, b: b.leaked.bytes },
    { metric: "allocated", a: a.totals.allocated_bytes, b: b.totals.allocated_bytes },
    { metric: "allocations", a: a.totals.allocations, b: b.totals.allocations },
  ];
  return (
    <dl class="figures">
      {facts.map((f) => (
        <div key={f.metric}>
          <dt>{f.metric === "peak" ? "Peak" : METRIC_WORDS[f.metric]}</dt>
          <dd title={`${exact(f.a, f.metric)} in A, ${exact(f.b, f.metric)} in B`} data-value={f.b - f.a}>
            {amount(f.b, f.metric)} ({f.b === f.a ? "same" : signed(f.b - f.a, f.metric)})
          </dd>
        </div>
      ))}
    </dl>
  );
}

/** The view at hand, of what changed. */
export function PairPage(p: { pair: Pair; state: State; set: (patch: Partial<State>, remember?: boolean) => void }) {
  const { pair, state, set } = p;
  const scopes = useMemo(() => {
    const filter = {
      domain: "malloc" as const, pid: 0, focus: state.focus, ignore: state.ignore, from: 0, to: 0,
    };
    return [new Scope(pair.a, filter), new Scope(pair.b, filter)] as const;
  }, [pair, state.focus, state.ignore]);
  const Page = PAGES[state.view];
  return (
    <PairContext.Provider value={{ pair, scopes, state, set }}>
      <Page key={state.view} />
    </PairContext.Provider>
  );
}

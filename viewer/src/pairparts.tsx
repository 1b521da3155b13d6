// What the views of two profiles share: amounts with their sign, what became of a row,
// the threshold, the command.

import { createContext } from "preact";
import { useContext, useEffect, useState } from "preact/hooks";
import { amount, exact, Value } from "./cells";
import { treeWords } from "./command";
import { kindsOf, kindsWord } from "./leaks";
import type { Pair } from "./pair";
import { type Scopes, STATUSES, type Status, valueOf, type Amount } from "./pairsums";
import type { Metric } from "./scope";
import type { State } from "./state";
import { count, shellWord, size } from "./units";

export interface PairState {
  pair: Pair;
  scopes: Scopes;
  state: State;
  set: (patch: Partial<State>, remember?: boolean) => void;
}

export const PairContext = createContext<PairState>(null as never);

export function usePair(): PairState {
  return useContext(PairContext);
}

// ---- cells --------------------------------------------------------------------------

export function signed(value: number, metric: Metric): string {
  return (value > 0 ? "+" : value < 0 ? "\u2212" : "") + amount(Math.abs(value), metric);
}

/** A difference over a bar of its share of the greatest. */
export function Change(p: { value: number; of: number; metric: Metric }) {
  const share = p.of > 0 ? Math.min(1, Math.abs(p.value) / p.of) : 0;
  const kind = p.value > 0 ? "grown" : "shrunk";
  return (
    <span class={"bar " + kind}>
      <span class="fill" style={{ width: (share * 100).toFixed(2) + "%" }} />
      <span class="value" title={exact(p.value, p.metric)} data-value={p.value}>
        {signed(p.value, p.metric)}
      </span>
    </span>
  );
}

const MARKS: Record<Status, string> = {
  unchanged: "=", new: "+", gone: "\u00d7", grown: "\u25b2", shrunk: "\u25bc",
};

export function Mark(p: { status: Status }) {
  return (
    <span class={"mark " + p.status} data-status={p.status}>
      {MARKS[p.status]} <span class="word">{p.status}</span>
    </span>
  );
}

export const CHANGE_COLUMNS = [
  { title: "Difference", className: "number" },
  { title: "A", className: "number wide" },
  { title: "B", className: "number wide" },
  { title: "Became", className: "became" },
];

/** The figures of a row, in the order of CHANGE_COLUMNS. */
export function figures(a: number, b: number, most: number, metric: Metric) {
  return [
    <Change value={b - a} of={most} metric={metric} />,
    <Value value={a} metric={metric} blank />,
    <Value value={b} metric={metric} blank />,
  ];
}

/** How many rows became what. */
export function Tally(p: { counts: Record<Status, number> }) {
  return (
    <>
      {STATUSES.map((s) => (
        <span key={s} data-tally={s} data-value={p.counts[s]}>
          {count(p.counts[s])} {s}
          {s === "shrunk" ? "." : ", "}
        </span>
      ))}
    </>
  );
}

/** Both totals and their difference, in a caption; of the metric at hand unless told. */
export function Totals(p: { a: Amount; b: Amount; metric?: Metric }) {
  const { state } = usePair();
  const metric = p.metric ?? state.metric;
  const [a, b] = [valueOf(p.a, metric), valueOf(p.b, metric)];
  return (
    <>
      <span data-total="a" data-value={a} title={exact(a, metric)}>
        {amount(a, metric)}
      </span>
      {" \u2192 "}
      <span data-total="b" data-value={b} title={exact(b, metric)}>
        {amount(b, metric)}
      </span>
      {", "}
      <strong data-total="difference" data-value={b - a} title={exact(b - a, metric)}>
        {signed(b - a, metric)}
      </strong>
    </>
  );
}

export function usePhrase(): string {
  const { scopes, state } = usePair();
  switch (state.metric) {
    case "peak": {
      const [a, b] = scopes.map((s) => s.moment);
      return a === b ? "bytes live at " + a : `bytes live, in A at ${a}, in B at ${b}`;
    }
    case "leaked":
      return "bytes never freed, runtime blocks apart";
    case "allocated":
      return "bytes allocated";
    case "temporary":
      return "bytes of blocks freed by their thread's next event";
    default:
      return "allocations";
  }
}

// ---- the threshold ------------------------------------------------------------------

/** "64K", "1.5 MiB", "100"; null: it is no amount. */
export function parseAmount(text: string): number | null {
  const found = /^\s*(\d+(?:\.\d+)?)\s*(?:([KMGT])i?)?B?\s*$/i.exec(text.replace(/,/g, ""));
  if (!found) return text.trim() ? null : 0;
  const power = found[2] ? "KMGT".indexOf(found[2].toUpperCase()) + 1 : 0;
  return Math.round(Number(found[1]) * 1024 ** power);
}

/** Changes below it are folded: a slider over powers of two, and a field. */
export function Threshold(p: { most: number; metric?: Metric }) {
  const { state, set } = usePair();
  const metric = p.metric ?? state.metric;
  const show = (least: number) =>
    !least ? "" : metric === "allocations" ? count(least) : size(least);
  const [text, setText] = useState(show(state.least));
  useEffect(() => setText(show(state.least)), [state.least, metric]);
  const steps = Math.max(1, Math.ceil(Math.log2(p.most + 1)) + 1);
  const at = state.least ? Math.min(steps, Math.ceil(Math.log2(state.least)) + 1) : 0;
  const why = parseAmount(text) === null;
  const take = () => {
    const least = parseAmount(text);
    if (least !== null) set({ least });
  };
  return (
    <span class="threshold">
      <label class="check">
        Fold changes below{" "}
        <input
          type="range"
          min={0}
          max={steps}
          value={at}
          aria-valuetext={show(state.least) || "nothing"}
          onInput={(e) => {
            const step = Number(e.currentTarget.value);
            set({ least: step ? 2 ** (step - 1) : 0 });
          }}
        />
      </label>
      <input
        type="text"
        class="amount"
        aria-label="Threshold"
        placeholder="0"
        value={text}
        aria-invalid={why}
        title={why ? "A number, and K, M or G" : ""}
        onInput={(e) => setText(e.currentTarget.value)}
        onKeyDown={(e) => e.key === "Enter" && take()}
        onBlur={take}
      />
    </span>
  );
}

// ---- the command ---------------------------------------------------------------------

export function pairCommand(pair: Pair, state: State): string {
  const files = [pair.a, pair.b].map((m) => shellWord(m.about.profile || "-"));
  const filters = [
    ...(state.focus ? [shellWord("--focus=" + state.focus)] : []),
    ...(state.ignore ? [shellWord("--ignore=" + state.ignore)] : []),
  ];
  const both = (...words: string[]) =>
    files.map((file) => ["heapline", ...words, file].join(" ")).join("; ");
  switch (state.view) {
    case "timeline":
      return both("timeline");
    case "sizes":
      return both("top", "--by=" + state.classes, ...filters);
    case "leaks": {
      const kinds = kindsWord(kindsOf(state));
      return ["heapline", "diff", "--by=leak", ...(kinds ? ["--kind=" + kinds] : []), ...filters,
        ...files].join(" ");
    }
    case "refs":
      return ["heapline", "diff", "--by=" + state.changed, ...files].join(" ");
    case "flame":
    case "tree":
      return both(...treeWords(state), ...filters);
    default: {
      const unit = state.view === "top" ? state.unit : "line";
      const words = state.view === "processes" ? [] : ["--by=" + unit, "--sort=" + state.metric];
      return ["heapline", "diff", ...words, ...filters, ...files].join(" ");
    }
  }
}

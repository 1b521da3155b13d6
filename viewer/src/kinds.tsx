// The kinds of leaks, each with a figure: which are listed.

import { type Kind, KINDS } from "./heap";
import { kindsOf, kindsWord } from "./leaks";
import type { State } from "./state";

export interface KindFigure {
  value: number;
  text: string; // the value
  note: string;
  title: string;
}

/** of: what a kind has; null: it is not offered. */
export function Kinds(p: {
  state: State;
  set: (patch: Partial<State>) => void;
  of: (kind: Kind) => KindFigure | null;
}) {
  const { state, set } = p;
  const chosen = kindsOf(state);
  const toggle = (kind: Kind) => {
    const next = chosen.includes(kind) ? chosen.filter((k) => k !== kind) : [...chosen, kind];
    if (next.length) set({ kinds: kindsWord(next) });
  };
  return (
    <div class="kinds" role="group" aria-label="Kinds">
      {KINDS.map((kind) => {
        const figure = p.of(kind);
        return figure && (
          <button
            key={kind}
            type="button"
            class="kind"
            aria-pressed={chosen.includes(kind)}
            title={figure.title}
            onClick={() => toggle(kind)}
          >
            <strong>{kind}</strong>{" "}
            <span data-key={kind} data-value={figure.value}>
              {figure.text}
            </span>{" "}
            <small>{figure.note}</small>
          </button>
        );
      })}
      <button type="button" onClick={() => set({ kinds: "" })} disabled={!state.kinds}>
        Usual
      </button>
      <button type="button" onClick={() => set({ kinds: "all" })} disabled={state.kinds === "all"}>
        All
      </button>
    </div>
  );
}

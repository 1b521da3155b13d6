// Leaks, live blocks and types of two profiles: what is new, gone, grown, shrunk.

import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Grid } from "./grid";
import { type Kind, LOST } from "./heap";
import { type KindFigure, Kinds } from "./kinds";
import { kindsOf } from "./leaks";
import {
  type ChangedRow, type Changes, type ChangesOf, changesOf, choose, type Found, type Grown, siteOf,
  wordOf,
} from "./pairheap";
import { CHANGE_COLUMNS, figures, Mark, signed, Tally, Threshold, Totals, usePair } from "./pairparts";
import { type Amount, statusOf } from "./pairsums";
import { Choice, titled } from "./parts";
import { StackList } from "./places";
import { CHANGED_BLOCKS } from "./state";
import { clean, count, size } from "./units";

const BYTES = "leaked"; // a metric of bytes

const HELD: Record<string, string> = {
  sure: "held", inside: "held by pointers into it", weak: "doubtful", exited: "by the exit's frames",
  ignored: "declared no leak", no: "by nobody",
};
const HELD_WORDS = Object.keys(HELD);

function useChanges<T>(of: ChangesOf): Found<T> | null {
  const { pair } = usePair();
  const [found, setFound] = useState<{ of: ChangesOf; what: Found<T> } | null>(null);
  useEffect(() => {
    let current = true;
    void changesOf<T>(pair.a.data, of).then((what) => current && setFound({ of, what }));
    return () => {
      current = false;
    };
  }, [pair, of]);
  return found && found.of === of ? found.what : null;
}

/** What is read, or why it cannot be shown. */
function Waiting(p: { why?: string }) {
  return p.why === undefined ? (
    <p class="loading">Reading ...</p>
  ) : (
    <p class="notice" role="note">
      {clean(p.why)}
    </p>
  );
}

// ---- rows ----------------------------------------------------------------------------

interface RowsProps {
  of: Changes;
  kinds: readonly string[];
  label: string;
  word: string; // the heading of the kinds' column
  say: (row: ChangedRow) => ComponentChildren;
  details?: (row: ChangedRow) => ComponentChildren;
  whole?: boolean; // focus and ignore choose none of them
}

function Rows(p: RowsProps) {
  const { state } = usePair();
  const [selected, select] = useState(0);
  const { shown, rest, total, counts, filtered } = choose(
    p.of, p.kinds, state.least, p.whole ? "" : state.focus, p.whole ? "" : state.ignore,
  );
  const most = shown.length ? Math.abs(shown[0].difference.bytes) : 0;
  const all = shown.length + (rest.count ? 1 : 0);
  const at = Math.min(selected, all - 1);
  const row = shown[at];
  return (
    <>
      <p class="caption" role="status">
        <Totals {...total} metric={BYTES} />.{" "}
        {filtered ? "Of the stacks chosen by focus and ignore: " : ""}
        <Tally counts={counts} />
        {p.of.more > 0 &&
          ` ${count(p.of.more)} that changed less are not in this page: the command below, with a greater -n, lists them.`}
      </p>
      <div class={"split" + (row ? " detailed" : "")}>
        <Grid
          label={p.label}
          className="changes kinded"
          columns={[
            ...CHANGE_COLUMNS, { title: p.word, className: "text kind" },
            { title: "Allocated by", className: "text" },
          ]}
          template="var(--pair-kind-template)"
          count={all}
          selected={at}
          onSelect={select}
          cells={(i) => {
            const r = shown[i] ?? rest;
            const one = shown[i];
            return [
              ...figures(r.a.bytes, r.b.bytes, most, BYTES),
              one ? <Mark status={one.status} /> : "",
              one ? p.say(one) : "",
              <span class="name" title={one ? clean(siteOf(one)) : ""}>
                {one?.type && <strong>{clean(one.type)} </strong>}
                {one
                  ? clean(siteOf(one))
                  : count(rest.count) + " smaller: unchanged, or below the threshold"}
              </span>,
            ];
          }}
        />
        {row && (
          <section class="details" aria-label="The row">
            <h2>
              {clean(siteOf(row))} <small>{wordOf(row)}</small>
            </h2>
            <dl>
              <Side title={"In\u00a0A"} of={row.a} site={row.site_a} />
              <Side title={"In\u00a0B"} of={row.b} site={row.site_b} />
            </dl>
            {p.details?.(row)}
            <h3>Allocated by</h3>
            <StackList stack={row.stack} />
          </section>
        )}
      </div>
    </>
  );
}

function Side(p: { title: string; of: Amount; site: string | null }) {
  return (
    <>
      <dt>{p.title}</dt>
      <dd data-key={p.title.slice(-1)} data-value={p.of.blocks}>
        {p.site === null
          ? "nothing"
          : `${size(p.of.bytes)} in ${count(p.of.blocks)} ${p.of.blocks === 1 ? "block" : "blocks"}, ${clean(p.site)}`}
      </dd>
    </>
  );
}

// ---- leaks ---------------------------------------------------------------------------

function figureOf(of: Changes, kind: Kind): KindFigure | null {
  const { a, b } = of.kinds[kind];
  const same = a.bytes === b.bytes;
  if (!a.blocks && !b.blocks && !LOST.includes(kind)) return null;
  return {
    value: b.bytes - a.bytes,
    text: same ? size(b.bytes) : signed(b.bytes - a.bytes, BYTES),
    note: same ? "same" : `${size(a.bytes)} \u2192 ${size(b.bytes)}`,
    title: `${count(a.bytes)} bytes in A, ${count(b.bytes)} in B`,
  };
}

export function PairLeaksView() {
  const { state, set } = usePair();
  const found = useChanges<Changes>("leak");
  if (!found?.of) return <Waiting why={found?.why} />;
  const { of } = found;
  const most = of.rows.length ? Math.abs(of.rows[0].difference.bytes) : 0;
  const alone = (show: "a" | "b", row: ChangedRow) => (
    <button
      type="button"
      disabled={row[`site_${show}`] === null}
      onClick={() => set({ show, kinds: wordOf(row), leak: "", min: "", module: "" }, true)}
    >
      {wordOf(row)} ones of {show.toUpperCase()}
    </button>
  );
  return (
    <div class="leaks-view pair">
      <div class="filters">
        <Kinds state={state} set={set} of={(kind) => figureOf(of, kind)} />
        <div class="tools">
          <Threshold most={most} metric={BYTES} />
        </div>
      </div>
      <Rows
        key={state.kinds}
        of={of}
        kinds={kindsOf(state)}
        label="Leaks that changed"
        word="Kind"
        say={(r) => <span class={"leak-" + (LOST.includes(r.kind as never) ? "lost" : "other")}>{r.kind}</span>}
        details={(row) => (
          <p class="actions">
            {alone("a", row)} {alone("b", row)}
          </p>
        )}
      />
    </div>
  );
}

// ---- references ------------------------------------------------------------------------

function Blocks(p: { choice: ComponentChildren }) {
  const found = useChanges<Changes>("block");
  if (!found?.of) return <Waiting why={found?.why} />;
  const { rows } = found.of;
  return (
    <>
    <div class="tools">
      {p.choice}
      <Threshold most={rows.length ? Math.abs(rows[0].difference.bytes) : 0} metric={BYTES} />
    </div>
    <Rows
      of={found.of}
      whole
      kinds={HELD_WORDS}
      label="Blocks that changed"
      word="Held"
      say={(r) => (
        <span class={r.held === "no" ? "leak-lost" : undefined} title={r.held}>
          {HELD[r.held!] ?? r.held}
        </span>
      )}
    />
    </>
  );
}

function Types(p: { choice: ComponentChildren }) {
  const { state } = usePair();
  const found = useChanges<Grown>("type");
  const [selected, select] = useState(0);
  if (!found?.of) return <Waiting why={found?.why} />;
  const changes = found.of.rows.map((r) => Math.abs(r.bytes - r.bytes_before));
  const most = changes.reduce((m, c) => Math.max(m, c), 0);
  const rows = found.of.rows
    .map((r) => ({
      name: r.type ?? "blocks whose type is not known",
      a: { bytes: r.bytes_before, blocks: r.objects_before },
      b: { bytes: r.bytes, blocks: r.objects },
    }))
    .filter((r) => Math.abs(r.b.bytes - r.a.bytes) >= state.least);
  const sum = (side: "a" | "b") => rows.reduce((s, r) => s + r[side].bytes, 0);
  return (
    <>
      <div class="tools">
        {p.choice}
        <Threshold most={most} metric={BYTES} />
      </div>
      <p class="caption" role="status">
        Objects in use at the last snapshot of each, with their parts, of types that changed:{" "}
        <Totals a={{ bytes: sum("a"), blocks: 0 }} b={{ bytes: sum("b"), blocks: 0 }} metric={BYTES} />.
        {!rows.length && " No type has more or fewer objects."}
      </p>
      <Grid
        label="Types that changed"
        className="changes kinded types"
        columns={[
          ...CHANGE_COLUMNS, { title: "Objects", className: "number" },
          { title: "Type", className: "text" },
        ]}
        template="var(--pair-kind-template)"
        count={rows.length}
        selected={Math.min(selected, rows.length - 1)}
        onSelect={select}
        cells={(i) => {
          const { a, b, name } = rows[i];
          return [
            ...figures(a.bytes, b.bytes, most, BYTES),
            <Mark status={statusOf(a, b, BYTES)} />,
            <span
              data-value={b.blocks - a.blocks}
              title={`${count(a.blocks)} in A, ${count(b.blocks)} in B`}
            >
              {a.blocks === b.blocks ? "same" : signed(b.blocks - a.blocks, "allocations")}
            </span>,
            <span class="name" title={clean(name)}>
              {clean(name)}
            </span>,
          ];
        }}
      />
    </>
  );
}

export function PairRefsView() {
  const { state, set } = usePair();
  const choice = (
    <Choice
      label="By"
      of={titled(CHANGED_BLOCKS)}
      at={state.changed}
      choose={(changed) => set({ changed })}
    />
  );
  return (
    <div class="refs-view pair">
      {state.changed === "type" ? <Types choice={choice} /> : <Blocks choice={choice} />}
    </div>
  );
}

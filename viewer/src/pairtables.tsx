// Tables of what changed: by line, function, stack or module; the tree; sizes; totals.

import { useEffect, useMemo, useState } from "preact/hooks";
import { METRIC_WORDS } from "./cells";
import { Grid } from "./grid";
import { histogram, type Histogram } from "./histogram";
import { Directions, LinesBox } from "./flame";
import { UNITS_OF_ROWS } from "./pair";
import { CHANGE_COLUMNS, figures, Mark, Tally, Threshold, Totals, usePair, usePhrase } from "./pairparts";
import { Choice, titled, TreeName } from "./parts";
import { type Amount, changeOf, fold, type Row, rowsOf, statusOf, valueOf } from "./pairsums";
import { type PairTree, pairTreeOf } from "./pairtree";
import { METRICS, type Metric, type Sums } from "./scope";
import { ClassesChoice, classSize, classTime } from "./topview";
import { clean, count } from "./units";

// ---- rows ------------------------------------------------------------------------------

export function PairTopView() {
  const { pair, scopes, state, set } = usePair();
  const { unit, metric } = state;
  const phrase = usePhrase();
  const rows = useMemo(() => rowsOf(pair, scopes, unit, metric), [scopes, unit, metric]);
  const folded = useMemo(() => fold(rows, metric, state.least), [rows, state.least]);
  const [selected, select] = useState(0);
  const most = rows.length ? Math.abs(changeOf(rows[0], metric)) : 0;
  const { shown, rest } = folded;
  const all = shown.length + (rest.count ? 1 : 0);
  const at = Math.min(selected, all - 1);
  const row = shown[at];
  return (
    <div class="top-view pair">
      <div class="tools">
        <Choice
          label="By"
          of={titled(UNITS_OF_ROWS)}
          at={unit}
          choose={(word) => {
            select(0);
            set({ unit: word });
          }}
        />
        <Threshold most={most} />
      </div>
      <p class="caption">
        Changes of {phrase}. <Totals {...folded.total} />.{" "}
        <Tally counts={folded.counts} />
      </p>
      <Grid
        key={unit + metric}
        label={"Changes by " + unit}
        className="changes"
        columns={[...CHANGE_COLUMNS, { title: unit === "site" ? "Stack" : unit[0].toUpperCase() + unit.slice(1), className: "text" }]}
        template="var(--pair-template)"
        count={all}
        selected={at}
        onSelect={select}
        cells={(i) => {
          const r = shown[i] ?? rest;
          const status = shown[i]?.status;
          return [
            ...figures(valueOf(r.a, metric), valueOf(r.b, metric), most, metric),
            status ? <Mark status={status} /> : "",
            <span class="name" title={shown[i] && shown[i].id ? clean(rowName(shown[i], true)) : ""}>
              {shown[i]
                ? clean(rowName(shown[i]))
                : count(rest.count) + " smaller: unchanged, or below the threshold"}
            </span>,
          ];
        }}
      />
      {row && unit === "site" && row.id > 0 && <Stack row={row} />}
    </div>
  );

  function rowName(r: Row, full = false): string {
    if (!r.id) return "smaller (folded when this page was made)";
    const k = r.status === "gone" || r.node[1] < 0 ? 0 : 1;
    if (unit !== "site") return pair.name(unit, r.id, full, k);
    return pair.name("line", pair.sides[k].thing.line[r.node[k]], full, k);
  }
}

/** The frames of a row that is a whole stack, the innermost first. */
function Stack(p: { row: Row }) {
  const { pair } = usePair();
  const lines: number[] = [];
  for (let i = p.row.id - 1; i; i = pair.parent[i]) lines.push(pair.line[i]);
  return (
    <section class="details stack" aria-label="Stack">
      <ol class="frames">
        {lines.map((line, i) => (
          <li key={i} class="name">
            {clean(pair.name("line", line, false, p.row.status === "gone" ? 0 : 1))}
          </li>
        ))}
      </ol>
    </section>
  );
}

// ---- the tree --------------------------------------------------------------------------

const ROWS_AT_FIRST = 300;

function openAtFirst(tree: PairTree): Set<number> {
  const open = new Set<number>();
  let rows = 0;
  for (let q = [0], i = 0; i < q.length && rows < ROWS_AT_FIRST; i++) {
    open.add(q[i]);
    for (const c of tree.children(q[i])) {
      rows++;
      if (tree.value[c] >= 0.01 * tree.total) q.push(c);
    }
  }
  return open;
}

export function PairTreeView() {
  const { pair, scopes, state, set } = usePair();
  const { metric, lines } = state;
  const phrase = usePhrase();
  const callers = state.dir === "callers";
  const tree = pairTreeOf(pair, scopes, state, callers);
  const [opened, setOpened] = useState({ tree, open: openAtFirst(tree) });
  const [selected, select] = useState(0);
  const { open } = opened.tree === tree ? opened : { open: openAtFirst(tree) };
  const rows: number[] = [];
  for (const stack = [0]; stack.length; ) {
    const node = stack.pop()!;
    if (node) rows.push(node);
    if (open.has(node)) for (const c of [...tree.children(node)].reverse()) stack.push(c);
  }
  const isOpen = (row: number) =>
    tree.children(rows[row]).length ? open.has(rows[row]) : undefined;
  const toggle = (row: number, to: boolean) => {
    const next = new Set(open);
    if (to) next.add(rows[row]);
    else next.delete(rows[row]);
    setOpened({ tree, open: next });
  };
  let most = 0;
  for (let i = 0; i < tree.count; i++) most = Math.max(most, Math.abs(tree.b[i] - tree.a[i]));
  return (
    <div class="tree-view pair">
      <div class="tools">
        <Directions />
        <LinesBox state={state} set={set} />
        <Threshold most={most} />
      </div>
      <p class="caption">
        Changes of {phrase}, of {callers ? "allocations, and of their callers" : "each call and all below it"}.{" "}
        <Totals a={amountOf(tree.a[0], metric)} b={amountOf(tree.b[0], metric)} />.
      </p>
      <Grid
        key={state.dir + metric + lines}
        label="Changes by call"
        className="tree kinded"
        columns={[...CHANGE_COLUMNS, { title: "Function", className: "text" }]}
        template="var(--pair-tree-template)"
        rowHeight={24}
        count={rows.length}
        selected={Math.min(selected, rows.length - 1)}
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
          const [a, b] = [tree.a[node], tree.b[node]];
          return [
            ...figures(a, b, most, metric),
            <Mark status={statusOf(amountOf(a, metric), amountOf(b, metric), metric)} />,
            <TreeName
              depth={tree.depth[node]}
              open={now}
              toggle={(to) => toggle(row, to)}
              title={tree.name(node, true)}
              name={tree.name(node)}
            />,
          ];
        }}
      />
    </div>
  );
}

export function amountOf(value: number, metric: Metric): Amount {
  return metric === "allocations" ? { bytes: 0, blocks: value } : { bytes: value, blocks: 0 };
}

// ---- sizes and lifetimes -------------------------------------------------------------

export function PairSizesView() {
  const { pair, scopes, state, set } = usePair();
  const [found, setFound] = useState<{ sizes: Histogram; lives: Histogram }[] | null>(null);
  const [selected, select] = useState(0);
  useEffect(() => {
    let current = true;
    void Promise.all([pair.a.classes(), pair.b.classes()]).then(
      (both) => current && setFound(both.map((c, k) => histogram(scopes[k], c))),
    );
    return () => {
      current = false;
    };
  }, [scopes]);
  if (!found) return <p class="loading">Reading ...</p>;
  const bySize = state.classes === "size";
  const [a, b] = found.map((f) => new Map((bySize ? f.sizes : f.lives).rows.map((r) => [r.k, r.count])));
  // What was never freed (-1) comes last.
  const keys = [...new Set([...a.keys(), ...b.keys()])].sort((x, y) => (x < 0 ? 1 : y < 0 ? -1 : x - y));
  const rows = keys.map((k) => ({ k, a: a.get(k) ?? 0, b: b.get(k) ?? 0 }));
  const most = rows.reduce((m, r) => Math.max(m, Math.abs(r.b - r.a)), 0);
  return (
    <div class="sizes-view pair">
      <div class="tools">
        <ClassesChoice state={state} set={set} />
      </div>
      <p class="caption">Allocations by {bySize ? "size, as requested" : "the time until the block was freed"}.</p>
      <Grid
        key={state.classes}
        label={bySize ? "Sizes" : "Lifetimes"}
        className="classes"
        columns={[...CHANGE_COLUMNS, { title: bySize ? "Size" : "Lifetime", className: "text" }]}
        template="var(--pair-template)"
        count={rows.length}
        selected={Math.min(selected, rows.length - 1)}
        onSelect={select}
        cells={(i) => {
          const r = rows[i];
          return [
            ...figures(r.a, r.b, most, "allocations"),
            <Mark status={statusOf(amountOf(r.a, "allocations"), amountOf(r.b, "allocations"), "allocations")} />,
            r.k < 0 ? "never freed" : bySize ? classSize(r.k) : classTime(r.k),
          ];
        }}
      />
    </div>
  );
}

// ---- totals ----------------------------------------------------------------------------

const BLOCKS: Record<Metric, keyof Sums> = {
  peak: "peakBlocks", leaked: "leakedBlocks", allocated: "allocations", allocations: "allocations",
  temporary: "temporaryBlocks",
};

export function PairTotalsView() {
  const { pair, scopes } = usePair();
  const [selected, select] = useState(0);
  const totals = scopes.map((s) => s.total());
  return (
    <div class="pair totals-view">
      <p class="caption">
        Both recordings{scopes[0].filter.focus || scopes[0].filter.ignore ? ", of the stacks chosen by focus and ignore" : ""}:{" "}
        A is <code>{clean(pair.a.report.command)}</code>, B is <code>{clean(pair.b.report.command)}</code>.
        Their processes are shown with A or B alone.
      </p>
      <Grid
        label="Totals"
        columns={[...CHANGE_COLUMNS, { title: "Figure", className: "text" }]}
        template="var(--pair-template)"
        count={METRICS.length}
        selected={selected}
        onSelect={select}
        cells={(i) => {
          const metric = METRICS[i];
          const [a, b] = totals.map((t) => t[metric]);
          const amounts = totals.map((t) => ({ bytes: metric === "allocations" ? t.allocated : t[metric], blocks: t[BLOCKS[metric]] }));
          return [
            ...figures(a, b, Math.max(a, b), metric),
            <Mark status={statusOf(amounts[0], amounts[1], metric)} />,
            METRIC_WORDS[metric],
          ];
        }}
      />
    </div>
  );
}

// The source of B, and what A had of it: what blocks count under each line on either
// side, by the rule of `heapline diff --by line`.

import { useMemo, useState } from "preact/hooks";
import { Value } from "./cells";
import { Grid } from "./grid";
import { highlighter } from "./highlight";
import type { Pair } from "./pair";
import { Change, Mark, signed, Threshold, Totals, usePair, usePhrase } from "./pairparts";
import { changeOf, fold, type Row, rowsOf, statusOf, valueOf } from "./pairsums";
import { baseName, sourceOf } from "./source";
import { clean, count, sourceLine } from "./units";

/** Where one side has a function; null: it does not, or without lines. */
interface Body {
  side: 0 | 1;
  file: number; // text
  first: number;
  last: number;
}

function bodyOf(pair: Pair, side: 0 | 1, fn: number): Body | null {
  const frame = pair.functionOn(side, fn);
  if (frame < 0) return null;
  const { model: m } = pair.sides[side];
  const row = m.frame.function[frame];
  if (!row) return null;
  const f = m.function;
  return { side, file: f.file[row - 1], first: f.first[row - 1], last: f.last[row - 1] };
}

/** The number of a line on one side; 0: it has none. */
function numberOn(pair: Pair, side: 0 | 1, line: number): number {
  const frame = pair.lineOn(side, line);
  if (frame < 0) return 0;
  const { model: m } = pair.sides[side];
  const row = m.frame.line[frame];
  return row ? m.line.number[row - 1] : 0;
}

export interface Listed {
  numbers: [number, number]; // in A, in B; 0: not there, or not known
  text: string;
  row: Row | null;
}

const LINES_MOST = 20000; // of a function

/** The lines of a function as B has it, those that only A has where they were. */
export function listing(pair: Pair, fn: number, rows: Row[]): Listed[] {
  const a = bodyOf(pair, 0, fn);
  const b = bodyOf(pair, 1, fn);
  const texts = [a, b].map((body) =>
    body ? sourceOf(pair.sides[body.side].model, body.file) : new Map<number, string>());
  const byLine = new Map<number, Listed>();
  const found: Listed[] = [];
  const body = b ?? a;
  const main = b ? 1 : 0;
  if (body && body.first > 0 && body.last >= body.first && body.last - body.first < LINES_MOST)
    for (let n = body.first; n <= body.last && texts[main].size; n++) {
      const one: Listed = { numbers: [0, 0], text: texts[main].get(n) ?? "", row: null };
      one.numbers[main] = n;
      byLine.set(n, one);
      found.push(one);
    }
  const apart: { at: number; one: Listed }[] = [];
  // Where a line of A's would be: behind the nearest one above it that B has, too.
  const both = rows
    .map((row) => [numberOn(pair, 0, row.id), numberOn(pair, 1, row.id)])
    .filter(([inA, inB]) => inA && inB);
  const inB = (number: number, firstA: number, firstB: number) =>
    both.reduce(
      (best, [lineA, lineB]) => (lineA < number && lineA > best[0] ? [lineA, lineB] : best),
      [firstA - 1, number - firstA + firstB],
    )[1];
  for (const row of rows) {
    const numbers: [number, number] = [numberOn(pair, 0, row.id), numberOn(pair, 1, row.id)];
    const known = numbers[main] ? byLine.get(numbers[main]) : undefined;
    if (known && !known.row) {
      known.numbers = numbers;
      known.row = row;
      continue;
    }
    const side = numbers[1] ? 1 : 0;
    apart.push({
      at: side === main || !a || !b ? numbers[side] : inB(numbers[0], a.first, b.first),
      one: { numbers, text: texts[side].get(numbers[side]) ?? "", row },
    });
  }
  // Behind the line that is where they were.
  apart.sort((x, y) => x.at - y.at);
  for (const { at, one } of apart.reverse()) {
    let i = found.length;
    while (i > 0 && found[i - 1].numbers[main] > at) i--;
    found.splice(i, 0, one);
  }
  return found;
}

interface Group {
  fn: number;
  rows: Row[];
  row: Row; // its sums
}

/** The rows by their functions, the greatest change first. */
function groupsOf(pair: Pair, rows: Row[], metric: Parameters<typeof changeOf>[1]): Group[] {
  const groups = new Map<number, Group>();
  for (const row of rows) {
    if (!row.id) continue;
    const fn = pair.functionOf[row.id];
    let g = groups.get(fn);
    if (!g) {
      const nothing = () => ({ bytes: 0, blocks: 0 });
      const sum: Row = { id: fn, a: nothing(), b: nothing(), status: "unchanged", node: [-1, -1] };
      groups.set(fn, (g = { fn, rows: [], row: sum }));
    }
    g.rows.push(row);
    for (const side of ["a", "b"] as const) {
      g.row[side].bytes += row[side].bytes;
      g.row[side].blocks += row[side].blocks;
    }
  }
  const all = [...groups.values()];
  for (const g of all) g.row.status = statusOf(g.row.a, g.row.b, metric);
  const by = (g: Group) =>
    g.rows.reduce((most, r) => Math.max(most, Math.abs(changeOf(r, metric))), 0);
  return all.sort((x, y) => by(y) - by(x) || x.fn - y.fn);
}

function Lines(p: { group: Group; most: number }) {
  const { pair, state } = usePair();
  const { metric, least } = state;
  const { group } = p;
  const [selected, select] = useState(0);
  const lines = useMemo(() => listing(pair, group.fn, group.rows), [group]);
  const shown = useMemo(() => fold(group.rows, metric, least), [group, least]);
  const loud = new Set(shown.shown);
  const { rest } = shown;
  const body = bodyOf(pair, 1, group.fn) ?? bodyOf(pair, 0, group.fn);
  const file = body ? pair.sides[body.side].model.text(body.file) : "";
  const texts = useMemo(() => {
    const high = highlighter(file);
    return lines.map((l) => high.line(sourceLine(l.text)));
  }, [lines, file]);
  const widest = lines.reduce((most, l) => Math.max(most, sourceLine(l.text).length), 20);
  const all = lines.length + (rest.count ? 1 : 0);
  return (
    <Grid
      key={group.fn}
      label={"Source of " + pair.name("function", group.fn)}
      className="lines changes"
      columns={[
        { title: "Difference", className: "number" },
        { title: "A", className: "number wide" },
        { title: "B", className: "number wide" },
        { title: "in A", className: "number linenumber wide" },
        { title: "in B", className: "number linenumber" },
        { title: clean(baseName(file)) || "Source", className: "text" },
      ]}
      template={"var(--pair-gutters) minmax(" + (widest + 4) + "ch, 1fr)"}
      rowWidth={`max(100%, calc(${widest + 8}ch + var(--pair-width)))`}
      rowHeight={20}
      count={all}
      selected={Math.min(selected, all - 1)}
      onSelect={select}
      rowClass={(i) => {
        const row = lines[i]?.row;
        return i >= lines.length ? "rest" : row && loud.has(row) ? row.status : "quiet";
      }}
      cells={(i) => {
        const l = lines[i];
        const row = i >= lines.length ? { a: rest.a, b: rest.b } : l.row && loud.has(l.row) ? l.row : null;
        const figures = row
          ? [
              <Change value={changeOf(row, metric)} of={p.most} metric={metric} />,
              <Value value={valueOf(row.a, metric)} metric={metric} blank />,
              <Value value={valueOf(row.b, metric)} metric={metric} blank />,
            ]
          : [null, null, null];
        if (!l)
          return [...figures, null, null, count(rest.count) + " smaller lines: unchanged, or below the threshold"];
        return [
          ...figures,
          l.numbers[0] || null,
          l.numbers[1] || null,
          <code class="source">
            {texts[i]}
            {row && l.row && l.row.status !== "grown" && l.row.status !== "shrunk" && (
              <small>
                {" "}
                <Mark status={l.row.status} />
              </small>
            )}
          </code>,
        ];
      }}
    />
  );
}

export function PairSourceView() {
  const { pair, scopes, state, set } = usePair();
  const { metric, least } = state;
  const phrase = usePhrase();
  const rows = useMemo(() => rowsOf(pair, scopes, "line", metric), [scopes, metric]);
  const folded = useMemo(() => fold(rows, metric, least), [rows, least]);
  const groups = useMemo(() => groupsOf(pair, rows, metric), [rows]);
  const loud = new Set(folded.shown);
  const shown = groups.filter((g) => g.rows.some((r) => loud.has(r)));
  const most = rows.length ? Math.abs(changeOf(rows[0], metric)) : 0;
  const fileOf = (fn: number) => {
    const body = bodyOf(pair, 1, fn) ?? bodyOf(pair, 0, fn);
    return body ? pair.sides[body.side].model.text(body.file) : "";
  };
  // Several files may have functions of one name.
  const named = shown.filter((g) => pair.functionName(g.fn) === state.fn);
  const chosen = named.find((g) => fileOf(g.fn) === state.file) ?? named[0];
  const at = Math.max(0, shown.indexOf(chosen));
  const group = shown[at];
  // What is in no function that is shown.
  const rest = { count: 0, a: 0, b: 0 };
  for (const g of groups) {
    if (shown.includes(g)) continue;
    rest.count++;
    rest.a += valueOf(g.row.a, metric);
    rest.b += valueOf(g.row.b, metric);
  }
  const small = rows.find((r) => !r.id);
  if (small) {
    rest.count++;
    rest.a += valueOf(small.a, metric);
    rest.b += valueOf(small.b, metric);
  }
  const all = shown.length + (rest.count ? 1 : 0);
  return (
    <div class="pair source-page">
      <div class="tools">
        <Threshold most={most} />
      </div>
      <p class="caption">
        Changes of {phrase}, each block under the innermost line of the program's own code.{" "}
        <Totals {...folded.total} />.
      </p>
      <div class="source-view">
        <div class="side">
          <Grid
            label="Functions that changed"
            className="functions"
            columns={[{ title: "Function" }, { title: "Difference", className: "number" }]}
            template="minmax(0, 1fr) 100px"
            rowHeight={40}
            count={all}
            selected={at}
            onSelect={(i) => shown[i] && 
                set({ fn: pair.functionName(shown[i].fn), file: fileOf(shown[i].fn) })}
            cells={(i) => {
              const g = shown[i];
              if (!g)
                return [
                  count(rest.count) + " smaller",
                  <span data-value={rest.b - rest.a}>{signed(rest.b - rest.a, metric)}</span>,
                ];
              const change = changeOf(g.row, metric);
              const file = fileOf(g.fn);
              return [
                <span class="two" title={clean(pair.name("function", g.fn, true) + "\n" + file)}>
                  <span class="name">{clean(pair.name("function", g.fn))}</span>
                  <span class="where">
                    {clean(baseName(file))} <Mark status={g.row.status} />
                  </span>
                </span>,
                <Change value={change} of={most} metric={metric} />,
              ];
            }}
          />
        </div>
        <div class="code">
          {group ? (
            <Lines group={group} most={most} />
          ) : (
            <p class="remark">
              {rows.length
                ? "No line changed by so much."
                : "Neither profile has any of this metric."}
            </p>
          )}
        </div>
      </div>
    </div>
  );
}

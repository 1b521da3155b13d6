// Home: the source, with what each line allocated beside it.

import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";
import { Bar, METRIC_PHRASES, METRIC_WORDS, metricWord, Value } from "./cells";
import { useView } from "./context";
import { Grid } from "./grid";
import { highlighter } from "./highlight";
import {
  expandable, hasOwn, inlinedInto, Lines, rankFunctions, rankPlain, stacksThrough,
} from "./lines";
import { type Model, UNKNOWN } from "./model";
import type { Metric, Scope, Sums } from "./scope";
import { clean, count, percent, size, sourceLine } from "./units";

/** Lines of a file as the profile has them: number -> text. */
export function sourceOf(m: Model, file: number): Map<number, string> {
  const lines = new Map<number, string>();
  for (let i = 0; i < m.source.file.length; i++) {
    if (m.source.file[i] !== file) continue;
    const texts = m.text(m.source.text[i]).split("\n");
    if (texts[texts.length - 1] === "") texts.pop();
    texts.forEach((text, k) => lines.set(m.source.first[i] + k, text));
  }
  return lines;
}

interface Row {
  kind: "function" | "line" | "gap";
  fn: number;
  number: number;
  line: number; // -1: no event there
  level: number; // of inlining
  sums: Sums | null;
  text: JSX.Element[] | string;
  columns: number; // of the text
}

const GUTTERS: { metric: Metric; title: string }[] = [
  { metric: "allocated", title: "Allocated" },
  { metric: "peak", title: "At peak" },
  { metric: "leaked", title: "Leaked" },
];

function peakTitle(scope: Scope): string {
  const word = metricWord(scope, "peak");
  return word === METRIC_WORDS.peak ? "At peak" : word;
}

const LINES_MOST = 100000; // of a function

function useRows(lines: Lines, fns: number[], file: number, open: Set<string>): Row[] {
  const { model: m, scope } = useView();
  return useMemo(() => {
    const rows: Row[] = [];
    const source = sourceOf(m, file);
    const high = highlighter(m.text(file));
    const byFunction = new Map<number, number[]>();
    const texts = new Map<number, JSX.Element[]>();
    for (let i = 0; i < m.line.number.length; i++) {
      const list = byFunction.get(m.line.function[i]);
      if (list) list.push(i);
      else byFunction.set(m.line.function[i], [i]);
    }
    let before = 0; // the last line that the highlighter saw
    let hl = high;
    const widthOf = (number: number) => sourceLine(source.get(number) ?? "").length;
    const textOf = (number: number): JSX.Element[] | string => {
      const known = texts.get(number);
      const text = source.get(number);
      if (known || text === undefined) return known ?? "";
      if (number <= before) hl = highlighter(m.text(file));
      before = number;
      const shown = hl.line(sourceLine(text));
      texts.set(number, shown);
      return shown;
    };
    const inlined = (line: number, level: number, key: string) => {
      for (const inner of inlinedInto(scope, line)) {
        const fn = m.line.function[inner.line];
        const number = m.line.number[inner.line];
        const file = m.function.file[fn];
        const text = (sourceOf(m, file).get(number) ?? "").trim();
        const own = key + ">" + inner.line;
        const shown =
          clean(m.text(m.function.name[fn])) + " (" + clean(baseName(m.text(file))) + ":" + number +
          ")" + (text ? "  " + sourceLine(text) : "");
        rows.push({
          kind: "line", fn, number, line: inner.line, level, sums: inner.sums, text: shown,
          columns: shown.length + 3 * level,
        });
        if (open.has(own) && level < 20) inlined(inner.line, level + 1, own);
      }
    };
    for (const fn of fns) {
      rows.push({
        kind: "function", fn, number: 0, line: -1, level: 0, sums: lines.function.get(fn),
        text: clean(m.text(m.function.name[fn])), columns: 0,
      });
      const events = new Map<number, number>();
      for (const i of byFunction.get(fn) ?? [])
        if (lines.line.hasEvent(i)) events.set(m.line.number[i], i);
      const first = m.function.first[fn];
      const last = m.function.last[fn];
      const whole = first > 0 && last >= first && last - first < LINES_MOST && source.size > 0;
      const numbers = new Set(events.keys());
      if (whole) for (let n = first; n <= last; n++) numbers.add(n);
      for (const number of [...numbers].sort((a, b) => a - b)) {
        const line = events.get(number) ?? -1;
        rows.push({
          kind: "line", fn, number, line, level: 0,
          sums: line < 0 ? null : lines.line.get(line), text: textOf(number),
          columns: widthOf(number),
        });
        const key = String(line);
        if (line >= 0 && open.has(key)) inlined(line, 1, key);
      }
      rows.push({ kind: "gap", fn, number: 0, line: -1, level: 0, sums: null, text: "", columns: 0 });
    }
    rows.pop();
    return rows;
  }, [lines, fns.join(), file, [...open].join()]);
}

export function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1) || path;
}

function FunctionList(p: { lines: Lines; ranked: number[]; selected: number }) {
  const { model: m, scope, state, set } = useView();
  const most = p.ranked.length ? p.lines.function.value(p.ranked[0], state.metric) : 0;
  return (
    <Grid
      label="Functions"
      className="functions"
      columns={[{ title: "Function" }, { title: metricWord(scope, state.metric), className: "number" }]}
      template="minmax(0, 1fr) 92px"
      rowHeight={40}
      count={p.ranked.length}
      selected={p.selected}
      onSelect={(row) => {
        const fn = p.ranked[row];
        set({ file: m.text(m.function.file[fn]), fn: m.text(m.function.name[fn]) });
      }}
      cells={(row) => {
        const fn = p.ranked[row];
        const name = clean(m.text(m.function.name[fn]));
        const file = clean(m.text(m.function.file[fn]));
        return [
          <span class="two" title={name + "\n" + file}>
            <span class="name">{name || "(unknown)"}</span>
            <span class="where">{baseName(file) + (m.function.first[fn] ? ":" + m.function.first[fn] : "")}</span>
          </span>,
          <Bar value={p.lines.function.value(fn, state.metric)} of={most} metric={state.metric} />,
        ];
      }}
    />
  );
}

const DETAILS: { key: keyof Sums; title: string; blocks?: boolean }[] = [
  { key: "lastLive", title: "Mem usage after the last event here" },
  { key: "allocations", title: "Allocations", blocks: true },
  { key: "allocated", title: "Allocated" },
  { key: "freed", title: "Freed by code here" },
  { key: "peak", title: "Live at the peak, or the end of the time" },
  { key: "leaked", title: "Never freed" },
  { key: "temporary", title: "Temporary" },
];

function Details(p: { line: number; sums: Sums }) {
  const { model: m, scope, state, set } = useView();
  const fn = m.line.function[p.line];
  const stacks = useMemo(
    () => stacksThrough(scope, p.line, state.metric, 20),
    [scope, p.line, state.metric],
  );
  const own = scope.own(state.metric);
  const label = labelOfLine(m, p.line);
  return (
    <section class="details" aria-label="The line">
      <h2>
        {baseName(clean(m.text(m.function.file[fn])))}:{m.line.number[p.line]}{" "}
        <small>{clean(m.text(m.function.name[fn]))}</small>
      </h2>
      <dl>
        <dt>Increment</dt>
        <dd data-key="increment" data-value={p.sums.allocated - p.sums.freed}>
          {size(p.sums.allocated - p.sums.freed)}
        </dd>
        {DETAILS.filter((d) => p.sums[d.key] !== UNKNOWN).map((d) => (
          <>
            <dt>{d.title}</dt>
            <dd data-key={d.key} data-value={p.sums[d.key]} title={count(p.sums[d.key])}>
              {d.blocks ? count(p.sums[d.key]) : size(p.sums[d.key])}
            </dd>
          </>
        ))}
      </dl>
      {label > 0 && (
        <p>
          <button
            type="button"
            onClick={() =>
              set({ view: "flame", root: m.text(m.labels.function.full[label]) }, true)
            }
          >
            Callers and callees
          </button>
        </p>
      )}
      <h3>Stacks by {METRIC_PHRASES[state.metric]}</h3>
      {!stacks.length && <p class="muted">No stack through this line has any.</p>}
      <ol class="stacks">
        {stacks.map((node) => (
          <li key={node}>
            <strong>
              <Value value={own[node]} metric={state.metric} />
            </strong>{" "}
            <small>{percent(own[node], scope.total()[state.metric])}</small>
            <ol>
              {framesOf(m, node).map((frame) => (
                <li class={"owner" + m.frame.owner[frame]}>
                  {clean(m.text(m.labels.line.short[m.frame.by_line[frame]]))}
                </li>
              ))}
            </ol>
          </li>
        ))}
      </ol>
    </section>
  );
}

function framesOf(m: Model, node: number): number[] {
  const frames: number[] = [];
  for (let i = node; i; i = m.nodeParent[i]) {
    const place = m.nodePlace[i];
    for (let f = m.placeFrame[place]; f < m.placeFrame[place + 1]; f++) frames.push(f);
  }
  return frames;
}

/** The function label of a line's frames; 0: it has none. */
function labelOfLine(m: Model, line: number): number {
  const at = m.frame.line.indexOf(line + 1);
  return at < 0 ? 0 : m.frame.by_function[at];
}

function AllBox() {
  const { state, set } = useView();
  return (
    <label class="check">
      <input
        type="checkbox"
        checked={state.all}
        onChange={(e) => set({ all: e.currentTarget.checked })}
      />{" "}
      libraries' code too
    </label>
  );
}

/** Where nothing of the program's own has lines: its functions. */
function Plain(p: { lines: Lines; rows: number[] }) {
  const { model: m, scope, state, set } = useView();
  const [selected, select] = useState(0);
  const { lines, rows } = p;
  const { plain } = lines;
  const most = rows.length ? plain.value(rows[0], state.metric) : 0;
  return (
    <div class="plain">
      <AllBox />
      <p class="remark">
        {rows.length
          ? "The program's own code has no line information here: compile it with -g, and record it again. By function or place:"
          : "Nothing here has events that are known by function or line."}
      </p>
      <Grid
        label="Functions without lines"
        columns={[
          ...GUTTERS.map((g) => ({
            title: g.metric === "peak" ? peakTitle(scope) : g.title,
            className: "number gutter" + (g.metric === state.metric ? " current" : ""),
          })),
          { title: "Function or place", className: "text" },
        ]}
        template="var(--gutters) minmax(0, 1fr)"
        count={rows.length}
        selected={selected}
        onSelect={select}
        onOpen={(row) =>
          set({ view: "flame", root: m.text(m.labels.function.full[rows[row]]) }, true)
        }
        cells={(row) => [
          ...GUTTERS.map((g) => (
            <Bar
              value={plain.value(rows[row], g.metric)}
              of={g.metric === state.metric ? most : 0}
              metric={g.metric}
            />
          )),
          <code title={clean(m.text(m.labels.function.full[rows[row]]))}>
            {clean(m.text(m.labels.function.short[rows[row]]))}
          </code>,
        ]}
      />
    </div>
  );
}

export function SourceView() {
  const { model: m, scope, state } = useView();
  const lines = useMemo(() => new Lines(scope), [scope]);
  const ranked = useMemo(
    () => rankFunctions(lines, state.metric, state.all),
    [lines, state.metric, state.all],
  );
  const plain = useMemo(
    () => rankPlain(lines, state.metric, state.all),
    [lines, state.metric, state.all],
  );
  const inner = useMemo(() => expandable(m), [m]);
  const [open, setOpen] = useState<Set<string>>(new Set());
  const [selected, setSelected] = useState(-1);
  const [detailed, setDetailed] = useState(-1);

  const named = ranked.findIndex(
    (fn) => m.text(m.function.name[fn]) === state.fn && m.text(m.function.file[fn]) === state.file,
  );
  const inFile = state.file
    ? ranked.findIndex((fn) => m.text(m.function.file[fn]) === state.file)
    : -1;
  const at = named >= 0 ? named : inFile >= 0 ? inFile : 0;
  const current = ranked[at];
  const file = current === undefined ? 0 : m.function.file[current];
  const fns = useMemo(
    () =>
      ranked
        .filter((fn) => m.function.file[fn] === file)
        .sort((a, b) => m.function.first[a] - m.function.first[b] || a - b),
    [ranked, file],
  );
  const rows = useRows(lines, fns, file, open);
  const head = rows.findIndex((row) => row.kind === "function" && row.fn === current);
  const most = useMemo(() => {
    const found: Record<string, number> = {};
    for (const { metric } of GUTTERS)
      found[metric] = rows.reduce(
        (a, r) => (r.kind === "line" && r.sums ? Math.max(a, r.sums[metric]) : a), 0);
    return found;
  }, [rows]);

  const widest = useMemo(() => rows.reduce((a, r) => Math.max(a, r.columns), 0), [rows]);

  // Keys of the lines that are open: their numbers, behind those they are inlined in.
  const keyOf = (row: number): string => {
    let key = String(rows[row].line);
    let level = rows[row].level;
    for (let i = row - 1; i >= 0 && level > 0; i--)
      if (rows[i].level < level) {
        key = rows[i].line + ">" + key;
        level = rows[i].level;
      }
    return key;
  };
  const isOpen = (row: number) => {
    const r = rows[row];
    return r.kind === "line" && r.line >= 0 && inner[r.line] ? open.has(keyOf(row)) : undefined;
  };
  const toggle = (row: number, to: boolean) => {
    const next = new Set(open);
    if (to) next.add(keyOf(row));
    else next.delete(keyOf(row));
    setOpen(next);
  };
  const choose = (row: number) => {
    setSelected(row);
    if (rows[row].line >= 0) setDetailed(rows[row].line);
  };

  // As in `heapline lines`: the program's own functions say more than some library's
  // lines.
  if (current === undefined || (plain.length && !state.all && !hasOwn(lines)))
    return <Plain lines={lines} rows={plain} />;
  const shown = selected >= 0 && selected < rows.length ? selected : head;
  const row = rows[shown];
  const chosen = detailed >= 0 && row.line >= 0 && row.sums !== null;
  return (
    <div class={"source-view" + (chosen ? " detailed" : "")}>
      <div class="side">
        <AllBox />
        <FunctionList
          lines={lines}
          ranked={ranked}
          selected={at}
          key={state.metric + state.all}
        />
      </div>
      <div class="code">
        <div class="place">
          <h2 class="path" title={clean(m.text(file))}>
            {clean(m.text(file))}
          </h2>
          {!chosen && <span class="muted">A line with numbers shows its stacks when chosen.</span>}
        </div>
        <Grid
          key={file + ":" + current}
          label={"Source of " + clean(m.text(file))}
          className="lines"
          rowHeight={22}
          columns={[
            ...GUTTERS.map((g) => ({
              title: g.metric === "peak" ? peakTitle(scope) : g.title,
              className: "number gutter" + (g.metric === state.metric ? " current" : ""),
            })),
            { title: "Line", className: "number linenumber" },
            { title: "Source", className: "text" },
          ]}
          template="var(--gutters) 52px minmax(0, 1fr)"
          rowWidth={`max(100%, calc(${widest}ch + 420px))`}
          count={rows.length}
          selected={shown}
          onSelect={choose}
          onOpen={(r) => {
            const now = isOpen(r);
            if (now !== undefined) toggle(r, !now);
            choose(r);
          }}
          level={(r) => rows[r].level + 1 + (rows[r].kind === "function" ? 0 : 1)}
          expanded={isOpen}
          onToggle={toggle}
          rowClass={(r) =>
            rows[r].kind + (rows[r].level ? " inlined" : "") + (rows[r].line < 0 ? " quiet" : "")
          }
          cells={(r) => {
            const one = rows[r];
            const expanded = isOpen(r);
            return [
              ...GUTTERS.map((g) =>
                one.sums && one.kind !== "gap" ? (
                  <Bar
                    value={one.sums[g.metric]}
                    of={one.kind === "line" ? most[g.metric] : 0}
                    metric={g.metric}
                  />
                ) : null,
              ),
              one.number && !one.level ? one.number : "",
              <span class="source" style={{ paddingLeft: one.level * 18 + "px" }}>
                {one.kind === "line" && (
                  <button
                    type="button"
                    tabIndex={-1}
                    class="twisty"
                    aria-hidden={expanded === undefined}
                    aria-label={expanded ? "Close inlined calls" : "Open inlined calls"}
                    disabled={expanded === undefined}
                    onClick={(e) => {
                      e.stopPropagation();
                      toggle(r, !expanded);
                    }}
                  >
                    {expanded === undefined ? "" : expanded ? "\u25be" : "\u25b8"}
                  </button>
                )}
                {one.text}
              </span>,
            ];
          }}
        />
      </div>
      {chosen && row.sums && <Details line={row.line} sums={row.sums} />}
    </div>
  );
}

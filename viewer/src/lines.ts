// What each line and function had: the rule of cli/report/lines_sums.h. An event counts
// once for a line, however often the line is on its stack.

import type { Numbers } from "./data";
import type { Model } from "./model";
import { type Metric, noSums, type NodeFigure, type Scope, type Sums } from "./scope";

const FIGURES: NodeFigure[] = [
  "peak", "leaked", "allocated", "allocations", "temporary", "freed", "frees",
];
const RANK = FIGURES.length;
const LIVE = RANK + 1;
const STRIDE = LIVE + 1;

/** Sums of many things, in one array: a row of a million lines costs no object. */
export class SumTable {
  private values: Float64Array;

  constructor(readonly count: number) {
    this.values = new Float64Array(count * STRIDE);
  }

  add(row: number, sums: Float64Array[], node: number, rank: number, live: number): void {
    const { values } = this;
    const at = row * STRIDE;
    for (let k = 0; k < RANK; k++) values[at + k] += sums[k][node];
    if (rank >= values[at + RANK]) {
      values[at + RANK] = rank;
      values[at + LIVE] = live;
    }
  }

  value(row: number, figure: Metric): number {
    return this.values[row * STRIDE + FIGURES.indexOf(figure)];
  }

  hasEvent(row: number): boolean {
    return this.value(row, "allocations") > 0 || this.values[row * STRIDE + RANK - 1] > 0;
  }

  get(row: number): Sums {
    const s = noSums();
    FIGURES.forEach((figure, k) => (s[figure] = this.values[row * STRIDE + k]));
    s.lastRank = this.values[row * STRIDE + RANK];
    s.lastLive = this.values[row * STRIDE + LIVE];
    return s;
  }
}

/** Calls `use` for each node and each thing of one kind that its code brings onto the
 * path: what is there already, further out, has the node's events already. */
export function eachOnce(
  m: Model, of: Numbers, count: number, use: (thing: number, node: number) => void,
): void {
  const { nodeCount, nodePlace, nodeDepth, placeFrame } = m;
  const onPath = new Uint32Array(count);
  let path = new Uint32Array(1024);
  let depth = 0;
  for (let i = 1; i < nodeCount; i++) {
    const at = nodeDepth[i];
    if (at >= path.length) {
      const longer = new Uint32Array(path.length * 2);
      longer.set(path);
      path = longer;
    }
    for (; depth >= at; depth--) {
      const place = nodePlace[path[depth]];
      for (let f = placeFrame[place]; f < placeFrame[place + 1]; f++) onPath[of[f]]--;
    }
    depth = at;
    path[depth] = i;
    const place = nodePlace[i];
    for (let f = placeFrame[place]; f < placeFrame[place + 1]; f++)
      if (!onPath[of[f]]++) use(of[f], i);
  }
}

export class Lines {
  readonly line: SumTable;
  readonly function: SumTable;
  /** By function label, of code without lines in modules without any. */
  readonly plain: SumTable;
  /** Of those: in a module of the program's own. */
  readonly plainOwn: Uint8Array;
  /** How deep the outermost frame of each function is; inlined ones deeper than those
   * around them. */
  readonly depth: Float64Array;

  constructor(readonly scope: Scope) {
    const m = scope.model;
    this.line = new SumTable(m.line.number.length);
    this.function = new SumTable(m.function.name.length);
    this.plain = new SumTable(m.labels.function.short.length);
    this.plainOwn = new Uint8Array(this.plain.count);
    this.depth = new Float64Array(this.function.count).fill(Infinity);
    this.walk(m);
  }

  private walk(m: Model): void {
    const { frame, nodeDepth, nodePlace, placeFrame } = m;
    const sums = FIGURES.map((figure) => this.scope.inclusive(figure));
    const { rank, live } = this.scope.last();

    eachOnce(m, frame.line, this.line.count + 1, (line, i) => {
      if (line) this.line.add(line - 1, sums, i, rank[i], live[i]);
    });
    eachOnce(m, frame.function, this.function.count + 1, (fn, i) => {
      if (fn) this.function.add(fn - 1, sums, i, rank[i], live[i]);
    });
    // Functions of frames that count so, the others' being none.
    const plain = new Uint32Array(frame.plain.length);
    for (let f = 0; f < plain.length; f++)
      if (frame.plain[f]) {
        plain[f] = frame.by_function[f];
        if (frame.plain[f] === 2) this.plainOwn[plain[f]] = 1;
      }
    if (plain.some((label) => label > 0))
      eachOnce(m, plain, this.plain.count, (label, i) => {
        if (label) this.plain.add(label, sums, i, rank[i], live[i]);
      });
    for (let i = 1; i < m.nodeCount; i++) {
      const place = nodePlace[i];
      for (let f = placeFrame[place]; f < placeFrame[place + 1]; f++) {
        const deep = nodeDepth[i] * 2 + (f === placeFrame[place] ? 1 : 0);
        const fn = frame.function[f];
        if (fn && deep < this.depth[fn - 1]) this.depth[fn - 1] = deep;
      }
    }
  }
}

function compareTexts(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Whether there is code of the program's own with lines and events. */
export function hasOwn(lines: Lines): boolean {
  const { own } = lines.scope.model.function;
  for (let i = 0; i < lines.function.count; i++)
    if (own[i] && lines.function.hasEvent(i)) return true;
  return false;
}

/** Functions without lines that have events, the greatest first: the program's own, or
 * all. */
export function rankPlain(lines: Lines, metric: Metric, all: boolean): number[] {
  const { plain, plainOwn } = lines;
  const found: number[] = [];
  for (let i = 1; i < plain.count; i++)
    if (plain.hasEvent(i) && (all || plainOwn[i])) found.push(i);
  return found.sort(
    (a, b) =>
      plain.value(b, metric) - plain.value(a, metric) ||
      plain.value(b, "allocated") - plain.value(a, "allocated") ||
      a - b,
  );
}

/** Functions with events, the greatest first: of the program's own, or, if there are
 * none or all are wanted, of all. */
export function rankFunctions(lines: Lines, metric: Metric, all: boolean): number[] {
  const m = lines.scope.model;
  const { function: f } = m;
  const sums = lines.function;
  let chosen: number[] = [];
  for (let i = 0; i < sums.count; i++) if (sums.hasEvent(i)) chosen.push(i);
  if (!all && chosen.some((i) => f.own[i])) chosen = chosen.filter((i) => f.own[i]);
  return chosen.sort(
    (a, b) =>
      sums.value(b, metric) - sums.value(a, metric) ||
      sums.value(b, "allocated") - sums.value(a, "allocated") ||
      lines.depth[b] - lines.depth[a] ||
      compareTexts(m.text(f.file[a]), m.text(f.file[b])) ||
      f.first[a] - f.first[b] ||
      compareTexts(m.text(f.name[a]), m.text(f.name[b])),
  );
}

/** A line that is inlined where another calls it, and what it had there. */
export interface Inlined {
  line: number;
  sums: Sums;
}

/** The lines that were inlined into a line: of frames on it, the next inner ones of the
 * same code. Each event counts once for each. */
export function inlinedInto(scope: Scope, line: number): Inlined[] {
  const m = scope.model;
  const { nodeCount, nodePlace, nodeParent, placeFrame, frame } = m;
  const places = new Map<number, number[]>(); // place -> lines inlined there
  for (let p = 1; p + 1 < placeFrame.length; p++)
    for (let f = placeFrame[p] + 1; f < placeFrame[p + 1]; f++)
      if (frame.line[f] === line + 1 && frame.line[f - 1]) {
        const list = places.get(p) ?? [];
        if (!list.includes(frame.line[f - 1] - 1)) list.push(frame.line[f - 1] - 1);
        places.set(p, list);
      }
  const found = new Map<number, Sums>();
  for (let i = 1; i < nodeCount && places.size; i++)
    for (const inner of places.get(nodePlace[i]) ?? []) {
      let up = nodeParent[i];
      while (up && !places.get(nodePlace[up])?.includes(inner)) up = nodeParent[up];
      if (up) continue;
      let s = found.get(inner);
      if (!s) found.set(inner, (s = noSums()));
      for (const figure of FIGURES) s[figure] += scope.inclusive(figure)[i];
    }
  return [...found]
    .filter(([, s]) => s.allocations > 0 || s.frees > 0)
    .map(([inner, sums]) => ({ line: inner, sums }));
}

/** Whether anything is inlined into each line. */
export function expandable(m: Model): Uint8Array {
  const { placeFrame, frame } = m;
  const lines = new Uint8Array(m.line.number.length);
  for (let p = 1; p + 1 < placeFrame.length; p++)
    for (let f = placeFrame[p] + 1; f < placeFrame[p + 1]; f++)
      if (frame.line[f] && frame.line[f - 1]) lines[frame.line[f] - 1] = 1;
  return lines;
}

/** The nodes of the stacks through a line that have most of a metric themselves. */
export function stacksThrough(scope: Scope, line: number, metric: Metric, most: number): number[] {
  const m = scope.model;
  const { nodeCount, nodePlace, nodeParent, placeFrame, frame } = m;
  const has = new Uint8Array(placeFrame.length);
  for (let p = 1; p + 1 < placeFrame.length; p++)
    for (let f = placeFrame[p]; f < placeFrame[p + 1]; f++)
      if (frame.line[f] === line + 1) has[p] = 1;
  const through = new Uint8Array(nodeCount);
  const own = scope.own(metric);
  const found: number[] = [];
  for (let i = 1; i < nodeCount; i++) {
    through[i] = through[nodeParent[i]] | has[nodePlace[i]];
    if (through[i] && own[i]) found.push(i);
  }
  found.sort((a, b) => own[b] - own[a] || a - b);
  return found.slice(0, most);
}

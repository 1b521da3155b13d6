// What both profiles have of a metric, and what became of it: the rules of
// cli/report/diff.c.

import type { Pair, Unit } from "./pair";
import type { Metric, NodeFigure, Scope } from "./scope";

export interface Amount {
  bytes: number;
  blocks: number;
}

export const STATUSES = ["unchanged", "new", "gone", "grown", "shrunk"] as const;
export type Status = (typeof STATUSES)[number];

export interface Row {
  id: number; // of the unit; 0: folded when the page was made
  a: Amount;
  b: Amount;
  status: Status;
  /** The node of each side that has most of it; -1: none. */
  node: [number, number];
}

const FIGURES: Record<Metric, { bytes: NodeFigure; blocks: NodeFigure }> = {
  peak: { bytes: "peak", blocks: "peakBlocks" },
  leaked: { bytes: "leaked", blocks: "leakedBlocks" },
  allocated: { bytes: "allocated", blocks: "allocations" },
  allocations: { bytes: "allocated", blocks: "allocations" },
  temporary: { bytes: "temporary", blocks: "temporaryBlocks" },
};

/** The two of a page, with the same filters. */
export type Scopes = readonly [Scope, Scope];

export function valueOf(amount: Amount, metric: Metric): number {
  return metric === "allocations" ? amount.blocks : amount.bytes;
}

function otherOf(amount: Amount, metric: Metric): number {
  return metric === "allocations" ? amount.bytes : amount.blocks;
}

/** What a row grew by; negative: it shrank. */
export function changeOf(row: { a: Amount; b: Amount }, metric: Metric): number {
  return valueOf(row.b, metric) - valueOf(row.a, metric);
}

export function statusOf(a: Amount, b: Amount, metric: Metric): Status {
  const none = (x: Amount) => !x.bytes && !x.blocks;
  if (none(a)) return none(b) ? "unchanged" : "new";
  if (none(b)) return "gone";
  const by =
    valueOf(b, metric) - valueOf(a, metric) || otherOf(b, metric) - otherOf(a, metric);
  return by > 0 ? "grown" : by < 0 ? "shrunk" : "unchanged";
}

/** What each node of a side has itself. */
export function ownOf(scope: Scope, metric: Metric): { bytes: Float64Array; blocks: Float64Array } {
  const { bytes, blocks } = FIGURES[metric];
  return { bytes: scope.own(bytes), blocks: scope.own(blocks) };
}

/** All rows that have anything, the greatest change first. */
export function rowsOf(pair: Pair, scopes: Scopes, unit: Unit, metric: Metric): Row[] {
  const rows = new Map<number, Row>();
  pair.sides.forEach((side, k) => {
    const { bytes, blocks } = ownOf(scopes[k], metric);
    const { model } = side;
    for (let i = 0; i < model.nodeCount; i++) {
      if (!bytes[i] && !blocks[i]) continue;
      // Stacks count from 0, the root's; things from 1.
      const id = model.isSmaller(i) ? 0 : unit === "site" ? side.node[i] + 1 : side.thing[unit][i];
      let row = rows.get(id);
      if (!row) {
        const nothing = () => ({ bytes: 0, blocks: 0 });
        row = { id, a: nothing(), b: nothing(), status: "unchanged", node: [-1, -1] };
        rows.set(id, row);
      }
      const to = k ? row.b : row.a;
      to.bytes += bytes[i];
      to.blocks += blocks[i];
      const most = row.node[k];
      const value = metric === "allocations" ? blocks : bytes;
      if (most < 0 || value[i] > value[most]) row.node[k] = i;
    }
  });
  const all = [...rows.values()];
  for (const row of all) row.status = statusOf(row.a, row.b, metric);
  const by = (r: Row) => Math.abs(changeOf(r, metric));
  const other = (r: Row) => Math.abs(otherOf(r.b, metric) - otherOf(r.a, metric));
  return all.sort((x, y) => by(y) - by(x) || other(y) - other(x) || x.id - y.id);
}

/** Rows that are shown, and what the others have together: exactly the rest. */
export interface Folded {
  shown: Row[];
  rest: { count: number; a: Amount; b: Amount };
  total: { a: Amount; b: Amount };
  /** Of all rows: how many have each status. */
  counts: Record<Status, number>;
}

function add(to: Amount, what: Amount): void {
  to.bytes += what.bytes;
  to.blocks += what.blocks;
}

/** Leaves out what did not change, or changed by less than `least`. */
export function fold(rows: Row[], metric: Metric, least: number): Folded {
  const nothing = () => ({ a: { bytes: 0, blocks: 0 }, b: { bytes: 0, blocks: 0 } });
  const found: Folded = {
    shown: [], rest: { count: 0, ...nothing() }, total: nothing(),
    counts: { unchanged: 0, new: 0, gone: 0, grown: 0, shrunk: 0 },
  };
  for (const row of rows) {
    if (row.id) found.counts[row.status]++;
    add(found.total.a, row.a);
    add(found.total.b, row.b);
    if (row.status !== "unchanged" && Math.abs(changeOf(row, metric)) >= least) {
      found.shown.push(row);
      continue;
    }
    found.rest.count++;
    add(found.rest.a, row.a);
    add(found.rest.b, row.b);
  }
  return found;
}

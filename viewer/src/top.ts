// Who has most, by site, function, file, module or process: the rules of
// cli/report/top_rows.c. A block counts under one row.

import { eachOnce } from "./lines";
import type { Model } from "./model";
import { FIGURES, type Metric, type NodeFigure, noSums, type Scope, type Sums } from "./scope";
import type { TopBy } from "./state";
import { together } from "./units";

export interface TopRow {
  label: number; // or the process's number
  sums: Sums;
  /** By function: what it and all below it have of the metric. */
  inclusive: number;
}

/** What was allocated at each function or below it: once, however often it is on the
 * stack. */
function inclusive(scope: Scope, figure: NodeFigure): Float64Array {
  const m = scope.model;
  const below = scope.inclusive(figure);
  const sums = new Float64Array(m.labels.function.short.length);
  eachOnce(m, m.frame.by_function, sums.length, (label, node) => {
    sums[label] += below[node];
  });
  // What has no stack was allocated below nothing.
  sums[0] += scope.own(figure)[0];
  return sums;
}

function labelsOf(m: Model, by: TopBy) {
  return { site: m.frame.by_line, function: m.frame.by_function, file: m.frame.by_file,
    module: m.frame.by_module, process: m.frame.by_line }[by];
}

export function topRows(scope: Scope, by: TopBy, metric: Metric): TopRow[] {
  const m = scope.model;
  const labels = labelsOf(m, by);
  const rows = new Map<number, Sums>();
  for (let i = 0; i < m.siteCount; i++) {
    if (!scope.has[i]) continue;
    const one = scope.siteSums(i);
    if (by !== "process" && !hasBlocks(one)) continue;
    const node = m.siteNode[i];
    const frame = by === "module" ? scope.callerFrame(node) : scope.siteFrame(node);
    const label = by === "process" ? m.site.process[i] : frame ? labels[frame - 1] : m.isSmaller(node) ? -1 : 0;
    let sums = rows.get(label);
    if (!sums) rows.set(label, (sums = noSums()));
    for (const key of FIGURES) sums[key] += one[key];
  }
  const all = by === "function" ? inclusive(scope, metric) : null;
  if (all) {
    // What has no block of its own, and something below it.
    const blocks = BLOCKS.map((figure) => inclusive(scope, figure));
    for (let label = 0; label < all.length; label++)
      if (!rows.has(label) && blocks.some((sums) => sums[label] > 0)) rows.set(label, noSums());
  }
  return [...rows]
    .map(([label, sums]) => ({ label, sums, inclusive: all && label >= 0 ? all[label] : 0 }))
    .filter((r) => all || hasBlocks(r.sums))
    .sort(
      (a, b) =>
        b.sums[metric] - a.sums[metric] ||
        b.inclusive - a.inclusive ||
        b.sums.allocated - a.sums.allocated ||
        b.sums.allocations - a.sums.allocations ||
        a.label - b.label,
    );
}

// A temporary block's free may be in a range of time that its allocation is not in.
const BLOCKS: NodeFigure[] = [
  "temporaryBlocks", "allocations", "peakBlocks", "leakedBlocks", "runtime",
];

function hasBlocks(s: Sums): boolean {
  return BLOCKS.some((figure) => s[figure] > 0);
}

export function topName(m: Model, by: TopBy, label: number): string {
  if (label === -1) return "smaller (folded when this page was made)";
  if (by === "process") {
    const p = m.report.processes[label];
    return p.pid + " " + p.command + (p.counted ? ` (${together(p)})` : "");
  }
  const kind = by === "site" ? "line" : by;
  return m.text(m.labels[kind].short[label]);
}

export function topFullName(m: Model, by: TopBy, label: number): string {
  if (by === "process" || label < 0) return topName(m, by, label);
  return m.text(m.labels[by === "site" ? "line" : by].full[label]);
}

// A range of time, as cli/profile/slice.c cuts it: what was done in it; live at its end.

import type { Model, Sites } from "./model";

export interface Slice {
  site: Sites;
  from: number; // ns: bounds of epochs
  to: number;
  atEnd: boolean; // `to` is the recording's end
}

/** When the last epoch ends. */
function endOf(m: Model): number {
  const last = m.epochs[m.epochs.length - 1];
  return Math.max(m.report.wall_ns, last + 1);
}

function bound(m: Model, i: number): number {
  return i < m.epochs.length ? m.epochs[i] : endOf(m);
}

/** The last bound that is not after a time. */
function before(m: Model, ns: number): number {
  let low = 0;
  let high = m.epochs.length;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (bound(m, middle) <= ns) low = middle;
    else high = middle - 1;
  }
  return low;
}

function after(m: Model, ns: number): number {
  const i = before(m, ns);
  return bound(m, i) < ns && i < m.epochs.length ? i + 1 : i;
}

/** Epochs [first, last) that hold a range. */
function epochsOf(m: Model, from: number, to: number): [number, number] {
  const first = Math.min(before(m, from), m.epochs.length - 1);
  return [first, Math.max(first + 1, to ? after(m, to) : m.epochs.length)];
}

/** The whole epochs that a range of time is widened to, in ns. */
export function widened(m: Model, from: number, to: number): [number, number] {
  const [first, last] = epochsOf(m, from, to);
  return [bound(m, first), bound(m, last)];
}

/** Whether a process had ended: of it nothing is live. */
function isOver(m: Model, end: string, endNs: number, at: number): boolean {
  const running = end === "running";
  if (running && !endNs) return false;
  const when = running ? bound(m, after(m, endNs + 1)) : endNs;
  return when < at || (when === at && !running);
}

const COLUMNS = [
  "allocs", "allocated", "live_blocks", "live", "peak", "peak_blocks", "temporary",
  "temporary_blocks", "freed_here", "freed_here_blocks", "last_rank", "last_live",
] as const;

/** Columns as long as the sites', used again for every range. */
const buffers = new WeakMap<Model, Record<(typeof COLUMNS)[number], Float64Array>>();

export function slice(m: Model, from: number, to: number): Slice {
  const [first, last] = epochsOf(m, from, to);
  const { siteCount } = m;
  const time = m.time!;
  const atEnd = last === m.epochs.length;
  let c = buffers.get(m);
  if (!c) {
    c = Object.fromEntries(COLUMNS.map((name) => [name, new Float64Array(siteCount)])) as never;
    buffers.set(m, c!);
  }
  const own = c!;
  for (const name of COLUMNS) own[name].fill(0);
  const over = m.report.processes.map((p) => isOver(m, p.end, p.end_ns, bound(m, last)));
  const { epoch, step } = time;
  for (let i = 0, site = 0; i < epoch.length; i++) {
    site += step[i];
    const at = epoch[i];
    if (at >= last) continue;
    if (!atEnd && !over[m.site.process[site]]) {
      own.peak[site] += time.allocated[i] - time.freed[i];
      own.peak_blocks[site] += time.allocs[i] - time.frees[i];
    }
    if (at < first) continue;
    own.allocs[site] += time.allocs[i];
    own.allocated[site] += time.allocated[i];
    own.live_blocks[site] += time.allocs[i] - time.died_blocks[i];
    own.live[site] += time.allocated[i] - time.died[i];
    own.temporary[site] += time.temporary[i];
    own.temporary_blocks[site] += time.temporary_blocks[i];
    own.freed_here[site] += time.freed_here[i];
    own.freed_here_blocks[site] += time.freed_here_blocks[i];
    own.last_rank[site] = time.last_rank[i];
    own.last_live[site] = time.last_live[i];
  }
  if (atEnd) {
    own.peak.set(m.site.live);
    own.peak_blocks.set(m.site.live_blocks);
  }
  return {
    site: {
      ...m.site, ...own, tree_peak: own.peak, tree_peak_blocks: own.peak_blocks,
    },
    from: bound(m, first), to: bound(m, last), atEnd,
  };
}

// What changed of leaks, blocks and types: what `heapline diff --json` says of them, out
// of the page's documents (cli/export/html_changes.h), or as `heapline view` answers.

import type { Data, Options } from "./data";
import type { Frame } from "./heap";
import type { Amount, Status } from "./pairsums";
import { STATUSES } from "./pairsums";
import { parseRegex } from "./scope";

interface Both {
  a: Amount;
  b: Amount;
  difference: Amount;
}

export interface ChangedRow extends Both {
  status: Status;
  kind?: string; // of leaks
  held?: string; // of blocks
  type?: string;
  site_a: string | null;
  site_b: string | null;
  stack: Frame[];
}

export interface Changes {
  kinds: Record<string, Both & { rows_by_status: Record<Status, number> }>;
  rows: ChangedRow[];
  more: number;
}

export interface Grown {
  rows: {
    type: string | null;
    objects_before: number;
    objects: number;
    bytes_before: number;
    bytes: number;
  }[];
}

export type ChangesOf = "leak" | "block" | "type";

/** What there is, or why it is not. */
export type Found<T> = { of: T; why?: undefined } | { of?: undefined; why: string };

const LISTED = 1000;
const QUESTIONS: Record<ChangesOf, Options> = {
  leak: { by: "leak", kind: "all", n: LISTED },
  block: { by: "block", n: LISTED },
  type: { by: "type", n: 100000 },
};
const CUT =
  "This page is of parts of the recordings, and leaks and blocks are compared of all of them: " +
  "make a page without --at, --time, --size and --thread.";

async function read<T>(data: Data, of: ChangesOf): Promise<Found<T>> {
  try {
    if (data.asks) return { of: await data.ask<T>("diff", QUESTIONS[of]) };
    const heap = await known(data, "pair.heap", () =>
      data.json<{ cut: boolean } & Record<ChangesOf, string>>("pair.heap"));
    if (heap.cut || heap[of])
      return { why: heap.cut ? CUT : `They cannot be compared: ${heap[of]}.` };
    return { of: await data.json<T>("pair." + of) };
  } catch (error) {
    return { why: (error as Error).message };
  }
}

const kept = new WeakMap<Data, Map<string, Promise<unknown>>>();

function known<T>(data: Data, key: string, make: () => Promise<T>): Promise<T> {
  let all = kept.get(data);
  if (!all) kept.set(data, (all = new Map()));
  let one = all.get(key) as Promise<T> | undefined;
  if (!one) all.set(key, (one = make()));
  return one;
}

/** data: of the first profile. */
export function changesOf<T>(data: Data, of: ChangesOf): Promise<Found<T>> {
  return known(data, of, () => read<T>(data, of));
}

export function wordOf(row: ChangedRow): string {
  return row.kind ?? row.held ?? "";
}

export function siteOf(row: ChangedRow): string {
  return row.site_b ?? row.site_a ?? "";
}

// ---- which are shown ---------------------------------------------------------------

export interface Chosen {
  shown: ChangedRow[];
  /** Changed ones below the threshold, and the unchanged. */
  rest: { count: number; a: Amount; b: Amount };
  total: { a: Amount; b: Amount };
  counts: Record<Status, number>;
  /** Rows are chosen by focus and ignore: what did not change is not known of these. */
  filtered: boolean;
}

const nothing = (): Amount => ({ bytes: 0, blocks: 0 });

function add(to: Amount, what: Amount, sign = 1): void {
  to.bytes += sign * what.bytes;
  to.blocks += sign * what.blocks;
}

function isThrough(row: ChangedRow, regex: RegExp): boolean {
  return row.stack.some((f) => [f.function, f.file, f.module].some((text) => text && regex.test(text)));
}

/** Of these kinds, and of the stacks that focus and ignore leave. */
export function choose(
  all: Changes, kinds: readonly string[], least: number, focus: string, ignore: string,
): Chosen {
  const through = parseRegex(focus).regex;
  const out = parseRegex(ignore).regex;
  const wanted = all.rows.filter(
    (r) =>
      kinds.includes(wordOf(r)) && (!through || isThrough(r, through)) && !(out && isThrough(r, out)),
  );
  const filtered = !!(through || out);
  const shown = wanted.filter((r) => Math.abs(r.difference.bytes) >= least);
  const counts = Object.fromEntries(STATUSES.map((s) => [s, 0])) as Record<Status, number>;
  const total = { a: nothing(), b: nothing() };
  const rest = { count: 0, a: nothing(), b: nothing() };
  if (filtered)
    for (const r of wanted) {
      counts[r.status]++;
      add(total.a, r.a);
      add(total.b, r.b);
    }
  else
    for (const kind of kinds) {
      const sum = all.kinds[kind];
      if (!sum) continue;
      for (const s of STATUSES) counts[s] += sum.rows_by_status[s];
      add(total.a, sum.a);
      add(total.b, sum.b);
    }
  add(rest.a, total.a);
  add(rest.b, total.b);
  for (const r of shown) {
    add(rest.a, r.a, -1);
    add(rest.b, r.b, -1);
  }
  rest.count = STATUSES.reduce((sum, s) => sum + counts[s], 0) - shown.length;
  return { shown, rest, total, counts, filtered };
}

// A profile as the page has it: the columns of cli/export/html.c, wherever they come
// from (data.ts), and what follows from their order. Rows are named by their numbers
// everywhere.

import type { Data, Numbers } from "./data";

export interface Amount {
  bytes: number;
  blocks: number;
}

export interface Figures {
  totals: {
    allocations: number;
    frees: number;
    allocated_bytes: number;
    freed_bytes: number;
    temporary: number;
    temporary_bytes: number;
  };
  peak: Amount & { at_ns: number };
  live_at_end: Amount;
  runtime: Amount;
  leaked: Amount;
}

export interface Process extends Figures {
  pid: number;
  serial: number;
  parent_serial: number;
  counted_with: number; // serial of the row that has its figures; 0: its own
  counted: number; // of such a row: processes; 0: it is one
  command: string;
  exe: string;
  end: string;
  exit: number | null;
  start_ns: number;
  end_ns: number;
  events: number;
  lost: number;
}

/** `heapline report --json`. */
export interface Report extends Figures {
  command: string;
  exit: number | null;
  complete: boolean;
  wall_ns: number;
  start_unix_ns: number;
  version: string;
  sampled: { interval_bytes: number; confidence_percent: number } | null;
  losses: { events: number; no_ring: number; cut_stacks: number; stopped: string };
  domains: Record<string, Figures>;
  processes: Process[];
  unfollowed: { pid: number; program: string; why: string }[];
}

export interface Bin {
  at_ns: number;
  min_bytes: number;
  max_bytes: number;
  last_bytes: number;
  last_blocks: number;
  allocations: number;
  rss_bytes: number | null;
}

/** `heapline timeline --json`. */
export interface Timeline {
  end_ns: number;
  peak: Amount & { at_ns: number };
  bins: Bin[];
}

/** `heapline top --by thread --json`. */
export interface Threads {
  events: number;
  rows: {
    tid: number;
    process_serial: number;
    name: string;
    events: number;
    start_ns: number;
    end_ns: number;
  }[];
}

export interface About {
  schema: number;
  profile: string;
  free_stacks: boolean;
  nodes: number;
  folded: number;
  /** What part of the recording the profile was cut to, in lines; "": it is whole. */
  cut: string;
  /** Another moment takes the peak's place. */
  moment: boolean;
  /** The same names after "all." are columns that have more: all nodes, and times. */
  partial: boolean;
  /** Why those could not be read. */
  lacks?: string;
  phrases: Record<string, string>;
}

export interface Labels {
  short: Numbers;
  full: Numbers;
  function: Numbers;
  file: Numbers;
  line: Numbers;
  module: Numbers;
}

export const LABEL_KINDS = ["line", "function", "file", "module"] as const;
export type LabelKind = (typeof LABEL_KINDS)[number];

/** Of siteLast.live: it is not known. */
export const UNKNOWN = 2 ** 53;

export const OWN = 0;
export const LIBRARY = 1;
export const BASE = 2;

export type Table<K extends string> = Record<K, Numbers>;

async function table<K extends string>(
  data: Data,
  name: string,
  keys: readonly K[],
): Promise<Table<K>> {
  const read = await Promise.all(keys.map((key) => data.numbers(name + "." + key)));
  return Object.fromEntries(keys.map((key, i) => [key, read[i]])) as Table<K>;
}

const SITE = [
  "step", "process", "domain", "runtime", "allocs", "allocated", "live_blocks", "live",
  "peak", "peak_blocks", "temporary", "temporary_blocks", "freed_here",
  "freed_here_blocks", "last_rank", "last_live", "tree_peak", "tree_peak_blocks",
] as const;
export type Sites = Table<(typeof SITE)[number]>;
const TIME = [
  "step", "epoch", "allocs", "allocated", "frees", "freed", "freed_here_blocks", "freed_here",
  "temporary_blocks", "temporary", "died_blocks", "died", "last_rank", "last_live",
] as const;
const FRAME = [
  "by_line", "by_function", "by_file", "by_module", "line", "function", "plain", "owner",
] as const;
const FUNCTION = ["name", "file", "module", "first", "last", "own"] as const;
const LABEL = ["short", "full", "function", "file", "line", "module"] as const;

/** Offsets into the rows that counts count: count[i] rows from offset[i] on. */
function offsets(counts: Numbers): Uint32Array {
  const all = new Uint32Array(counts.length + 1);
  for (let i = 0; i < counts.length; i++) all[i + 1] = all[i] + counts[i];
  return all;
}

export class Model {
  nodeCount = 0;
  nodeDepth!: Numbers;
  nodePlace!: Numbers;
  /** By node; the root is its own. */
  nodeParent!: Uint32Array;

  siteCount = 0;
  siteNode!: Uint32Array;
  site!: Sites;
  /** Bounds of the epochs that sites are kept by; none: they are not. */
  epochs!: Numbers;
  /** What they did in each. null before readTimes(). */
  time: Table<(typeof TIME)[number]> | null = null;

  /** Frames of place p: placeFrame[p] .. placeFrame[p + 1], the innermost first. */
  placeFrame!: Uint32Array;
  placeCut!: Numbers;
  frame!: Table<(typeof FRAME)[number]>;

  labels!: Record<LabelKind, Labels>;
  function!: Table<(typeof FUNCTION)[number]>;
  line!: Table<"function" | "number">;
  source!: Table<"file" | "first" | "text">;
  texts!: string[];

  about!: About;
  report!: Report;
  timeline!: Timeline;
  threads!: Threads;

  private constructor(readonly data: Data) {}

  static async read(data: Data): Promise<Model> {
    const m = new Model(data);
    const c = data;
    const names = c.texts("texts");
    const labels = LABEL_KINDS.map((kind) => table(c, "by_" + kind, LABEL));
    const rest = [
      c.json<About>("about"), c.json<Report>("report"), c.json<Timeline>("timeline"),
      c.json<Threads>("threads"),
    ] as const;
    const tables = [
      table(c, "node", ["depth", "place"] as const), table(c, "site", SITE),
      table(c, "place", ["frames", "cut"] as const), table(c, "frame", FRAME),
      table(c, "function", FUNCTION), table(c, "line", ["function", "number"] as const),
      table(c, "source", ["file", "first", "text"] as const),
    ] as const;
    const epochs = c.numbers("epoch.at");
    [m.about, m.report, m.timeline, m.threads] = await Promise.all(rest);
    const [node, site, place, frame, fn, line, source] = await Promise.all(tables);
    m.nodeDepth = node.depth;
    m.nodePlace = node.place;
    m.site = site;
    m.placeFrame = offsets(place.frames);
    m.placeCut = place.cut;
    m.frame = frame;
    m.function = fn;
    m.line = line;
    m.source = source;
    const read = await Promise.all(labels);
    m.labels = { line: read[0], function: read[1], file: read[2], module: read[3] };
    m.epochs = await epochs;
    m.texts = await names;
    m.derive();
    return m;
  }

  private derive(): void {
    const { nodeDepth, site } = this;
    const count = (this.nodeCount = nodeDepth.length);
    const parent = (this.nodeParent = new Uint32Array(count));
    let path = new Uint32Array(1024);
    for (let i = 0; i < count; i++) {
      const depth = nodeDepth[i];
      if (depth >= path.length) {
        const longer = new Uint32Array(path.length * 2);
        longer.set(path);
        path = longer;
      }
      path[depth] = i;
      parent[i] = depth ? path[depth - 1] : 0;
    }
    this.siteCount = site.step.length;
    this.siteNode = new Uint32Array(this.siteCount);
    for (let i = 0, at = 0; i < this.siteCount; i++) {
      at += site.step[i];
      this.siteNode[i] = at;
    }
    // Of one process, both peaks are one.
    if (!site.tree_peak.length) {
      site.tree_peak = site.peak;
      site.tree_peak_blocks = site.peak_blocks;
    }
  }

  private timesRead?: Promise<void>;

  /** Reads what ranges of time need; the whole run is shown without it. */
  readTimes(): Promise<void> {
    this.timesRead ??= (async () => {
      this.time = await table(this.data, "time", TIME);
    })();
    return this.timesRead;
  }

  private classesRead?: Promise<Classes>;

  /** Blocks by classes of size and lifetime, of each site. */
  classes(): Promise<Classes> {
    this.classesRead ??= (async () => {
      const c = this.data;
      const [sizes, lives, sizeClass, sizeCount, lifeClass, lifeCount] = await Promise.all(
        ["site.sizes", "site.lives", "size.class", "size.count", "life.class", "life.count"].map(
          (name) => c.numbers(name),
        ),
      );
      return {
        sizeFirst: offsets(sizes), sizeClass, sizeCount,
        lifeFirst: offsets(lives), lifeClass, lifeCount,
      };
    })();
    return this.classesRead;
  }

  /** Whether node i stands for what was folded. */
  isSmaller(node: number): boolean {
    return node > 0 && this.nodePlace[node] === 0;
  }

  text(number: number): string {
    return this.texts[number] ?? "";
  }
}

export interface Classes {
  sizeFirst: Uint32Array;
  sizeClass: Numbers;
  sizeCount: Numbers;
  lifeFirst: Uint32Array;
  lifeClass: Numbers;
  lifeCount: Numbers;
}

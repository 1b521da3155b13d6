// Blocks that were never freed, and who holds them: out of the page's documents
// (cli/export/html_heap.h), or as `heapline view` answers.

import type { Data, Options } from "./data";
import type { Amount } from "./model";
import type { Domain } from "./scope";

// ---- leaks ------------------------------------------------------------------------

export const KINDS = [
  "definite", "cycle", "indirect", "possible", "unscanned", "exited", "young", "reachable",
  "runtime", "inherited", "suppressed",
] as const;
export type Kind = (typeof KINDS)[number];

/** What `heapline leaks` lists unless it is told. */
export const USUAL: readonly Kind[] = ["definite", "cycle", "indirect", "possible", "unscanned"];
export const LOST: readonly Kind[] = ["definite", "cycle", "indirect"];

export interface Frame {
  function: string;
  file: string;
  module: string;
  line: number;
}

export interface Leak extends Amount {
  kind: Kind;
  reason: string;
  pid: number;
  process_serial: number;
  site: string;
  module: string;
  held_blocks: number;
  held_bytes: number;
  first_ns: number;
  last_ns: number;
  address: string | null;
  snapshot: number | null;
  leader: Kind | null;
  disproved: number;
  stack: Frame[];
}

/** `heapline leaks --json`. */
export interface LeakReport {
  scanned: number;
  unscanned: number;
  early: number;
  cause: string;
  disproved: number;
  sums: Record<Kind, Amount & { meaning: string }>;
  listed: Amount;
  found: number;
  leaks: Leak[];
}

/** By kind what there is. */
export interface Leaks {
  heading: LeakReport;
  kinds: Map<Kind, LeakReport>;
}

/** `heapline watch --json`. */
export interface Growing {
  growing: number;
  windows: { from_ns: number; to_ns: number; warm_up: boolean }[];
  sites: (Frame & {
    pid: number;
    process_serial: number;
    gained_bytes: number;
    live_blocks: number;
    bytes_per_second: number;
    stack: Frame[];
  })[];
}

/** What the page has of both. */
export interface HeapAbout {
  cut: boolean;
  snapshots: { number: number; name: string; pid: number; at_exit: boolean; at_ns: number }[];
  left_out: number;
  why: string;
  graph_why: string;
  listed: number;
}

// ---- the graph ----------------------------------------------------------------------

export interface Block {
  address: string;
  bytes: number;
  site: string;
  born_ns: number;
  held: string;
  domain?: string;
  /** What it is, and what would go with it: of profiles that know. */
  type?: string;
  part?: string;
  called?: string;
  unused?: boolean;
  retained_bytes?: number;
  thread?: string;
  tid?: number;
  /** The first bytes, in hexadecimal digits, as far as they were kept: of a server. */
  contents?: string;
}

/** "dict (keys)", "function `read`": what a block is, as reports say it; "": who knows. */
export function typeOf(block: Block): string {
  if (!block.type) return "";
  const part = block.unused ? " (unused)" : block.part ? ` (${block.part})` : "";
  return block.type + part + (block.called ? " `" + block.called + "`" : "");
}

export interface Edge {
  offset: number;
  how: string;
  into: number;
}

export interface Root extends Edge {
  kind: string;
  text: string;
  at: string;
}

export interface Group {
  count: number;
  sum_bytes: number;
  first: Block;
}

/** Blocks of one site that are not shown one by one; `first` is one of them. */
export interface Other {
  references: number;
  first: Block;
}

export interface Neighbour {
  block: Block;
  edge: Edge;
}

/** A block's neighbours on one side: shown ones, others by site, and how many in all. */
export interface Side {
  count: number;
  shown: Neighbour[];
  others: Other[];
}

export interface Around {
  block: Block;
  roots: Root[];
  rootCount: number;
  referrers: Side;
  references: Side;
}

export interface Way {
  root: Root | null; // null: nobody holds it
  length: number; // blocks on it
  /** The last of them, up to the block itself; each with the pointer to the next. */
  steps: { block: Block; edge: Edge | null }[];
}

export interface Graph {
  snapshot: number;
  groups: Group[];
  groupCount: number;
  /** Any block can be asked for. */
  whole: boolean;
  /** The blocks that a word means: an address, function, file or file:line. */
  find(what: string): Promise<{ first: Block | null; count: number }>;
  around(address: string): Promise<Around | null>;
  way(address: string): Promise<Way | null>;
}

// ---- a graph in the page --------------------------------------------------------------

interface Stored extends Block {
  root_count: number;
  roots: Root[];
  references: number;
  referrers: number;
  to: (Edge & { block: number })[];
  other_referrers: (Block & { references: number })[];
  other_references: (Block & { references: number })[];
  way?: { by: number; length: number; root: number };
  before?: (Edge & { by: number; block: number })[];
}

interface StoredGraph {
  snapshot: { number: number };
  group_count: number;
  groups: Group[];
  blocks: Stored[];
  way_roots: Root[];
}

/** "insert (table.c:12)": what a site's words are. */
export function siteWords(site: string): string[] {
  const match = /^(?:(?:mapping|chunk) by )?(.*?)(?: \((.*?)(:\d+)?\))?$/s.exec(site);
  if (!match) return [site];
  const [, name, file, line] = match;
  return [site, name, ...(file ? [file, file + (line ?? "")] : [])];
}

class PageGraph implements Graph {
  readonly whole = false;
  readonly snapshot: number;
  readonly groups: Group[];
  readonly groupCount: number;
  private index = new Map<string, number>();
  private inward: (Edge & { from: number })[][];

  constructor(private of: StoredGraph) {
    this.snapshot = of.snapshot.number;
    this.groups = of.groups;
    this.groupCount = of.group_count;
    this.inward = of.blocks.map(() => []);
    of.blocks.forEach((b, from) => {
      this.index.set(b.address, from);
      for (const e of b.to)
        this.inward[e.block].push({ from, offset: e.offset, how: e.how, into: e.into });
    });
  }

  private stored(address: string): Stored | null {
    const i = this.index.get(address);
    return i === undefined ? null : this.of.blocks[i];
  }

  async find(what: string): Promise<{ first: Block | null; count: number }> {
    if (/^0x[0-9a-f]+$/i.test(what)) {
      const wanted = BigInt(what);
      for (const b of this.of.blocks) {
        const start = BigInt(b.address);
        if (wanted === start || (wanted > start && wanted < start + BigInt(b.bytes)))
          return { first: b, count: 1 };
      }
      return { first: null, count: 0 };
    }
    const meant = this.groups.filter((g) => siteWords(g.first.site).includes(what));
    const count = meant.reduce((sum, g) => sum + g.count, 0);
    return { first: meant.length ? meant[0].first : null, count };
  }

  async around(address: string): Promise<Around | null> {
    const at = this.index.get(address);
    if (at === undefined) return null;
    const b = this.of.blocks[at];
    const others = (all: (Block & { references: number })[]) =>
      all.map((o) => ({ references: o.references, first: o }));
    return {
      block: b,
      roots: b.roots,
      rootCount: b.root_count,
      referrers: {
        count: b.referrers,
        shown: this.inward[at].map((e) => ({ block: this.of.blocks[e.from], edge: e })),
        others: others(b.other_referrers),
      },
      references: {
        count: b.references,
        shown: b.to.map((e) => ({ block: this.of.blocks[e.block], edge: e })),
        others: others(b.other_references),
      },
    };
  }

  async way(address: string): Promise<Way | null> {
    const b = this.stored(address);
    if (!b) return null;
    if (!b.way) return { root: null, length: 0, steps: [] };
    const steps: Way["steps"] = [{ block: b, edge: null }];
    for (let at = b; steps.length < b.way.length; ) {
      const before = at.before?.find((e) => e.by === b.way!.by);
      if (!before) break;
      at = this.of.blocks[before.block];
      steps.unshift({ block: at, edge: before });
    }
    return { root: this.of.way_roots[b.way.root], length: b.way.length, steps };
  }
}

// ---- a graph that is asked for ----------------------------------------------------------

const GROUPS = 500;
const NEIGHBOURS = 200;

type Reference = Partial<Edge> & {
  depth: number; root?: Root; block?: Block;
  more?: number; kinds?: (Edge & { references: number; block: Block })[];
};

interface Answer<B> {
  snapshot: { number: number };
  blocks: B[];
}

class AskedGraph implements Graph {
  readonly whole = true;
  private known = new Map<string, Promise<Around | null>>();

  constructor(
    private data: Data,
    private options: Options,
    readonly snapshot: number,
    readonly groups: Group[],
    readonly groupCount: number,
  ) {}

  private ask<B>(verb: string, operand: string, more: Options = {}): Promise<Answer<B>> {
    return this.data.ask(verb, { ...this.options, ...more, operand });
  }

  async find(what: string): Promise<{ first: Block | null; count: number }> {
    try {
      const at = (await this.ask<Block>("at", what, { n: 1 })) as Answer<Block> & { found: number };
      return { first: at.blocks[0] ?? null, count: at.found };
    } catch {
      return { first: null, count: 0 };
    }
  }

  /** The first of each kind that was not told one by one is shown, too: the only one of
   * its kind may be the one that is looked for. */
  private side(all: Reference[], count: number): Side {
    const shown: Neighbour[] = all
      .filter((r) => r.block)
      .map((r) => ({
        block: r.block!,
        edge: { offset: r.offset ?? 0, how: r.how ?? "start", into: r.into ?? 0 },
      }));
    const kinds = all.flatMap((r) => r.kinds ?? []);
    shown.push(...kinds.map(({ block, offset, how, into }) => ({ block, edge: { offset, how, into } })));
    const others = kinds
      .filter((k) => k.references > 1)
      .map((k) => ({ references: k.references - 1, first: k.block }));
    return { count, shown, others };
  }

  around(address: string): Promise<Around | null> {
    let known = this.known.get(address);
    if (!known) this.known.set(address, (known = this.askAround(address)));
    return known;
  }

  private async askAround(address: string): Promise<Around | null> {
    type At = Block & { referrers: number; references: number; roots: Root[] };
    type Refs = Block & { references: Reference[] };
    const few: Options = { depth: 1, "too-many": NEIGHBOURS };
    const [at, back, forth] = await Promise.all([
      this.ask<At>("at", address), this.ask<Refs>("backrefs", address, few),
      this.ask<Refs>("refs", address, few),
    ]);
    const b = at.blocks[0];
    if (!b) return null;
    return {
      block: b,
      roots: b.roots,
      rootCount: b.roots.length,
      referrers: this.side(back.blocks[0]?.references ?? [], b.referrers),
      references: this.side(forth.blocks[0]?.references ?? [], b.references),
    };
  }

  async way(address: string): Promise<Way | null> {
    type Step = Block & Partial<Edge>;
    type Path = Block & { paths: { root: Root; steps: Step[] }[] };
    const answer = await this.ask<Path>("path", address);
    const path = answer.blocks[0]?.paths[0];
    if (!answer.blocks.length) return null;
    if (!path) return { root: null, length: 0, steps: [] };
    return {
      root: path.root,
      length: path.steps.length,
      steps: path.steps.map((s) => ({
        block: s,
        edge: s.how === undefined ? null : { offset: s.offset!, how: s.how, into: s.into! },
      })),
    };
  }
}

// ---- all of it ------------------------------------------------------------------------

const LISTED = 200;
const NOTHING: HeapAbout = {
  cut: false, snapshots: [], left_out: 0, why: "", graph_why: "", listed: LISTED,
};

export class Heap {
  private kept = new Map<string, Promise<unknown>>();

  constructor(private data: Data) {}

  get asks(): boolean {
    return this.data.asks;
  }

  private once<T>(key: string, make: () => Promise<T>): Promise<T> {
    let made = this.kept.get(key) as Promise<T> | undefined;
    if (!made) this.kept.set(key, (made = make()));
    return made;
  }

  about(): Promise<HeapAbout> {
    return this.once("about", () =>
      this.data.asks ? this.askAbout() : this.data.json<HeapAbout>("heap").catch(() => NOTHING),
    );
  }

  /** Which snapshots there are is what `info` lists. */
  private async askAbout(): Promise<HeapAbout> {
    interface Info {
      snapshots: {
        number: number; name: string; kind: string; process_serial: number; at_ns: number;
        cause: string | null;
      }[];
      processes: { serial: number; pid: number }[];
    }
    const info = await this.data.ask<Info>("info");
    const pids = new Map(info.processes.map((p) => [p.serial, p.pid]));
    const snapshots = info.snapshots
      .filter((s) => s.cause === null)
      .map((s) => ({
        number: s.number, name: s.name, pid: pids.get(s.process_serial) ?? 0,
        at_exit: s.kind === "at-exit", at_ns: s.at_ns,
      }));
    const why = info.snapshots[0]?.cause ?? "the profile has no snapshot of a heap";
    return { ...NOTHING, snapshots, graph_why: snapshots.length ? "" : why };
  }

  /** null: there are none in the page. */
  leaks(domain: Domain): Promise<Leaks | null> {
    return this.once("leaks " + domain, async () => {
      const all = this.data.asks ? await this.askLeaks(domain) : await this.storedLeaks(domain);
      if (!all.length) return null;
      const kinds = new Map(all.filter((r) => r.leaks.length).map((r) => [r.leaks[0].kind, r]));
      return { heading: all[0], kinds };
    });
  }

  private storedLeaks(domain: string): Promise<LeakReport[]> {
    return this.data
      .json<LeakReport[]>(domain === "malloc" ? "leaks" : "leaks." + domain)
      .catch(() => []);
  }

  private async askLeaks(domain: string): Promise<LeakReport[]> {
    const ask = (kind: Kind) => this.data.ask<LeakReport>("leaks", { kind, n: LISTED, domain });
    const first = await ask("definite");
    const others = KINDS.slice(1).filter((kind) => first.sums[kind].blocks);
    return [first, ...(await Promise.all(others.map(ask)))];
  }

  growing(): Promise<Growing | null> {
    return this.once("growing", () =>
      (this.data.asks
        ? this.data.ask<Growing | null>("watch")
        : this.data.json<Growing | null>("growing")
      ).catch(() => null),
    );
  }

  graph(snapshot: number): Promise<Graph | null> {
    return this.once("graph " + snapshot, async () => {
      if (!this.data.asks)
        return this.data
          .json<StoredGraph>("graph." + snapshot)
          .then((of) => new PageGraph(of))
          .catch(() => null);
      const options: Options = { snapshot };
      const all = await this.data.ask<StoredGraph>("blocks", { ...options, n: GROUPS });
      return new AskedGraph(this.data, options, snapshot, all.groups, all.group_count);
    });
  }
}

const heaps = new WeakMap<Data, Heap>();

export function heapOf(data: Data): Heap {
  let heap = heaps.get(data);
  if (!heap) heaps.set(data, (heap = new Heap(data)));
  return heap;
}

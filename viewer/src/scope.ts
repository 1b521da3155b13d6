// Which part of the profile a question is about, and its figures: the rules of
// cli/report/scope.c and view.c.

import { BASE, LIBRARY, OWN, type Model, type Sites } from "./model";
import type { Numbers } from "./data";
import { type Slice, slice } from "./slice";
import { seconds } from "./units";

export const METRICS = ["peak", "leaked", "allocated", "temporary", "allocations"] as const;
export type Metric = (typeof METRICS)[number];

/** Kinds of memory, by the numbers that sites have of them. */
export const DOMAINS = ["malloc", "mmap", "pool", "arena"] as const;
export type Domain = (typeof DOMAINS)[number];

export interface Filter {
  domain: Domain;
  pid: number; // 0: all processes
  focus: string; // "": all stacks
  ignore: string; // "": none
  from: number; // ns
  to: number; // 0: the end; both 0: the whole run
}

/** Figures of a set of sites. */
export interface Sums {
  peak: number;
  peakBlocks: number;
  leaked: number;
  leakedBlocks: number;
  runtime: number;
  allocated: number;
  allocations: number;
  temporary: number;
  temporaryBlocks: number;
  freed: number;
  frees: number;
  lastRank: number;
  lastLive: number;
}

export function noSums(): Sums {
  return {
    peak: 0, peakBlocks: 0, leaked: 0, leakedBlocks: 0, runtime: 0, allocated: 0,
    allocations: 0, temporary: 0, temporaryBlocks: 0, freed: 0, frees: 0, lastRank: 0,
    lastLive: 0,
  };
}

export function hasEvent(s: Sums): boolean {
  return s.allocations > 0 || s.frees > 0;
}

/** What nodes have, by number: one array a figure. */
export type NodeFigure = Exclude<keyof Sums, "lastRank" | "lastLive">;

export const FIGURES: readonly NodeFigure[] = [
  "peak", "peakBlocks", "leaked", "leakedBlocks", "runtime", "allocated", "allocations",
  "temporary", "temporaryBlocks", "freed", "frees",
];

/** A regular expression of the user's, or null and why it is none. */
export function parseRegex(text: string): { regex: RegExp | null; why: string } {
  if (!text) return { regex: null, why: "" };
  try {
    return { regex: new RegExp(text), why: "" };
  } catch (error) {
    return { regex: null, why: String((error as Error).message) };
  }
}

export class Scope {
  /** By site: it counts. */
  readonly has: Uint8Array;
  private peakProcess = -1; // its alone counts at the peak; -1: any
  private treePeak = false;
  readonly processes: number[] = [];
  /** What the sites have: in the whole run, or in the range of time. */
  readonly site: Sites;
  readonly slice: Slice | null;
  private masks = new Map<string, Uint8Array>();
  private ownOf = new Map<NodeFigure, Float64Array>();
  private inclusiveOf = new Map<NodeFigure, Float64Array>();
  private lasts?: { rank: Float64Array; live: Float64Array };
  private sites?: { own: Uint32Array; other: Uint32Array; any: Uint32Array };
  private totalSums?: Sums;

  constructor(
    readonly model: Model,
    readonly filter: Filter,
  ) {
    const ranged = (filter.from > 0 || filter.to > 0) && model.time !== null;
    this.slice = ranged ? slice(model, filter.from, filter.to) : null;
    this.site = this.slice ? this.slice.site : model.site;
    const all = model.report.processes;
    const inScope = all.map((p) => !filter.pid || p.pid === filter.pid);
    all.forEach((p, i) => inScope[i] && !p.counted && this.processes.push(i));
    this.chooseMoment();
    const nodes = this.chooseNodes();
    const domain = DOMAINS.indexOf(filter.domain);
    const { siteNode, siteCount } = model;
    const { site } = this;
    this.has = new Uint8Array(siteCount);
    for (let i = 0; i < siteCount; i++)
      this.has[i] =
        site.domain[i] === domain && inScope[site.process[i]] && (!nodes || nodes[siteNode[i]])
          ? 1
          : 0;
  }

  private chooseMoment(): void {
    const { model, filter, processes } = this;
    if (model.about.moment || this.slice) return; // each site has what was live then
    if (processes.length > 1 && !filter.pid) {
      this.treePeak = filter.domain === "malloc";
      return;
    }
    const peaks = this.domainPeaks();
    let highest = -1;
    model.report.processes.forEach((p, i) => {
      if ((filter.pid && p.pid !== filter.pid) || peaks[i] <= highest) return;
      highest = peaks[i];
      this.peakProcess = i;
    });
    if (model.report.processes.length <= 1) this.peakProcess = -1;
  }

  /** Each process's peak of the domain: the sum of what its sites had then. */
  private domainPeaks(): Float64Array {
    const { site, siteCount, report } = this.model;
    const domain = DOMAINS.indexOf(this.filter.domain);
    const peaks = new Float64Array(report.processes.length);
    for (let i = 0; i < siteCount; i++)
      if (site.domain[i] === domain) peaks[site.process[i]] += site.peak[i];
    return peaks;
  }

  get moment(): string {
    if (this.slice)
      return this.slice.atEnd ? "the end" : seconds(this.slice.to) + " after the start";
    if (this.model.about.moment) return this.model.about.phrases.peak.replace(/^bytes live at /, "");
    if (this.treePeak) return "the peak of all processes' sum";
    return this.processes.length > 1 && !this.filter.pid
      ? "each process's own peak"
      : "the process's peak";
  }

  /** "over the whole run", or which part. */
  get over(): string {
    const { slice } = this;
    if (!slice) return "over the whole run";
    return `from ${seconds(slice.from)} to ${slice.atEnd ? "the end" : seconds(slice.to)}`;
  }

  // ---- focus and ignore ---------------------------------------------------------

  private matchNodes(regex: RegExp): Uint8Array {
    const { model } = this;
    const { placeFrame, frame, labels, nodeCount, nodePlace, nodeParent } = model;
    const known = new Map<number, boolean>();
    const matches = (text: number): boolean => {
      let found = known.get(text);
      if (found === undefined) known.set(text, (found = regex.test(model.text(text))));
      return found;
    };
    const places = new Uint8Array(placeFrame.length - 1);
    for (let p = 1; p < places.length; p++)
      for (let f = placeFrame[p]; f < placeFrame[p + 1]; f++) {
        const line = frame.by_line[f];
        const module = labels.module.module[frame.by_module[f]];
        const code = labels.line.function[line];
        const file = labels.line.file[line];
        if (
          (module && matches(module)) || (code && matches(code)) || (file && matches(file))
        )
          places[p] = 1;
      }
    const nodes = new Uint8Array(nodeCount);
    for (let i = 1; i < nodeCount; i++)
      nodes[i] = nodes[nodeParent[i]] | places[nodePlace[i]];
    return nodes;
  }

  private chooseNodes(): Uint8Array | null {
    const focus = parseRegex(this.filter.focus).regex;
    const ignore = parseRegex(this.filter.ignore).regex;
    if (!focus && !ignore) return null;
    const chosen = focus
      ? this.matchNodes(focus)
      : new Uint8Array(this.model.nodeCount).fill(1);
    if (ignore) {
      const ignored = this.matchNodes(ignore);
      for (let i = 0; i < chosen.length; i++) if (ignored[i]) chosen[i] = 0;
    }
    return chosen;
  }

  // ---- figures --------------------------------------------------------------------

  /** The column of a figure, and which of the sites in scope have it. */
  private column(figure: NodeFigure): { of: Numbers; which: "all" | "peak" | "leaked" | "runtime" } {
    const { site } = this;
    switch (figure) {
      case "peak":
        return { of: this.treePeak ? site.tree_peak : site.peak, which: "peak" };
      case "peakBlocks":
        return { of: this.treePeak ? site.tree_peak_blocks : site.peak_blocks, which: "peak" };
      case "leaked":
        return { of: site.live, which: "leaked" };
      case "leakedBlocks":
        return { of: site.live_blocks, which: "leaked" };
      case "runtime":
        return { of: site.live, which: "runtime" };
      case "allocated":
        return { of: site.allocated, which: "all" };
      case "allocations":
        return { of: site.allocs, which: "all" };
      case "temporary":
        return { of: site.temporary, which: "all" };
      case "temporaryBlocks":
        return { of: site.temporary_blocks, which: "all" };
      case "freed":
        return { of: site.freed_here, which: "all" };
      default:
        return { of: site.freed_here_blocks, which: "all" };
    }
  }

  /** By site: it has figures of that kind. */
  private masked(which: "all" | "peak" | "leaked" | "runtime"): Uint8Array {
    const known = this.masks.get(which);
    if (known) return known;
    const { runtime, process } = this.site;
    const { has, peakProcess } = this;
    const mask = has.slice();
    if (which === "peak" && peakProcess >= 0)
      for (let i = 0; i < mask.length; i++) if (process[i] !== peakProcess) mask[i] = 0;
    if (which === "leaked") for (let i = 0; i < mask.length; i++) if (runtime[i]) mask[i] = 0;
    if (which === "runtime") for (let i = 0; i < mask.length; i++) if (!runtime[i]) mask[i] = 0;
    this.masks.set(which, mask);
    return mask;
  }

  /** What the sites of each node have. */
  own(figure: NodeFigure): Float64Array {
    let sums = this.ownOf.get(figure);
    if (sums) return sums;
    const { siteNode, siteCount, nodeCount } = this.model;
    const { of, which } = this.column(figure);
    const mask = this.masked(which);
    sums = new Float64Array(nodeCount);
    for (let i = 0; i < siteCount; i++) if (mask[i]) sums[siteNode[i]] += of[i];
    this.ownOf.set(figure, sums);
    return sums;
  }

  /** What each node has, with all that it calls. */
  inclusive(figure: NodeFigure): Float64Array {
    let sums = this.inclusiveOf.get(figure);
    if (sums) return sums;
    sums = this.own(figure).slice();
    const { nodeParent } = this.model;
    for (let i = sums.length - 1; i > 0; i--) sums[nodeParent[i]] += sums[i];
    this.inclusiveOf.set(figure, sums);
    return sums;
  }

  /** By node: the last event in it or below it, and the process's live bytes then. */
  last(): { rank: Float64Array; live: Float64Array } {
    if (this.lasts) return this.lasts;
    const { siteNode, siteCount, nodeCount, nodeParent } = this.model;
    const { site } = this;
    const rank = new Float64Array(nodeCount).fill(-1);
    const live = new Float64Array(nodeCount);
    for (let i = 0; i < siteCount; i++) {
      const node = siteNode[i];
      if (!this.has[i] || !(site.allocs[i] || site.freed_here_blocks[i])) continue;
      if (site.last_rank[i] >= rank[node]) {
        rank[node] = site.last_rank[i];
        live[node] = site.last_live[i];
      }
    }
    for (let i = nodeCount - 1; i > 0; i--) {
      const parent = nodeParent[i];
      if (rank[i] >= 0 && rank[i] >= rank[parent]) {
        rank[parent] = rank[i];
        live[parent] = live[i];
      }
    }
    this.lasts = { rank, live };
    return this.lasts;
  }

  /** What site i has, of all figures but the last event. */
  siteSums(i: number): Sums {
    const s = noSums();
    for (const figure of FIGURES) {
      const { of, which } = this.column(figure);
      if (this.masked(which)[i]) s[figure] = of[i];
    }
    return s;
  }

  total(): Sums {
    if (this.totalSums) return this.totalSums;
    const s = noSums();
    for (const figure of FIGURES) {
      const { of, which } = this.column(figure);
      const mask = this.masked(which);
      let sum = 0;
      for (let i = 0; i < mask.length; i++) if (mask[i]) sum += of[i];
      s[figure] = sum;
    }
    this.totalSums = s;
    return s;
  }

  // ---- whom a stack is counted under ------------------------------------------------

  /** By node: the frame, outwards from it, of the program's own; that is no base
   * library's; that is there. As frame + 1; 0: none. */
  private nearest(): { own: Uint32Array; other: Uint32Array; any: Uint32Array } {
    if (this.sites) return this.sites;
    const { placeFrame, placeCut, frame, nodeCount, nodePlace, nodeParent } = this.model;
    const places = placeFrame.length - 1;
    const frameAt = (p: number, worst: number): number => {
      if (placeCut[p]) return 0;
      for (let f = placeFrame[p]; f < placeFrame[p + 1]; f++)
        if (frame.owner[f] <= worst) return f + 1;
      return 0;
    };
    const found = [OWN, LIBRARY, BASE].map((worst) => {
      const of = new Uint32Array(places);
      for (let p = 1; p < places; p++) of[p] = frameAt(p, worst);
      const nodes = new Uint32Array(nodeCount);
      for (let i = 1; i < nodeCount; i++) nodes[i] = of[nodePlace[i]] || nodes[nodeParent[i]];
      return nodes;
    });
    this.sites = { own: found[0], other: found[1], any: found[2] };
    return this.sites;
  }

  /** The frame, + 1, that blocks of a node count under; 0: no stack. */
  siteFrame(node: number): number {
    return this.nearest().own[node] || this.callerFrame(node);
  }

  callerFrame(node: number): number {
    const { other, any } = this.nearest();
    const { placeFrame, nodePlace } = this.model;
    if (other[node]) return other[node];
    if (any[node]) return any[node];
    const place = nodePlace[node];
    return place ? placeFrame[place] + 1 : 0;
  }
}

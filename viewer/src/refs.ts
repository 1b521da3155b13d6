// The part of a heap graph that is drawn: a block, what points at it, what it points at,
// and what was opened. Neighbours that are alike are folded into one node that counts
// them, so that no more than some hundred are laid out.

import {
  type Around, type Block, type Edge, type Graph, type Neighbour, type Root, type Side, typeOf,
} from "./heap";

export type Way = "backrefs" | "refs" | "path";

export interface BlockNode {
  kind: "block";
  id: string;
  layer: number;
  around: Around;
  /** Its sides that are open: what points at it, what it points at. */
  in: boolean;
  out: boolean;
}

export interface RootNode {
  kind: "root";
  id: string;
  layer: number;
  root: Root;
}

/** Neighbours that are not drawn one by one. */
export interface MoreNode {
  kind: "more";
  id: string;
  layer: number;
  count: number;
  text: string;
  /** Whose neighbours they are; "": steps of a way. */
  of: string;
  /** What to open to see more of them; "": they are not in the page. */
  token: string;
}

export type Node = BlockNode | RootNode | MoreNode;

export interface Link {
  from: string;
  to: string;
  labels: string[];
}

export interface Drawing {
  nodes: Node[];
  links: Link[];
  /** There would be more than can be drawn. */
  full: boolean;
  /** Of the block asked for. */
  lost: boolean;
}

const NODES = 200; // at most
const UNASKED = 40; // that are drawn before anything is opened
const DEPTH = 3; // as `heapline refs` goes
const SHOWN = 8; // neighbours of a side before they are folded
export const MORE = 20; // that a folded node opens
const ROOTS = 4;
const STEPS = 16; // of a path, its last

// ---- what was opened --------------------------------------------------------------------

/** "i55d0a,o55d0a.28": sides by block, and how many neighbours are drawn of them. */
export type Opened = Map<string, number>;

export function parseOpened(text: string): Opened {
  const opened: Opened = new Map();
  for (const word of text.split(",")) {
    const match = /^([io][0-9a-f]{1,16})(?:\.(\d{1,4}))?$/.exec(word);
    if (match) opened.set(match[1], match[2] === undefined ? SHOWN : Number(match[2]));
  }
  return opened;
}

export function formatOpened(opened: Opened): string {
  return [...opened]
    .slice(-NODES)
    .map(([side, n]) => (n === SHOWN ? side : side + "." + n))
    .join(",");
}

export function sideKey(side: "i" | "o", address: string): string {
  return side + address.replace(/^0x/, "");
}

// ---- words ---------------------------------------------------------------------------------

function how(edge: Edge): string {
  switch (edge.how) {
    case "interior":
      return ` (${edge.into} into it)`;
    case "past-end":
      return " (past its end)";
    case "tag-low":
    case "tag-high":
      return " (tagged)";
    case "dead":
      return " (dead stack)";
    default:
      return "";
  }
}

export function edgeText(edge: Edge): string {
  return "+" + edge.offset + how(edge);
}

// ---- folding -------------------------------------------------------------------------------

/** Blocks of one type and site are alike. */
function whatOf(block: Block): string {
  const type = typeOf(block);
  return type ? type + "  " + block.site : block.site;
}

interface Folded {
  singles: Neighbour[];
  mores: { count: number; text: string; here: boolean }[];
}

/** What to draw of a side: `limit` neighbours, and how many others of which kind. */
export function fold(side: Side, back: boolean, limit: number, unfolded: boolean): Folded {
  const groups = new Map<string, Neighbour[]>();
  for (const n of side.shown) {
    const key = whatOf(n.block) + (back ? "\n" + n.edge.offset : "");
    const known = groups.get(key);
    if (known) known.push(n);
    else groups.set(key, [n]);
  }
  const singles: Neighbour[] = [];
  const mores: Folded["mores"] = [];
  if (side.shown.length <= limit) {
    singles.push(...side.shown);
  } else {
    // One of each kind at least, while there is room; the rest in their order.
    const ranked = [...groups.values()].sort((a, b) => b.length - a.length).slice(0, limit);
    const share = unfolded ? 1 : Math.max(1, Math.floor(limit / (2 * ranked.length)));
    const few = unfolded ? 1 : share + 1;
    for (const group of ranked) singles.push(...group.slice(0, group.length <= few ? group.length : share));
    const has = new Set(singles);
    if (unfolded) singles.push(...side.shown.filter((n) => !has.has(n)));
    singles.length = Math.min(singles.length, limit);
  }
  const drawn = new Set(singles);
  const lefts = new Map<string, Folded["mores"][0]>(); // by what they are
  const leave = (block: Block, count: number, here: boolean) => {
    const text = whatOf(block);
    const known = lefts.get(text);
    if (!known) lefts.set(text, { count, text, here });
    else {
      known.count += count;
      known.here ||= here;
    }
  };
  for (const group of groups.values()) {
    const left = group.filter((n) => !drawn.has(n)).length;
    if (left) leave(group[0].block, left, true);
  }
  for (const o of side.others) leave(o.first, o.references, false);
  mores.push(...lefts.values());
  const counted = side.shown.length + side.others.reduce((sum, o) => sum + o.references, 0);
  if (side.count > counted) mores.push({ count: side.count - counted, text: "references", here: false });
  mores.sort((a, b) => b.count - a.count);
  return { singles, mores: merge(mores) };
}

/** At most a few of them. */
function merge(mores: Folded["mores"]): Folded["mores"] {
  const MOST = 4;
  if (mores.length <= MOST) return mores;
  const rest = mores.slice(MOST - 1);
  return [
    ...mores.slice(0, MOST - 1),
    {
      count: rest.reduce((sum, r) => sum + r.count, 0),
      text: `${rest.length} other sites`,
      here: rest.some((r) => r.here),
    },
  ];
}

// ---- drawing -------------------------------------------------------------------------------

class Builder {
  private byId = new Map<string, Node>();
  private links = new Map<string, Link>();
  full = false;

  constructor(
    private graph: Graph,
    private opened: Opened,
  ) {}

  get room(): number {
    return NODES - this.byId.size;
  }

  async block(address: string, layer: number): Promise<BlockNode | null> {
    const known = this.byId.get(address);
    if (known) return known as BlockNode;
    if (this.room <= 0) {
      this.full = true;
      return null;
    }
    const around = await this.graph.around(address);
    if (!around) return null;
    const node: BlockNode = { kind: "block", id: address, layer, around, in: false, out: false };
    this.byId.set(address, node);
    return node;
  }

  link(from: string, to: string, label: string): void {
    const key = from + ">" + to;
    const known = this.links.get(key);
    if (!known) this.links.set(key, { from, to, labels: label ? [label] : [] });
    else if (label && !known.labels.includes(label)) known.labels.push(label);
  }

  more(at: BlockNode, back: boolean, one: Folded["mores"][0], i: number, shown: number): void {
    const id = (back ? "i" : "o") + at.id + "#" + i;
    const side = sideKey(back ? "i" : "o", at.id);
    this.byId.set(id, {
      kind: "more", id, layer: at.layer + (back ? -1 : 1), count: one.count, text: one.text,
      of: at.id, token: one.here ? side + "." + (shown + MORE) : "",
    });
    if (back) this.link(id, at.id, "");
    else this.link(at.id, id, "");
  }

  roots(at: BlockNode): void {
    const { roots, rootCount } = at.around;
    for (const root of roots.slice(0, ROOTS)) this.root(at, root);
    const left = rootCount - Math.min(roots.length, ROOTS);
    if (left > 0)
      this.more(at, true, { count: left, text: "roots", here: false }, -1, 0);
  }

  root(at: BlockNode, root: Root): void {
    const id = "r" + root.at + root.text;
    if (!this.byId.has(id)) this.byId.set(id, { kind: "root", id, layer: at.layer - 1, root });
    this.link(id, at.id, how(root).trim());
  }

  /** Draws what is on one side of a block. Those that were added. */
  async side(at: BlockNode, back: boolean): Promise<BlockNode[]> {
    const side = back ? at.around.referrers : at.around.references;
    const limit = this.opened.get(sideKey(back ? "i" : "o", at.id)) ?? SHOWN;
    const { singles, mores } = fold(side, back, limit, limit > SHOWN);
    const added: BlockNode[] = [];
    if (back) {
      at.in = true;
      this.roots(at);
    } else at.out = true;
    for (const n of singles) {
      const was = this.byId.has(n.block.address);
      const node = await this.block(n.block.address, at.layer + (back ? -1 : 1));
      if (!node) continue;
      if (!was) added.push(node);
      if (back) this.link(node.id, at.id, edgeText(n.edge));
      else this.link(at.id, node.id, edgeText(n.edge));
    }
    mores.forEach((one, i) => this.more(at, back, one, i, limit));
    return added;
  }

  /** What is drawn unasked: away from a block, level by level. */
  async spread(from: BlockNode, back: boolean): Promise<void> {
    let level = [from];
    for (let depth = 0; depth < DEPTH && level.length; depth++) {
      const next: BlockNode[] = [];
      for (const node of level)
        if (depth === 0 || this.byId.size < UNASKED) next.push(...(await this.side(node, back)));
      level = next;
    }
  }

  async path(to: string): Promise<boolean> {
    const way = await this.graph.way(to);
    if (!way || !way.root) return false;
    const steps = way.steps.slice(-STEPS);
    let before: BlockNode | null = null;
    for (const [i, step] of steps.entries()) {
      const node = await this.block(step.block.address, i - steps.length + 1);
      if (!node) continue;
      if (before) this.link(before.id, node.id, edgeText(steps[i - 1].edge!));
      else this.begin(node, way.root, way.length - steps.length);
      before = node;
    }
    return true;
  }

  /** The root of a path, and how many steps are not drawn. */
  private begin(first: BlockNode, root: Root, left: number): void {
    if (!left) {
      this.root(first, root);
      return;
    }
    const id = "way#" + left;
    const rootId = "r" + root.at + root.text;
    this.byId.set(id, {
      kind: "more", id, layer: first.layer - 1, count: left, text: "steps of the way", of: "",
      token: "",
    });
    this.byId.set(rootId, { kind: "root", id: rootId, layer: first.layer - 2, root });
    this.link(rootId, id, "");
    this.link(id, first.id, "");
  }

  /** Opens what the user opened, as far as it is drawn. */
  async open(): Promise<void> {
    for (const [side] of this.opened) {
      const node = this.byId.get("0x" + side.slice(1));
      const back = side[0] === "i";
      if (node?.kind === "block" && !(back ? node.in : node.out)) await this.side(node, back);
    }
  }

  done(lost: boolean): Drawing {
    const nodes = [...this.byId.values()].slice(0, 2 * NODES);
    const ids = new Set(nodes.map((n) => n.id));
    const links = [...this.links.values()].filter((l) => ids.has(l.from) && ids.has(l.to));
    return { nodes, links, full: this.full, lost };
  }
}

/** null: there is no such block, as far as the graph is known. */
export async function drawingOf(
  graph: Graph, address: string, way: Way, opened: Opened,
): Promise<Drawing | null> {
  const builder = new Builder(graph, opened);
  let lost = false;
  if (way === "path") lost = !(await builder.path(address));
  const focus = await builder.block(address, 0);
  if (!focus) return null;
  if (way !== "path") await builder.spread(focus, way === "backrefs");
  await builder.open();
  if (way === "backrefs") lost = focus.around.block.held === "no";
  return builder.done(lost);
}

export function shadeOf(block: Block): number {
  return block.bytes < 1024 ? 1 : block.bytes < 65536 ? 2 : 3;
}

// Who calls whom: the stacks as one tree, by function or by line, as
// cli/report/tree_rows.c makes it. A function that calls itself is one node.

import { BASE, type Model } from "./model";
import type { Metric, Scope } from "./scope";

export const SMALLER = -1; // label: folded when the page was made
export const REST = -2; // label: folded here, below a threshold

/** Of the total; what has less is folded in trees from the allocations up, which grow
 * with all the paths that there are. */
export const LEAST_PERCENT = 0.025;

export interface TreeOptions {
  metric: Metric;
  lines: boolean;
  /** Percent of the total; what has less is folded, bottom-up. */
  least: number;
  /** Only what is called from functions with this label, 0: everything. */
  root: number;
}

/** What a tree is, whatever is asked of it. A node's parent comes before it. */
interface Shape {
  count: number;
  label: Int32Array; // by_function or by_line; SMALLER; REST; [0]: the total
  parent: Int32Array;
  depth: Uint32Array;
  flags: Uint8Array; // of all places that it stands for, whatever they have
  folded: Uint32Array; // REST: groups that it stands for
  frame: Int32Array; // one that it has; -1: none
  childStart: Uint32Array; // into child: of node i, to that of i + 1
  child: Uint32Array;
}

/** A tree with the values of one question. */
export class Tree {
  readonly count: number;
  readonly label: Int32Array;
  readonly parent: Int32Array;
  readonly depth: Uint32Array;
  readonly flags: Uint8Array;
  readonly folded: Uint32Array;
  readonly frame: Int32Array;
  readonly total: number;
  /** Sum of its children's values. */
  readonly below: Float64Array;
  private sorted = new Map<number, Uint32Array>();

  constructor(
    private model: Model,
    private lines: boolean,
    private shape: Shape,
    readonly value: Float64Array,
    readonly self: Float64Array,
  ) {
    ({
      count: this.count, label: this.label, parent: this.parent, depth: this.depth,
      flags: this.flags, folded: this.folded, frame: this.frame,
    } = shape);
    this.total = value[0];
    this.below = new Float64Array(this.count);
    for (let i = 1; i < this.count; i++) this.below[this.parent[i]] += value[i];
  }

  /** Those that have something, the greatest first, what is folded last. Found when
   * asked for: most never are. */
  children(node: number): Uint32Array {
    let known = this.sorted.get(node);
    if (known) return known;
    const { childStart, child } = this.shape;
    const { value } = this;
    known = child.subarray(childStart[node], childStart[node + 1]).filter((c) => value[c] > 0);
    if (known.length > 1) known.sort((a, b) => this.compare(a, b));
    this.sorted.set(node, known);
    return known;
  }

  /** The greatest child; -1: there is none. */
  first(node: number): number {
    const all = this.children(node);
    return all.length ? all[0] : -1;
  }

  /** The node beside one, `step` away; -1: there is none. */
  beside(node: number, step: number): number {
    if (!node) return -1;
    const all = this.children(this.parent[node]);
    return all[all.indexOf(node) + step] ?? -1;
  }

  private compare(a: number, b: number): number {
    const { model, label, value } = this;
    const la = label[a];
    const lb = label[b];
    if (la < 0 || lb < 0) return (la < 0 ? 1 : 0) - (lb < 0 ? 1 : 0) || lb - la;
    if (value[a] !== value[b]) return value[b] - value[a];
    const names = this.lines ? model.labels.line.full : model.labels.function.full;
    const one = model.text(names[la]);
    const other = model.text(names[lb]);
    return one < other ? -1 : one > other ? 1 : la - lb;
  }
}

export const INLINED = 1;
export const CALLED = 2;
export const RECURSIVE = 4;

/** Grows as nodes come; its arrays are cut to size in the end. */
class Growing {
  count = 0;
  private room = 1024;
  label = new Int32Array(this.room);
  value = new Float64Array(this.room);
  self = new Float64Array(this.room);
  parent = new Int32Array(this.room);
  depth = new Uint32Array(this.room);
  flags = new Uint8Array(this.room);
  folded = new Uint32Array(this.room);
  frame = new Int32Array(this.room);

  add(label: number, parent: number, frame: number): number {
    if (this.count === this.room) this.grow();
    const i = this.count++;
    this.label[i] = label;
    this.parent[i] = parent;
    this.frame[i] = frame;
    this.depth[i] = parent < 0 ? 0 : this.depth[parent] + 1;
    return i;
  }

  private grow(): void {
    const longer = <T extends Int32Array | Float64Array | Uint32Array | Uint8Array>(
      from: T,
      to: T,
    ): T => {
      to.set(from as never);
      return to;
    };
    this.room *= 2;
    this.label = longer(this.label, new Int32Array(this.room));
    this.value = longer(this.value, new Float64Array(this.room));
    this.self = longer(this.self, new Float64Array(this.room));
    this.parent = longer(this.parent, new Int32Array(this.room));
    this.depth = longer(this.depth, new Uint32Array(this.room));
    this.flags = longer(this.flags, new Uint8Array(this.room));
    this.folded = longer(this.folded, new Uint32Array(this.room));
    this.frame = longer(this.frame, new Int32Array(this.room));
  }

  finish(): Shape {
    const { count } = this;
    const childStart = new Uint32Array(count + 2);
    for (let i = 1; i < count; i++) childStart[this.parent[i] + 2]++;
    for (let i = 2; i < count + 2; i++) childStart[i] += childStart[i - 1];
    const child = new Uint32Array(Math.max(0, count - 1));
    for (let i = 1; i < count; i++) child[childStart[this.parent[i] + 1]++] = i;
    return {
      count, childStart, child, label: this.label.subarray(0, count),
      parent: this.parent.subarray(0, count), depth: this.depth.subarray(0, count),
      flags: this.flags.subarray(0, count), folded: this.folded.subarray(0, count),
      frame: this.frame.subarray(0, count),
    };
  }
}

/** Children of growing nodes by label. */
class Children {
  private mask = 4095;
  private slots = new Int32Array(4096).fill(-1);
  private used = 0;
  private recent = new Int32Array(1024).fill(-1); // by node: the last child asked for

  constructor(private tree: Growing) {}

  private hash(parent: number, label: number): number {
    let h = Math.imul(parent, 0x9e3779b1) ^ Math.imul(label, 0x85ebca6b);
    h ^= h >>> 15;
    return Math.imul(h, 0x2c1b3c6d) >>> 3;
  }

  get(parent: number, label: number, frame: number): number {
    const { tree } = this;
    const known = parent < this.recent.length ? this.recent[parent] : -1;
    if (known >= 0 && tree.label[known] === label) return known;
    let at = this.hash(parent, label) & this.mask;
    for (; this.slots[at] >= 0; at = (at + 1) & this.mask) {
      const child = this.slots[at];
      if (tree.parent[child] === parent && tree.label[child] === label)
        return this.remember(parent, child);
    }
    const child = tree.add(label, parent, frame);
    this.slots[at] = child;
    if (++this.used * 2 > this.mask) this.rehash();
    return this.remember(parent, child);
  }

  private remember(parent: number, child: number): number {
    if (parent >= this.recent.length) {
      const longer = new Int32Array(Math.max(parent + 1, this.recent.length * 2)).fill(-1);
      longer.set(this.recent);
      this.recent = longer;
    }
    this.recent[parent] = child;
    return child;
  }

  private rehash(): void {
    const { tree } = this;
    const old = this.slots;
    this.mask = old.length * 2 - 1;
    this.slots = new Int32Array(old.length * 2).fill(-1);
    for (const child of old) {
      if (child < 0) continue;
      let at = this.hash(tree.parent[child], tree.label[child]) & this.mask;
      while (this.slots[at] >= 0) at = (at + 1) & this.mask;
      this.slots[at] = child;
    }
  }
}

interface DownShape {
  shape: Shape;
  /** By node of the profile: the tree's node that its own blocks are of; -1: none. */
  of: Int32Array;
}

/** The shape of a tree of all stacks, whatever they have: made once. */
function downShape(m: Model, lines: boolean, root: number): DownShape {
  const { nodeCount, nodeDepth, nodePlace, placeFrame, frame } = m;
  const labels = lines ? frame.by_line : frame.by_function;
  const tree = new Growing();
  const children = new Children(tree);
  const top = tree.add(0, -1, -1);
  const of = new Int32Array(nodeCount).fill(-1);
  let place = new Int32Array(1024); // by depth: the tree's node; -1: above the root
  place[0] = root ? -1 : top;
  if (!root) of[0] = children.get(top, 0, -1); // of no stack

  for (let i = 1; i < nodeCount; i++) {
    const depth = nodeDepth[i];
    if (depth >= place.length) {
      const longer = new Int32Array(place.length * 2);
      longer.set(place);
      place = longer;
    }
    let at = place[depth - 1];
    const p = nodePlace[i];
    if (!p && at >= 0) at = children.get(at, SMALLER, -1);
    for (let f = placeFrame[p + 1] - 1; p && f >= placeFrame[p]; f--) {
      const label = labels[f];
      if (at < 0) {
        if (frame.by_function[f] !== root) continue;
        at = top;
      }
      if (at !== top && label === tree.label[at]) {
        tree.flags[at] |= RECURSIVE;
        continue;
      }
      at = children.get(at, label, f);
      tree.flags[at] |= f + 1 < placeFrame[p + 1] ? INLINED : CALLED;
    }
    of[i] = at;
    place[depth] = at;
  }
  return { shape: tree.finish(), of };
}

const shapes: { model: Model; lines: boolean; root: number; down: DownShape }[] = [];

/** From main() down to the allocations. */
export function topDown(scope: Scope, options: TreeOptions): Tree {
  const { model } = scope;
  const { lines, root } = options;
  let known = shapes.find((k) => k.model === model && k.lines === lines && k.root === root);
  if (!known) {
    known = { model, lines, root, down: downShape(model, lines, root) };
    shapes.unshift(known);
    shapes.length = Math.min(shapes.length, 3);
  }
  const { shape, of } = known.down;
  const own = scope.own(options.metric);
  const self = new Float64Array(shape.count);
  for (let i = 0; i < own.length; i++) if (own[i] && of[i] >= 0) self[of[i]] += own[i];
  const value = self.slice();
  for (let i = shape.count - 1; i > 0; i--) value[shape.parent[i]] += value[i];
  return new Tree(model, lines, shape, value, self);
}

interface Group {
  label: number;
  value: number;
  flags: number;
  frame: number;
  nodes: number[];
  frames: number[];
  values: number[];
}

/** Places (a node and a frame of its code) that several may lead to, met. */
class Places {
  nodes: number[] = [];
  frames: number[] = [];
  values: number[] = [];
  private met = new Map<number, number>();

  add(node: number, f: number, value: number): void {
    const known = this.met.get(node);
    if (known !== undefined && this.frames[known] === f) {
      this.values[known] += value;
      return;
    }
    this.met.set(node, this.nodes.length);
    this.nodes.push(node);
    this.frames.push(f);
    this.values.push(value);
  }
}

/** From the allocations up to main(); from calls of `root` up, if there is one. */
export function bottomUp(scope: Scope, options: TreeOptions): Tree {
  const m = scope.model;
  const { nodeCount, nodePlace, nodeParent, placeFrame, frame } = m;
  const labels = options.lines ? frame.by_line : frame.by_function;
  const own = scope.own(options.metric);
  const tree = new Growing();
  const top = tree.add(0, -1, -1);

  const up = (from: Places, node: number, f: number, value: number) => {
    if (f + 1 < placeFrame[nodePlace[node] + 1]) from.add(node, f + 1, value);
    else if (nodeParent[node])
      from.add(nodeParent[node], placeFrame[nodePlace[nodeParent[node]]], value);
  };
  const groupsOf = (from: Places): Group[] => {
    const groups = new Map<number, Group>();
    for (let i = 0; i < from.nodes.length; i++) {
      const f = from.frames[i];
      const node = from.nodes[i];
      const label = f < 0 ? (node ? SMALLER : 0) : labels[f];
      let g = groups.get(label);
      if (!g)
        groups.set(
          label,
          (g = { label, value: 0, flags: 0, frame: f, nodes: [], frames: [], values: [] }),
        );
      g.value += from.values[i];
      if (f >= 0) g.flags |= f + 1 < placeFrame[nodePlace[node] + 1] ? INLINED : CALLED;
      g.nodes.push(node);
      g.frames.push(f);
      g.values.push(from.values[i]);
    }
    return [...groups.values()];
  };
  /** The places above a group's, through calls of itself. */
  const above = (g: Group, at: number): Places => {
    const found = new Places();
    let { nodes, frames, values } = g;
    while (nodes.length) {
      const step = new Places();
      for (let i = 0; i < nodes.length; i++) {
        if (frames[i] >= 0) up(step, nodes[i], frames[i], values[i]);
        else if (nodeParent[nodes[i]] && g.label === SMALLER)
          step.add(nodeParent[nodes[i]], placeFrame[nodePlace[nodeParent[nodes[i]]]], values[i]);
      }
      const again: Places = new Places();
      for (let i = 0; i < step.nodes.length; i++) {
        const same = labels[step.frames[i]] === g.label;
        (same ? again : found).add(step.nodes[i], step.frames[i], step.values[i]);
      }
      if (again.nodes.length) tree.flags[at] |= RECURSIVE;
      ({ nodes, frames, values } = again);
    }
    return found;
  };

  const start = options.root ? calls(scope, options) : allocations(m, own, nodeCount);
  const total = start.values.reduce((a, b) => a + b, 0);
  tree.value[top] = total;
  const queue: { at: number; places: Places }[] = [{ at: top, places: start }];
  for (let q = 0; q < queue.length; q++) {
    const { at, places } = queue[q];
    const groups = groupsOf(places);
    let rest = 0;
    let folded = 0;
    for (const g of groups) {
      if (g.value * 100 < options.least * total) {
        rest += g.value;
        folded++;
        continue;
      }
      const child = tree.add(g.label, at, g.frame);
      tree.value[child] = g.value;
      tree.flags[child] = g.flags;
      if (g.label) queue.push({ at: child, places: above(g, child) });
    }
    if (folded) {
      const child = tree.add(REST, at, -1);
      tree.value[child] = rest;
      tree.folded[child] = folded;
    }
    queue[q] = null as never; // its places are not needed any more
  }
  const { count } = tree;
  return new Tree(
    m, options.lines, tree.finish(), tree.value.subarray(0, count), tree.self.subarray(0, count),
  );
}

/** Where stacks begin from below: at the innermost frame that is no base library's;
 * else at the innermost. */
function allocations(m: Model, own: Float64Array, nodeCount: number): Places {
  const { nodePlace, nodeParent, placeFrame, frame } = m;
  const places = new Places();
  // By node: its place, where it begins itself, or the nearest above.
  const node = new Uint32Array(nodeCount);
  const at = new Int32Array(nodeCount).fill(-1);
  const last = new Int32Array(nodeCount).fill(-1); // the outermost frame looked at
  for (let i = 1; i < nodeCount; i++) {
    const p = nodePlace[i];
    let f = placeFrame[p];
    while (f < placeFrame[p + 1] && frame.owner[f] === BASE) f++;
    if (p && f < placeFrame[p + 1]) {
      node[i] = i;
      at[i] = f;
    } else {
      node[i] = node[nodeParent[i]];
      at[i] = at[nodeParent[i]];
    }
    last[i] = placeFrame[p];
  }
  if (own[0]) places.add(0, -1, own[0]);
  for (let i = 1; i < nodeCount; i++) {
    if (!own[i]) continue;
    if (!nodePlace[i]) places.add(i, -1, own[i]);
    else if (at[i] >= 0) places.add(node[i], at[i], own[i]);
    else places.add(i, last[i], own[i]);
  }
  return places;
}

/** The outermost frames of a function, with all that is below them. */
function calls(scope: Scope, options: TreeOptions): Places {
  const m = scope.model;
  const { nodeCount, nodePlace, nodeParent, placeFrame, frame } = m;
  const below = scope.inclusive(options.metric);
  const places = new Places();
  const seen = new Uint8Array(nodeCount);
  for (let i = 1; i < nodeCount; i++) {
    if (seen[nodeParent[i]]) {
      seen[i] = 1;
      continue;
    }
    const p = nodePlace[i];
    for (let f = placeFrame[p + 1] - 1; p && f >= placeFrame[p]; f--)
      if (frame.by_function[f] === options.root) {
        seen[i] = 1;
        if (below[i]) places.add(i, f, below[i]);
        break;
      }
  }
  return places;
}

/** What to call a node. */
export function nodeName(m: Model, tree: Tree, i: number, lines: boolean): string {
  const label = tree.label[i];
  if (i === 0) return "all";
  if (label === SMALLER) return "smaller (folded when this page was made)";
  if (label === REST) return tree.folded[i] + " smaller";
  return m.text((lines ? m.labels.line : m.labels.function).short[label]);
}

export function nodeFullName(m: Model, tree: Tree, i: number, lines: boolean): string {
  const label = tree.label[i];
  if (i === 0 || label < 0) return nodeName(m, tree, i, lines);
  return m.text((lines ? m.labels.line : m.labels.function).full[label]);
}

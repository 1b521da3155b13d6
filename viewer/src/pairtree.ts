// The stacks of both profiles as one tree, by function or by line, with what each has
// on both sides. Boxes are as wide as the greater of the two, stack by stack, so that
// what is gone has its place beside what is new.

import { BASE } from "./model";
import type { Pair } from "./pair";
import { ownOf, type Scopes } from "./pairsums";
import type { Metric } from "./scope";
import type { State } from "./state";
import { LEAST_PERCENT, REST, SMALLER } from "./tree";

class Growing {
  count = 0;
  private room = 1024;
  label = new Int32Array(this.room);
  parent = new Int32Array(this.room);
  depth = new Uint32Array(this.room);
  /** Of REST nodes: how many they stand for. */
  folded = new Map<number, number>();

  add(label: number, parent: number): number {
    if (this.count === this.room) {
      this.room *= 2;
      for (const key of ["label", "parent", "depth"] as const) {
        const longer = key === "depth" ? new Uint32Array(this.room) : new Int32Array(this.room);
        longer.set(this[key]);
        (this[key] as Int32Array | Uint32Array) = longer;
      }
    }
    const i = this.count++;
    this.label[i] = label;
    this.parent[i] = parent;
    this.depth[i] = parent < 0 ? 0 : this.depth[parent] + 1;
    return i;
  }
}

/** Of A, of B, and as wide as it is drawn. */
const PARTS = ["a", "b", "width"] as const;
type Values = Record<(typeof PARTS)[number], Float64Array>;

function values(count: number): Values {
  return {
    a: new Float64Array(count), b: new Float64Array(count), width: new Float64Array(count),
  };
}

/** A tree that grew, with what each node and all that it stands for has. */
interface Made {
  tree: Growing;
  of: Values;
}

export interface PairTreeOptions {
  metric: Metric;
  lines: boolean;
  least: number; // what changed less, and has nothing below that did not, is folded
  /** From the allocations up; and what is smaller than that percentage is folded. */
  up?: boolean;
  leastPercent?: number;
  /** Only what is called from this function, or (up) who calls it; 0: everything. */
  root?: number;
}

/** Places of stacks that several ways lead to, met. */
class Places {
  stacks: number[] = [];
  private at = new Map<number, number>();
  readonly sums: Record<(typeof PARTS)[number], number[]> = { a: [], b: [], width: [] };

  add(stack: number, of: Record<(typeof PARTS)[number], ArrayLike<number>>, i: number): void {
    let at = this.at.get(stack);
    if (at === undefined) {
      this.at.set(stack, (at = this.stacks.length));
      this.stacks.push(stack);
      for (const part of PARTS) this.sums[part].push(0);
    }
    for (const part of PARTS) this.sums[part][at] += of[part][i];
  }
}

export class PairTree {
  readonly count: number;
  readonly label: Int32Array; // line or function; SMALLER; REST; 0: no stack; [0]: the total
  readonly parent: Int32Array; // outer ones come first
  readonly depth: Uint32Array;
  /** With all that is below: of A, of B, and as wide as it is drawn. */
  readonly a: Float64Array;
  readonly b: Float64Array;
  readonly value: Float64Array;
  readonly below: Float64Array;
  readonly total: number;
  /** Of REST nodes: how many they stand for. */
  readonly folded: Uint32Array;
  private lists: Uint32Array[] = [];
  private labels: Int32Array; // by stack

  constructor(readonly pair: Pair, scopes: Scopes, readonly options: PairTreeOptions) {
    const { line, functionOf } = pair;
    this.labels = Int32Array.from(line, (l) => (options.lines ? l : functionOf[l]));
    const own = this.own(scopes);
    const { tree, of } = options.up ? this.upward(own) : this.downward(own);
    const n = tree.count;
    const parent = tree.parent.subarray(0, n);
    const kept = this.keep(tree, parent, of.a, of.b);
    this.count = kept.count;
    this.label = kept.label.slice(0, kept.count);
    this.parent = kept.parent.slice(0, kept.count);
    this.depth = kept.depth.slice(0, kept.count);
    const sum = (from: Float64Array) => {
      const to = new Float64Array(this.count);
      // What is folded is inside what it is folded into: only the outermost counts.
      for (let i = 0; i < n; i++)
        if (!i || kept.of[i] !== kept.of[parent[i]]) to[kept.of[i]] += from[i];
      return to;
    };
    this.a = sum(of.a);
    this.b = sum(of.b);
    this.value = sum(of.width);
    this.folded = kept.folded;
    this.total = this.value[0];
    this.below = new Float64Array(this.count);
    for (let i = 1; i < this.count; i++) this.below[this.parent[i]] += this.value[i];
    this.sort();
  }

  /** What stacks have themselves; those of "smaller" nodes are behind them. */
  private own(scopes: Scopes): Values {
    const stacks = this.pair.parent.length;
    const { metric } = this.options;
    const own = values(2 * stacks);
    this.pair.sides.forEach((side, k) => {
      const sums = ownOf(scopes[k], metric);
      const of = metric === "allocations" ? sums.blocks : sums.bytes;
      const to = k ? own.b : own.a;
      for (let i = 0; i < of.length; i++)
        if (of[i]) to[side.node[i] + (side.model.isSmaller(i) ? stacks : 0)] += of[i];
    });
    for (let i = 0; i < 2 * stacks; i++) own.width[i] = Math.max(own.a[i], own.b[i]);
    return own;
  }

  private isRoot(stack: number): boolean {
    return this.pair.functionOf[this.pair.line[stack]] === this.options.root;
  }

  // ---- from main() down -------------------------------------------------------------

  /** A node for each way from the root; a function that calls itself is one. */
  private downward(own: Values): Made {
    const { pair, labels } = this;
    const tree = new Growing();
    const stacks = pair.parent.length;
    const at = new Int32Array(stacks).fill(-1); // above the root that is asked for
    const things = pair.functionOf.length + 1;
    const known = new Map<number, number>();
    const child = (up: number, label: number) => {
      const key = up * (things + 2) + label + 2; // labels may be REST, too
      let node = known.get(key);
      if (node === undefined) known.set(key, (node = tree.add(label, up)));
      return node;
    };
    tree.add(0, -1);
    if (!this.options.root) at[0] = 0;
    for (let i = 1; i < stacks; i++) {
      let up = at[pair.parent[i]];
      if (up < 0) {
        if (!this.isRoot(i)) continue;
        up = 0;
      }
      at[i] = up && tree.label[up] === labels[i] ? up : child(up, labels[i]);
    }
    const of2 = new Int32Array(2 * stacks).fill(-1);
    for (let i = 0; i < stacks; i++) {
      if (at[i] < 0) continue;
      if (own.width[i]) of2[i] = i ? at[i] : child(0, 0);
      if (own.width[stacks + i]) of2[stacks + i] = child(at[i], SMALLER);
    }
    const n = tree.count;
    const of = values(n);
    for (const part of PARTS) {
      for (let i = 0; i < 2 * stacks; i++) if (of2[i] >= 0) of[part][of2[i]] += own[part][i];
      for (let i = n - 1; i > 0; i--) of[part][tree.parent[i]] += of[part][i];
    }
    return { tree, of };
  }

  // ---- from the allocations up --------------------------------------------------------

  /** Where stacks begin from below: at the innermost frame that is no base library's;
   * else at the innermost. */
  private allocations(own: Values): Places {
    const { pair } = this;
    const stacks = pair.parent.length;
    const chief = new Uint32Array(stacks);
    const places = new Places();
    for (let i = 1; i < stacks; i++) {
      const b = pair.lineOn(1, pair.line[i]);
      const [side, frame] = b >= 0 ? [1, b] : [0, pair.lineOn(0, pair.line[i])];
      const base = frame >= 0 && pair.sides[side].model.frame.owner[frame] === BASE;
      chief[i] = base ? chief[pair.parent[i]] : i;
    }
    for (let i = 0; i < stacks; i++) {
      if (own.width[i]) places.add(chief[i] || i, own, i);
      if (own.width[stacks + i]) places.add(-1 - i, own, stacks + i); // below stack i
    }
    return places;
  }

  /** The outermost calls of the root, with all that is below them. */
  private calls(own: Values): Places {
    const { pair } = this;
    const stacks = pair.parent.length;
    const places = new Places();
    const inside = new Uint8Array(stacks);
    const below = values(stacks);
    for (const part of PARTS)
      for (let i = stacks - 1; i >= 0; i--) {
        below[part][i] += own[part][i] + own[part][stacks + i];
        if (i) below[part][pair.parent[i]] += below[part][i];
      }
    for (let i = 1; i < stacks; i++) {
      inside[i] = inside[pair.parent[i]];
      if (inside[i] || !this.isRoot(i)) continue;
      inside[i] = 1;
      if (below.width[i]) places.add(i, below, i);
    }
    return places;
  }

  /** Places by what they are called. */
  private groups(from: Places): Map<number, Places> {
    const groups = new Map<number, Places>();
    from.stacks.forEach((stack, i) => {
      const label = stack < 0 ? SMALLER : stack ? this.labels[stack] : 0;
      let group = groups.get(label);
      if (!group) groups.set(label, (group = new Places()));
      group.add(stack, from.sums, i);
    });
    return groups;
  }

  /** The places above a group's, through calls of itself. */
  private above(label: number, from: Places): Places {
    const found = new Places();
    for (let at = from; at.stacks.length; ) {
      const again = new Places();
      at.stacks.forEach((stack, i) => {
        const up = stack < 0 ? -1 - stack : stack ? this.pair.parent[stack] : 0;
        if (up) (this.labels[up] === label ? again : found).add(up, at.sums, i);
      });
      at = again;
    }
    return found;
  }

  private upward(own: Values): Made {
    const tree = new Growing();
    const found = { a: [] as number[], b: [] as number[], width: [] as number[] };
    const add = (label: number, up: number, of: Places[]) => {
      for (const part of PARTS)
        found[part].push(of.reduce((s, p) => p.sums[part].reduce((x, y) => x + y, s), 0));
      return tree.add(label, up);
    };
    const start = this.options.root ? this.calls(own) : this.allocations(own);
    add(0, -1, [start]);
    const least = ((this.options.leastPercent ?? 0) / 100) * found.width[0];
    const queue: { at: number; places: Places }[] = [{ at: 0, places: start }];
    for (let q = 0; q < queue.length; q++) {
      const { at, places } = queue[q];
      const small: Places[] = [];
      for (const [label, group] of this.groups(places)) {
        if (group.sums.width.reduce((x, y) => x + y, 0) < least) {
          small.push(group);
          continue;
        }
        const child = add(label, at, [group]);
        if (label) queue.push({ at: child, places: this.above(label, group) });
      }
      if (small.length) tree.folded.set(add(REST, at, small), small.length);
      queue[q] = null as never; // its places are not needed any more
    }
    const of = values(0);
    for (const part of PARTS) of[part] = Float64Array.from(found[part]);
    return { tree, of };
  }

  // ---- folding -------------------------------------------------------------------------

  /** Folds, below each node, what has no change of `least` in it. */
  private keep(from: Growing, parent: Int32Array, a: Float64Array, b: Float64Array): {
    count: number; label: Int32Array; parent: Int32Array; depth: Uint32Array;
    of: Uint32Array; folded: Uint32Array;
  } {
    const n = from.count;
    const { least } = this.options;
    const most = new Float64Array(n);
    for (let i = n - 1; i >= 0; i--) {
      most[i] = Math.max(most[i], Math.abs(b[i] - a[i]));
      if (i) most[parent[i]] = Math.max(most[parent[i]], most[i]);
    }
    const to = new Growing();
    const of = new Uint32Array(n);
    const gone = new Uint8Array(n);
    const rest = new Map<number, number>();
    const count = (node: number, more: number) =>
      to.folded.set(node, (to.folded.get(node) ?? 0) + more);
    to.add(0, -1);
    for (let i = 1; i < n; i++) {
      const up = of[parent[i]];
      const stands = from.folded.get(i); // it is a REST node already
      if (gone[parent[i]]) {
        gone[i] = 1;
        of[i] = up;
      } else if (stands || (least > 0 && most[i] < least)) {
        gone[i] = 1;
        let node = rest.get(up);
        if (node === undefined) rest.set(up, (node = to.add(REST, up)));
        count(node, stands ?? (a[i] || b[i] ? 1 : 0));
        of[i] = node;
      } else of[i] = to.add(from.label[i], up);
    }
    const folded = new Uint32Array(to.count);
    for (const [node, count] of to.folded) folded[node] = count;
    return { count: to.count, label: to.label, parent: to.parent, depth: to.depth, of, folded };
  }

  private sort(): void {
    const start = new Uint32Array(this.count + 1);
    for (let i = 1; i < this.count; i++) if (this.value[i]) start[this.parent[i] + 1]++;
    for (let i = 0; i < this.count; i++) start[i + 1] += start[i];
    const all = new Uint32Array(start[this.count]);
    const at = start.slice();
    for (let i = 1; i < this.count; i++) if (this.value[i]) all[at[this.parent[i]]++] = i;
    for (let i = 0; i < this.count; i++) {
      const list = all.subarray(start[i], start[i + 1]);
      this.lists.push(list);
      if (list.length > 1)
        list.sort((x, y) => {
          const lx = this.label[x] < 0 ? 1 : 0;
          const ly = this.label[y] < 0 ? 1 : 0;
          return lx - ly || this.value[y] - this.value[x] || x - y;
        });
    }
  }

  /** Those that have something on either side, the widest first, what is folded last. */
  children(node: number): Uint32Array {
    return this.lists[node];
  }

  first(node: number): number {
    return this.lists[node].length ? this.lists[node][0] : -1;
  }

  beside(node: number, step: number): number {
    if (!node) return -1;
    const all = this.children(this.parent[node]);
    return all[all.indexOf(node) + step] ?? -1;
  }

  /** The function of a node; 0: none. */
  functionOf(i: number): number {
    const label = this.label[i];
    return label <= 0 || !i ? 0 : this.options.lines ? this.pair.functionOf[label] : label;
  }

  name(i: number, full = false): string {
    const label = this.label[i];
    if (i === 0) return "all";
    if (label === SMALLER) return "smaller (folded when this page was made)";
    if (label === REST) return this.folded[i] + " smaller";
    return this.pair.name(this.options.lines ? "line" : "function", label, full);
  }
}

const made: { scopes: Scopes; key: string; tree: PairTree }[] = [];

/** A tree as the state asks for it; kept while its question is one of the last. */
export function pairTreeOf(
  pair: Pair, scopes: Scopes, state: State, up: boolean, root = 0,
): PairTree {
  const { metric, lines, least } = state;
  const key = [metric, lines, least, up, root].join();
  const known = made.find((k) => k.scopes === scopes && k.key === key);
  if (known) return known.tree;
  const tree = new PairTree(pair, scopes, {
    metric, lines, least, up, root, leastPercent: LEAST_PERCENT,
  });
  made.unshift({ scopes, key, tree });
  made.length = Math.min(made.length, 4);
  return tree;
}

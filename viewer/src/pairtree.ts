// The stacks of both profiles as one tree, by function or by line, with what each has
// on both sides. Boxes are as wide as the greater of the two, stack by stack, so that
// what is gone has its place beside what is new.

import type { Pair } from "./pair";
import { ownOf, type Scopes } from "./pairsums";
import type { Metric } from "./scope";
import { REST, SMALLER } from "./tree";

class Growing {
  count = 0;
  private room = 1024;
  label = new Int32Array(this.room);
  parent = new Int32Array(this.room);
  depth = new Uint32Array(this.room);

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

export interface PairTreeOptions {
  metric: Metric;
  lines: boolean;
  least: number; // what changed less, and has nothing below that did not, is folded
}

export class PairTree {
  readonly count: number;
  readonly label: Int32Array; // line or function; SMALLER; REST; [0]: the total
  readonly parent: Int32Array; // outer ones come first
  readonly depth: Uint32Array;
  /** With all that is below: of A, of B, and as wide as it is drawn. */
  readonly a: Float64Array;
  readonly b: Float64Array;
  readonly value: Float64Array;
  readonly selfA: Float64Array;
  readonly selfB: Float64Array;
  readonly below: Float64Array;
  readonly total: number;
  /** Of REST nodes: how many they stand for. */
  readonly folded: Uint32Array;
  private lists: Uint32Array[] = [];

  constructor(readonly pair: Pair, scopes: Scopes, readonly options: PairTreeOptions) {
    const { tree, of, smaller } = this.shape(pair, options.lines);
    const n = tree.count;
    const own = [new Float64Array(n), new Float64Array(n)];
    // By stack, for the widths; "smaller" ones apart, behind them.
    const stacks = pair.parent.length;
    const each = [new Float64Array(2 * stacks), new Float64Array(2 * stacks)];
    pair.sides.forEach((side, k) => {
      const sums = ownOf(scopes[k], options.metric);
      const values = options.metric === "allocations" ? sums.blocks : sums.bytes;
      for (let i = 0; i < values.length; i++) {
        if (!values[i]) continue;
        const stack = side.node[i];
        const small = side.model.isSmaller(i);
        own[k][small ? smaller.get(of[stack])! : of[stack]] += values[i];
        each[k][small ? stacks + stack : stack] += values[i];
      }
    });
    const width = new Float64Array(n);
    for (let i = 0; i < stacks; i++) {
      width[of[i]] += Math.max(each[0][i], each[1][i]);
      const small = Math.max(each[0][stacks + i], each[1][stacks + i]);
      if (small) width[smaller.get(of[i])!] += small;
    }
    const a = own[0].slice();
    const b = own[1].slice();
    const parent = tree.parent.subarray(0, n);
    for (let i = n - 1; i > 0; i--) {
      a[parent[i]] += a[i];
      b[parent[i]] += b[i];
      width[parent[i]] += width[i];
    }
    const kept = this.keep(tree, parent, a, b);
    this.count = kept.count;
    this.label = kept.label.slice(0, kept.count);
    this.parent = kept.parent.slice(0, kept.count);
    this.depth = kept.depth.slice(0, kept.count);
    const of2 = kept.of;
    const sum = (from: Float64Array, inclusive: boolean) => {
      const to = new Float64Array(this.count);
      // What is folded is inside what it is folded into: only the outermost counts.
      for (let i = 0; i < n; i++)
        if (!inclusive || !i || of2[i] !== of2[parent[i]]) to[of2[i]] += from[i];
      return to;
    };
    this.a = sum(a, true);
    this.b = sum(b, true);
    this.value = sum(width, true);
    this.selfA = sum(own[0], false);
    this.selfB = sum(own[1], false);
    this.folded = kept.folded;
    this.total = this.value[0];
    this.below = new Float64Array(this.count);
    for (let i = 1; i < this.count; i++) this.below[this.parent[i]] += this.value[i];
    this.sort();
  }

  /** A node for each way from the root; a function that calls itself is one. */
  private shape(pair: Pair, lines: boolean): {
    tree: Growing; of: Uint32Array; smaller: Map<number, number>;
  } {
    const tree = new Growing();
    const of = new Uint32Array(pair.parent.length);
    const known = new Map<number, number>();
    const things = pair.functionOf.length + 1;
    tree.add(0, -1);
    for (let i = 1; i < of.length; i++) {
      const up = of[pair.parent[i]];
      const label = lines ? pair.line[i] : pair.functionOf[pair.line[i]];
      if (up && tree.label[up] === label) {
        of[i] = up;
        continue;
      }
      const key = up * things + label;
      let node = known.get(key);
      if (node === undefined) known.set(key, (node = tree.add(label, up)));
      of[i] = node;
    }
    const smaller = new Map<number, number>();
    for (const side of pair.sides)
      for (let i = 1; i < side.model.nodeCount; i++) {
        const up = of[side.node[i]];
        if (side.model.isSmaller(i) && !smaller.has(up)) smaller.set(up, tree.add(SMALLER, up));
      }
    return { tree, of, smaller };
  }

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
    const counts = new Map<number, number>();
    to.add(0, -1);
    for (let i = 1; i < n; i++) {
      const up = of[parent[i]];
      if (gone[parent[i]]) {
        gone[i] = 1;
        of[i] = up;
      } else if (least > 0 && most[i] < least) {
        gone[i] = 1;
        let node = rest.get(up);
        if (node === undefined) rest.set(up, (node = to.add(REST, up)));
        counts.set(node, (counts.get(node) ?? 0) + (a[i] || b[i] ? 1 : 0));
        of[i] = node;
      } else of[i] = to.add(from.label[i], up);
    }
    const folded = new Uint32Array(to.count);
    for (const [node, count] of counts) folded[node] = count;
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

  name(i: number, full = false): string {
    const label = this.label[i];
    if (i === 0) return "all";
    if (label === SMALLER) return "smaller (folded when this page was made)";
    if (label === REST) return this.folded[i] + " smaller";
    return this.pair.name(this.options.lines ? "line" : "function", label, full);
  }
}

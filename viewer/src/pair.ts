// Two profiles of one page, and how they match: the columns of cli/export/html_pair.c.
// What has equal numbers is one thing to `heapline diff`, on whichever side it is.

import type { Numbers } from "./data";
import type { Model } from "./model";

/** What rows of a comparison are: `heapline diff --by`. */
export const UNITS_OF_ROWS = ["line", "function", "site", "module"] as const;
export type Unit = (typeof UNITS_OF_ROWS)[number];

/** By node of a profile, and by frame of its places: the numbers of both. */
export interface Side {
  model: Model;
  node: Numbers; // the stack; of "smaller" nodes the one that they are below
  /** What its blocks count under; 0 of "smaller" nodes. */
  thing: Record<"line" | "function" | "module", Numbers>;
  frameLine: Numbers;
  frameModule: Numbers;
}

/** A frame of one side, to name a thing by. */
export interface Named {
  side: 0 | 1;
  frame: number;
}

function greatest(numbers: Numbers): number {
  let most = 0;
  for (let i = 0; i < numbers.length; i++) if (numbers[i] > most) most = numbers[i];
  return most;
}

export class Pair {
  readonly sides: readonly [Side, Side];
  /** By stack: the one outside; the root is its own. Outer ones come first. */
  readonly parent: Uint32Array;
  /** By line: a frame + 1 of each side; 0: it has none. */
  private lineFrame: [Uint32Array, Uint32Array];
  private functionFrame: [Uint32Array, Uint32Array];
  private moduleFrame: [Uint32Array, Uint32Array];

  private constructor(
    readonly a: Model,
    readonly b: Model,
    sides: [Side, Side],
    up: Numbers,
    /** By stack: the line of its innermost frame; by line: its function. */
    readonly line: Numbers,
    readonly functionOf: Numbers,
  ) {
    this.sides = sides;
    this.parent = new Uint32Array(up.length);
    for (let i = 0; i < up.length; i++) this.parent[i] = i - up[i];
    const lines = functionOf.length;
    const functions = greatest(functionOf) + 1;
    const modules = Math.max(...sides.map((s) => greatest(s.frameModule))) + 1;
    const two = (n: number) => [new Uint32Array(n), new Uint32Array(n)] as [Uint32Array, Uint32Array];
    this.lineFrame = two(lines);
    this.functionFrame = two(functions);
    this.moduleFrame = two(modules);
    sides.forEach((s, k) => {
      for (let f = s.frameLine.length; f-- > 0; ) {
        this.lineFrame[k][s.frameLine[f]] = f + 1;
        this.functionFrame[k][functionOf[s.frameLine[f]]] = f + 1;
        this.moduleFrame[k][s.frameModule[f]] = f + 1;
      }
    });
  }

  /** null: the page has one profile. */
  static async read(a: Model, second: () => Promise<Model>): Promise<Pair | null> {
    const up = await a.data.numbers("pair.up");
    if (!up.length) return null;
    const b = await second();
    const side = async (model: Model): Promise<Side> => {
      const [node, line, fn, module, frameLine, frameModule] = await Promise.all(
        ["node", "node_line", "node_function", "node_module", "frame_line", "frame_module"].map(
          (name) => model.data.numbers("pair." + name),
        ),
      );
      return { model, node, thing: { line, function: fn, module }, frameLine, frameModule };
    };
    const [line, functionOf] = await Promise.all([
      a.data.numbers("pair.line"), a.data.numbers("pair.function"),
    ]);
    return new Pair(a, b, [await side(a), await side(b)], up, line, functionOf);
  }

  /** A frame of a line, function or module: B's if it has one, or rather A's. */
  private frameOf(unit: "line" | "function" | "module", id: number, rather: 0 | 1): Named | null {
    const of = { line: this.lineFrame, function: this.functionFrame, module: this.moduleFrame }[unit];
    const side = of[rather][id] ? rather : 1 - rather;
    return of[side][id] ? { side: side as 0 | 1, frame: of[side][id] - 1 } : null;
  }

  /** The frame of a line on one side; -1: it has none. */
  lineOn(side: 0 | 1, line: number): number {
    return this.lineFrame[side][line] - 1;
  }

  functionOn(side: 0 | 1, fn: number): number {
    return this.functionFrame[side][fn] - 1;
  }

  name(unit: "line" | "function" | "module", id: number, full = false, rather: 0 | 1 = 1): string {
    const named = this.frameOf(unit, id, rather);
    if (!named) return "(no stack)";
    const m = this.sides[named.side].model;
    const labels = m.labels[unit];
    const label = { line: m.frame.by_line, function: m.frame.by_function, module: m.frame.by_module }[unit];
    return m.text((full ? labels.full : labels.short)[label[named.frame]]);
  }

  /** The function of that full name; 0: there is none. */
  functionCalled(full: string): number {
    const count = full ? this.functionFrame[0].length : 0;
    for (let f = 1; f < count; f++)
      if (this.name("function", f, true, 1) === full || this.name("function", f, true, 0) === full)
        return f;
    return 0;
  }

  /** What a function is called in its source, with its arguments. */
  functionName(id: number): string {
    const named = this.frameOf("function", id, 1);
    if (!named) return "";
    const m = this.sides[named.side].model;
    return m.text(m.labels.function.function[m.frame.by_function[named.frame]]);
  }
}

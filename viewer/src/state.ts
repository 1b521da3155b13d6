// What is looked at. All of it is in the URL's fragment, so that a link or a reload
// shows the same.

import { UNITS_OF_ROWS, type Unit } from "./pair";
import { type Domain, DOMAINS, METRICS, type Metric } from "./scope";

export const VIEWS = [
  "source", "flame", "tree", "top", "timeline", "leaks", "refs", "sizes", "processes",
] as const;
export type View = (typeof VIEWS)[number];

export const TOP_BY = ["site", "function", "file", "module", "process"] as const;
export type TopBy = (typeof TOP_BY)[number];

export const DIRECTIONS = ["down", "up", "callers"] as const;
export type Direction = (typeof DIRECTIONS)[number];

/** Of two profiles: what changed, or one of them alone. */
export const SHOWS = ["diff", "a", "b"] as const;

/** Of two profiles' live blocks: what rows are. */
export const CHANGED_BLOCKS = ["block", "type"] as const;

export const WAYS = ["backrefs", "refs", "path"] as const;

export interface State {
  view: View;
  show: (typeof SHOWS)[number];
  unit: Unit; // of rows of what changed
  changed: (typeof CHANGED_BLOCKS)[number];
  least: number; // changes below it are folded
  metric: Metric;
  domain: Domain;
  pid: number;
  focus: string;
  ignore: string;
  file: string; // of the source view; "": the first function's
  fn: string; // name of the function shown there
  all: boolean; // system code too
  dir: Direction; // of flame graph and tree; callers: from the allocations up
  lines: boolean; // nodes are lines, not functions
  search: string;
  root: string; // full name of the function between its callers and callees; ""
  by: TopBy;
  classes: "size" | "lifetime"; // of blocks
  from: number; // ns: the range of time that is shown; to 0: to the end
  to: number;
  start: number; // of the timeline's own view, likewise
  end: number;
  kinds: string; // of leaks, "definite,cycle"; "": those that are listed anyhow; "all"
  min: string; // "10K": of a finding
  module: string; // path; "": any
  leak: string; // the finding that is looked at: its kind and place in it
  block: string; // of the reference explorer: an address or site; "": the list of all
  snap: number; // of snapshots; 0: any
  way: (typeof WAYS)[number];
  open: string; // sides of blocks that were opened, see refs.ts
  at: string; // the node that is looked at; "": the block
}

const DEFAULT: State = {
  view: "source", show: "diff", unit: "line", changed: "block", least: 0, metric: "peak", domain: "malloc", pid: 0, focus: "", ignore: "",
  file: "", fn: "", all: false, dir: "down", lines: false, search: "", root: "",
  by: "site", classes: "size", from: 0, to: 0, start: 0, end: 0,
  kinds: "", min: "", module: "", leak: "", block: "", snap: 0, way: "backrefs", open: "", at: "",
};

const WORDS: Partial<Record<keyof State, readonly string[]>> = {
  view: VIEWS,
  show: SHOWS,
  unit: UNITS_OF_ROWS,
  changed: CHANGED_BLOCKS,
  metric: METRICS,
  domain: DOMAINS,
  dir: DIRECTIONS,
  by: TOP_BY,
  classes: ["size", "lifetime"],
  way: WAYS,
};

export function parseState(fragment: string): State {
  const given = new URLSearchParams(fragment.replace(/^#/, ""));
  const state: Record<string, unknown> = { ...DEFAULT };
  for (const key of Object.keys(DEFAULT) as (keyof State)[]) {
    const value = given.get(key);
    const words = WORDS[key];
    if (value === null || (words && !words.includes(value))) continue;
    if (typeof DEFAULT[key] === "boolean") state[key] = value === "1";
    else if (typeof DEFAULT[key] === "number") {
      const number = Number(value);
      if (Number.isFinite(number) && number >= 0) state[key] = number;
    } else state[key] = value;
  }
  return state as unknown as State;
}

export function formatState(state: State): string {
  const given = new URLSearchParams();
  for (const key of Object.keys(DEFAULT) as (keyof State)[]) {
    const value = state[key];
    if (value === DEFAULT[key] && key !== "view") continue;
    given.set(key, typeof value === "boolean" ? (value ? "1" : "0") : String(value));
  }
  return "#" + given.toString();
}

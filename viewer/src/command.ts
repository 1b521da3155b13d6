// The command that prints at a terminal what a view shows.

import { globOf, kindsOf, kindsWord, parseSize } from "./leaks";
import type { Model } from "./model";
import type { State } from "./state";
import { LEAST_PERCENT } from "./tree";
import { shellWord } from "./units";

function common(state: State): string[] {
  const words: string[] = [];
  if (state.from || state.to)
    words.push(`--time=${state.from}ns..${state.to ? state.to + "ns" : ""}`);
  if (state.pid) words.push("--process=" + state.pid);
  if (state.domain !== "malloc") words.push("--domain=" + state.domain);
  if (state.focus) words.push(shellWord("--focus=" + state.focus));
  if (state.ignore) words.push(shellWord("--ignore=" + state.ignore));
  return words;
}

function lines(state: State): string[] {
  const sort = state.metric === "allocations" ? [] : ["--sort=" + state.metric];
  return ["lines", "--columns=all", ...(state.file ? [shellWord("--file=" + state.file)] : sort)];
}

function leaks(state: State): string[] {
  const kinds = kindsWord(kindsOf(state));
  return [
    "leaks",
    ...(kinds ? ["--kind=" + kinds] : []),
    ...(parseSize(state.min) ? ["--min=" + parseSize(state.min)] : []),
    ...(state.module ? [shellWord("--module=" + globOf(state.module))] : []),
    ...common({ ...state, from: 0, to: 0 }),
  ];
}

function refs(state: State): string[] {
  const snapshot = state.snap ? ["--snapshot=" + state.snap] : [];
  if (!state.block) return ["blocks", "-n", "500", ...snapshot];
  return [state.way, ...snapshot, shellWord(state.block)];
}

export function treeWords(state: State): string[] {
  return [
    "tree", "--sort=" + state.metric,
    ...(state.dir === "callers" ? ["--bottom-up", "--min=" + LEAST_PERCENT] : ["--min=0"]),
    ...(state.lines ? ["--lines"] : []),
  ];
}

function verb(state: State): string[] {
  switch (state.view) {
    case "source":
      return [...lines(state), ...common(state)];
    case "flame":
    case "tree":
      return [...treeWords(state), ...common(state)];
    case "top":
      return ["top", "--by=" + state.by, "--sort=" + state.metric, ...common(state)];
    case "timeline":
      return ["timeline"];
    case "leaks":
      return leaks(state);
    case "refs":
      return refs(state);
    case "sizes":
      return ["top", "--by=" + state.classes, ...common(state)];
    default:
      return ["report"];
  }
}

export function command(model: Model, state: State): string {
  const profile = model.about.profile;
  return ["heapline", ...verb(state), ...(profile ? [shellWord(profile)] : [])].join(" ");
}

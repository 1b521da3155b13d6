// Which findings are listed: the rules of cli/report/leaks.c.

import { type Kind, KINDS, type Leak, type Leaks, USUAL } from "./heap";
import type { State } from "./state";
import { parseRegex } from "./scope";

/** "10K", as options of the command line take it. 0 for ""; null: it is no size. */
export function parseSize(text: string): number | null {
  const match = /^(\d+)([kmgt]?)(?:i?b)?$/i.exec(text.trim());
  if (!match) return text.trim() ? null : 0;
  return Number(match[1]) * 1024 ** (match[2] ? "kmgt".indexOf(match[2].toLowerCase()) + 1 : 0);
}

export function kindsOf(state: State): Kind[] {
  if (state.kinds === "all") return [...KINDS];
  const words = state.kinds.split(",");
  const kinds = KINDS.filter((k) => words.includes(k));
  return kinds.length ? kinds : [...USUAL];
}

/** The word for --kind; "": those that are listed anyhow. */
export function kindsWord(kinds: readonly Kind[]): string {
  if (kinds.length === KINDS.length) return "all";
  const same = kinds.length === USUAL.length && USUAL.every((k) => kinds.includes(k));
  return same || !kinds.length ? "" : KINDS.filter((k) => kinds.includes(k)).join(",");
}

/** Characters that a glob would take for more than themselves. */
export function globOf(path: string): string {
  return path.replace(/[*?[\]\\]/g, "\\$&");
}

export interface Row {
  key: string;
  leak: Leak;
}

function isThrough(leak: Leak, regex: RegExp): boolean {
  return leak.stack.some(
    (f) =>
      (f.function && regex.test(f.function)) || (f.file && regex.test(f.file)) ||
      (f.module && regex.test(f.module)),
  );
}

export function isOf(leak: Leak, state: State): boolean {
  return !state.pid || leak.pid === state.pid;
}

export function rowsOf(leaks: Leaks, state: State): Row[] {
  const focus = parseRegex(state.focus).regex;
  const ignore = parseRegex(state.ignore).regex;
  const least = parseSize(state.min) ?? 0;
  const rows: Row[] = [];
  for (const kind of kindsOf(state))
    leaks.kinds.get(kind)?.leaks.forEach((leak, i) => {
      if (!isOf(leak, state) || leak.bytes + leak.held_bytes < least) return;
      if (state.module && leak.module !== state.module) return;
      if ((focus && !isThrough(leak, focus)) || (ignore && isThrough(leak, ignore))) return;
      rows.push({ key: kind + "." + i, leak });
    });
  return rows;
}

export function modulesOf(leaks: Leaks): string[] {
  const all = new Set<string>();
  for (const report of leaks.kinds.values())
    for (const leak of report.leaks) if (leak.module) all.add(leak.module);
  return [...all].sort();
}

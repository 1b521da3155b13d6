// What to look at first, in a sentence each.
//
// A suspect is a site. How much is at stake is what it lost, with what that held, or
// what it gained where it grew in every window of time; ranked by that, halved for each
// doubt: nobody could look who holds it, only doubtful pointers lead to it, blocks of
// its stack were called lost before and freed later.

import { type Growing, type Leak, type Leaks, type Kind, LOST } from "./heap";
import { count, duration, size } from "./units";

export interface Suspect {
  key: string; // of the worst finding, or ""
  leak: Leak | null; // that
  site: string;
  stake: number; // bytes
  text: string; // behind the site
}

const SUSPECTS = 6;
const DOUBTFUL: readonly Kind[] = ["possible", "unscanned"];

const blocks = (n: number) => count(n) + (n === 1 ? " block" : " blocks");

/** Findings of one site and kind, in several processes or by several stacks. */
interface Lost {
  key: string;
  first: Leak;
  all: Leak[];
}

const sum = (all: Leak[], of: (leak: Leak) => number) => all.reduce((s, leak) => s + of(leak), 0);
const stakeOf = (lost: Lost) => sum(lost.all, (leak) => leak.bytes + leak.held_bytes);

function lostText(lost: Lost): string {
  const { all } = lost;
  const { kind } = lost.first;
  const many = sum(all, (leak) => leak.blocks);
  const it = many === 1 ? "it" : "them";
  const first = duration(Math.min(...all.map((leak) => leak.first_ns)));
  const last = duration(Math.max(...all.map((leak) => leak.last_ns)));
  const processes = new Set(all.map((leak) => leak.process_serial)).size;
  let text = `allocated ${size(sum(all, (leak) => leak.bytes))} in ${blocks(many)}`;
  if (processes > 1) text += ` of ${count(processes)} processes`;
  else if (all.length > 1) text += ` by ${count(all.length)} stacks`;
  text += first === last ? ` at ${first}` : ` between ${first} and ${last}`;
  if (kind === "definite") text += " that nothing points at any more";
  else if (kind === "cycle") text += ` that only ${many === 1 ? "its" : "their"} own ring holds`;
  else if (kind === "possible") text += " that only doubtful pointers lead to";
  else text += ` and never freed ${it}; nobody could look who holds ${it}`;
  if (sum(all, (leak) => leak.held_blocks))
    text += `; freed, ${many === 1 ? "it" : "they"} would release ${size(stakeOf(lost))}`;
  const disproved = Math.max(...all.map((leak) => leak.disproved));
  if (disproved)
    text +=
      `. Doubtful: ${blocks(disproved)} of the stack ${disproved === 1 ? "was" : "were"} ` +
      "called lost before and freed later";
  return text + ".";
}

function growthText(site: Growing["sites"][0], windows: number): string {
  return (
    `grew in each of ${windows} windows of time: ${size(site.gained_bytes)} more, ` +
    `${size(site.bytes_per_second)} a second, in ${blocks(site.live_blocks)} that live at the end.`
  );
}

/** "still held: g_table in app -> block -> ...": the root of that chain. */
function holder(leak: Leak): string {
  const match = /: (.*?)(?: -> |$)/s.exec(leak.reason);
  return match ? ` ${match[1]} holds them.` : "";
}

const sameStack = (a: Leak["stack"], b: Leak["stack"]) =>
  a.length === b.length &&
  a.every((f, i) => f.function === b[i].function && f.file === b[i].file && f.line === b[i].line);

/** What is lost, or may be, by site and kind. */
function lostOf(leaks: Leaks | null, pid: number): Lost[] {
  const found = new Map<string, Lost>();
  for (const [kind, report] of leaks?.kinds ?? []) {
    // What only lost blocks hold goes with those; so does a ring with its leader, whose
    // place the reasons of the others name.
    if (kind === "indirect" || !(LOST.includes(kind) || DOUBTFUL.includes(kind))) continue;
    report.leaks.forEach((leak, i) => {
      if (pid && leak.pid !== pid) return;
      if (kind === "cycle" && !leak.held_blocks && leak.reason.includes(": ")) return;
      const known = found.get(kind + leak.site);
      if (known) known.all.push(leak);
      else found.set(kind + leak.site, { key: kind + "." + i, first: leak, all: [leak] });
    });
  }
  return [...found.values()];
}

type Ranked = Suspect & { rank: number; lost: Lost | null };

function ofLost(lost: Lost): Ranked {
  const stake = stakeOf(lost);
  const doubts =
    (DOUBTFUL.includes(lost.first.kind) ? 1 : 0) + (lost.all.some((leak) => leak.disproved) ? 1 : 0);
  return {
    key: lost.key, leak: lost.first, site: lost.first.site, stake, rank: stake / 2 ** doubts,
    text: lostText(lost), lost,
  };
}

/** Of a process (0: all), the worst first. */
export function suspectsOf(leaks: Leaks | null, growing: Growing | null, pid: number): Suspect[] {
  const found = lostOf(leaks, pid).map(ofLost);
  const windows = growing ? growing.windows.filter((w) => !w.warm_up).length : 0;
  for (const site of growing?.sites ?? []) {
    if (pid && site.pid !== pid) continue;
    const text = growthText(site, windows);
    const same = (leak: Leak) =>
      leak.process_serial === site.process_serial && sameStack(leak.stack, site.stack);
    const known = found.find((f) => f.lost?.all.some(same));
    if (known) {
      known.text = known.text.replace(/\.$/, "") + "; it " + text;
      known.rank = Math.max(known.rank, site.gained_bytes);
      continue;
    }
    const reachable = leaks?.kinds.get("reachable")?.leaks ?? [];
    const at = reachable.findIndex(same);
    const held = at < 0 ? null : reachable[at];
    const file = site.file.slice(site.file.lastIndexOf("/") + 1);
    found.push({
      key: held ? "reachable." + at : "",
      leak: held,
      site: held ? held.site : site.function + (file ? ` (${file}:${site.line})` : ""),
      stake: site.gained_bytes,
      rank: site.gained_bytes,
      text: text + (held ? holder(held) : ""),
      lost: null,
    });
  }
  return found.sort((a, b) => b.rank - a.rank || b.stake - a.stake).slice(0, SUSPECTS);
}

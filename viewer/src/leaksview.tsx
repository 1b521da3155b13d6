// Leaks: what to look at first, the findings, and each with its reason and stack.

import { useEffect, useState } from "preact/hooks";
import { Bytes } from "./cells";
import { useView } from "./context";
import { Grid } from "./grid";
import { type Growing, heapOf, type HeapAbout, type Kind, type Leak, type Leaks, LOST } from "./heap";
import { type KindFigure, Kinds } from "./kinds";
import { isOf, kindsOf, kindsWord, modulesOf, parseSize, type Row, rowsOf } from "./leaks";
import { baseName, StackList } from "./places";
import { type Suspect, suspectsOf } from "./suspects";
import { clean, count, duration, size } from "./units";

const blocks = (n: number) => count(n) + (n === 1 ? " block" : " blocks");

// ---- what was looked at -----------------------------------------------------------------

function Verdict(p: { of: Leaks }) {
  const h = p.of.heading;
  const when = !h.early ? ", at the end" : h.early < h.scanned ? ", some before the end" : ", alive";
  const processes = (n: number) => (n === 1 ? "1 process was" : count(n) + " processes were");
  return (
    <>
      {h.unscanned > 0 && (
        <p class="notice not-scanned" role="note">
          <strong>{processes(h.unscanned)} not looked at:</strong> {clean(h.cause)}. Blocks that{" "}
          {h.unscanned === 1 ? "it" : "they"} never freed are listed as <em>unscanned</em>: who holds
          them is not known. <code>heapline run --snapshot-at-exit PROGRAM</code> finds out
          (<code>--snapshot-at-any-exit</code> where a signal ends it), and{" "}
          <code>heapline snapshot PID</code> while it runs.
        </p>
      )}
      {h.scanned + h.disproved > 0 && <p class="caption">
        {h.scanned > 0 && `${processes(h.scanned)} looked at${when}. `}
        {h.disproved
          ? `False positives: ${blocks(h.disproved)} that a snapshot called lost ` +
            `${h.disproved === 1 ? "was" : "were"} freed later.`
          : h.scanned > 0 && "False positives: none (no block that a snapshot called lost was freed later)."}
      </p>}
    </>
  );
}

function Suspects(p: { of: Suspect[]; choose: (s: Suspect) => void }) {
  if (!p.of.length) return <p class="caption">Nothing is suspicious: nothing lost, nothing that grows.</p>;
  return (
    <section class="suspects" aria-label="Suspects">
      <h2>Suspects</h2>
      <ol>
        {p.of.map((s) => (
          <li key={s.key + s.site} data-key={s.key} data-value={s.stake}>
            {s.leak ? (
              <button type="button" class="link" onClick={() => p.choose(s)}>
                {clean(s.site)}
              </button>
            ) : (
              <span class="name">{clean(s.site)}</span>
            )}{" "}
            {clean(s.text)}
          </li>
        ))}
      </ol>
    </section>
  );
}

// ---- filters -----------------------------------------------------------------------------

/** What a kind has: of all that there is, or of one process's. */
function sumOf(of: Leaks, kind: Kind, pid: number): { bytes: number; blocks: number; least: boolean } {
  const all = of.heading.sums[kind];
  if (!pid) return { ...all, least: false };
  const report = of.kinds.get(kind);
  const own = report ? report.leaks.filter((leak) => leak.pid === pid) : [];
  return {
    bytes: own.reduce((sum, leak) => sum + leak.bytes, 0),
    blocks: own.reduce((sum, leak) => sum + leak.blocks, 0),
    least: report ? report.found > report.leaks.length : false,
  };
}

function figureOf(of: Leaks, kind: Kind, pid: number): KindFigure | null {
  const sum = sumOf(of, kind, pid);
  if (!sum.blocks && !LOST.includes(kind)) return null;
  return {
    value: sum.bytes,
    text: (sum.least ? "\u2265 " : "") + size(sum.bytes),
    note: blocks(sum.blocks),
    title: of.heading.sums[kind].meaning,
  };
}

function Filters(p: { of: Leaks }) {
  const { state, set } = useView();
  const modules = modulesOf(p.of);
  return (
    <div class="tools">
      <label class="field">
        <span>At least</span>
        <input
          type="search"
          value={state.min}
          placeholder="bytes, 10K, 1M"
          aria-invalid={parseSize(state.min) === null}
          onInput={(e) => set({ min: e.currentTarget.value })}
        />
      </label>
      {modules.length > 1 && (
        <label class="field">
          <span>Module</span>
          <select value={state.module} onChange={(e) => set({ module: e.currentTarget.value })}>
            <option value="">all</option>
            {modules.map((path) => (
              <option key={path} value={path}>
                {clean(baseName(path))}
              </option>
            ))}
          </select>
        </label>
      )}
    </div>
  );
}

// ---- one --------------------------------------------------------------------------------

function Details(p: { leak: Leak; several: boolean }) {
  const { set } = useView();
  const { leak } = p;
  const refs = (way: "backrefs" | "refs" | "path") =>
    set(
      { view: "refs", block: leak.address!, snap: leak.snapshot ?? 0, way, open: "", at: "" },
      true,
    );
  const facts: [string, string, string, number][] = [
    ["bytes", "Bytes", size(leak.bytes), leak.bytes],
    ["blocks", "Blocks", count(leak.blocks), leak.blocks],
    ["held_bytes", "Freeing would release, too", size(leak.held_bytes), leak.held_bytes],
    ["held_blocks", "... in blocks", count(leak.held_blocks), leak.held_blocks],
    ["first_ns", "First allocated at", duration(leak.first_ns), leak.first_ns],
    ["last_ns", "Last allocated at", duration(leak.last_ns), leak.last_ns],
    ["disproved", "Of its stack called lost, and freed later", count(leak.disproved), leak.disproved],
  ];
  return (
    <section class="details" aria-label="The finding">
      <h2>
        {clean(leak.site)} <small>{leak.kind}</small>
      </h2>
      <p class="reason">
        {clean(leak.reason)}.
        {leak.leader && leak.kind === "indirect" ? ` It goes with a ${leak.leader} one.` : ""}
      </p>
      {leak.address ? (
        <p class="sample">
          {leak.blocks > 1 ? "One is " : "It is "} <code>{leak.address}</code>{" "}
          <span class="actions">
            <button type="button" onClick={() => refs("backrefs")}>
              Who points at it
            </button>
            <button type="button" onClick={() => refs("refs")}>
              What it points at
            </button>
            <button type="button" onClick={() => refs("path")}>
              Path to it
            </button>
          </span>
        </p>
      ) : (
        <p class="sample muted">No address of its blocks is known.</p>
      )}
      <h3>Allocated by</h3>
      <StackList stack={leak.stack} />
      <dl>
        {p.several && (
          <>
            <dt>Process</dt>
            <dd>{leak.pid}</dd>
          </>
        )}
        {facts.map(([key, title, text, value]) => (
          <>
            <dt>{title}</dt>
            <dd data-key={key} data-value={value} title={count(value)}>
              {text}
            </dd>
          </>
        ))}
      </dl>
    </section>
  );
}

function Findings(p: { rows: Row[]; at: number }) {
  const { model: m, set } = useView();
  const several = m.report.processes.length > 1;
  return (
    <Grid
      label="Findings"
      className="findings"
      columns={[
        { title: "Kind", className: "text kind" },
        { title: "Bytes", className: "number" },
        { title: "Blocks", className: "number wide" },
        { title: "Releases", className: "number wide" },
        { title: "Allocated by", className: "text" },
        { title: "Reason", className: "text wide" },
      ]}
      template="var(--findings-columns)"
      count={p.rows.length}
      selected={p.at}
      onSelect={(row) => set({ leak: p.rows[row].key })}
      onOpen={(row) => {
        const { leak } = p.rows[row];
        if (leak.address)
          set(
            {
              view: "refs", block: leak.address, snap: leak.snapshot ?? 0, way: "backrefs",
              open: "", at: "",
            },
            true,
          );
      }}
      cells={(row) => {
        const { leak } = p.rows[row];
        return [
          <span class={"leak-" + (LOST.includes(leak.kind) ? "lost" : "other")}>{leak.kind}</span>,
          <Bytes value={leak.bytes} />,
          <span data-value={leak.blocks}>{count(leak.blocks)}</span>,
          <Bytes value={leak.bytes + leak.held_bytes} />,
          <span class="name" title={clean(leak.site)}>
            {clean(leak.site)}
            {several && <small> of {leak.pid}</small>}
          </span>,
          <span class="muted reason" title={clean(leak.reason)}>
            {clean(leak.reason)}
          </span>,
        ];
      }}
    />
  );
}

/** Where the page does not have all of a kind. */
function LeftOut(p: { of: Leaks; kinds: Kind[] }) {
  const short = p.kinds
    .map((kind) => p.of.kinds.get(kind))
    .filter((r) => r && r.found > r.leaks.length)
    .map((r) => `${count(r!.found - r!.leaks.length)} more ${r!.leaks[0].kind} ones`);
  if (!short.length) return null;
  return (
    <p class="remark">
      The worst of each kind are here, and filters look at these; {short.join(", ")}: the command
      below lists them all.
    </p>
  );
}

// ---- all ----------------------------------------------------------------------------------

function NoLeaks(p: { about: HeapAbout }) {
  return (
    <div class="leaks-view">
      <p class="notice" role="note">
        {p.about.cut
          ? "This page is of a part of the recording, and a leak is judged of all of it: make a page without --at, --time, --size and --thread."
          : p.about.why
            ? `Leaks could not be found: ${clean(p.about.why)}.`
            : "This page was made without looking for leaks."}
      </p>
    </div>
  );
}

export function LeaksView() {
  const { model: m, state, set } = useView();
  const [found, setFound] = useState<{
    domain: string;
    about: HeapAbout;
    leaks: Leaks | null;
    growing: Growing | null;
  } | null>(null);
  const [failed, setFailed] = useState("");
  useEffect(() => {
    let current = true;
    const heap = heapOf(m.data);
    const { domain } = state;
    Promise.all([heap.about(), heap.leaks(domain), heap.growing()]).then(
      ([about, leaks, growing]) => current && setFound({ domain, about, leaks, growing }),
      (error: Error) => current && setFailed(error.message),
    );
    return () => {
      current = false;
    };
  }, [state.domain]);
  if (failed) return <p class="notice">{clean(failed)}</p>;
  if (!found || found.domain !== state.domain) return <p class="loading">Reading ...</p>;
  const { about, leaks, growing } = found;
  if (!leaks) return <NoLeaks about={about} />;
  const rows = rowsOf(leaks, state);
  const at = rows.findIndex((row) => row.key === state.leak);
  const sum = rows.reduce(
    (s, r) => ({ bytes: s.bytes + r.leak.bytes, blocks: s.blocks + r.leak.blocks }),
    { bytes: 0, blocks: 0 },
  );
  const chosen = at >= 0 ? rows[at].leak : null;
  const several = new Set(m.report.processes.filter((q) => isOf({ pid: q.pid } as Leak, state))).size > 1;
  return (
    <div class={"leaks-view" + (chosen ? " detailed" : "")}>
      <Verdict of={leaks} />
      {state.domain === "malloc" && (
        <Suspects
          of={suspectsOf(leaks, growing, state.pid)}
          choose={(s) => {
            const kinds = kindsOf(state);
            const wanted = s.leak!.kind;
            set({
              leak: s.key, min: "", module: "",
              kinds: kindsWord(kinds.includes(wanted) ? kinds : [...kinds, wanted]),
            });
          }}
        />
      )}
      <div class="filters">
        <Kinds state={state} set={set} of={(kind) => figureOf(leaks, kind, state.pid)} />
        <Filters of={leaks} />
      </div>
      <p class="caption" role="status">
        Listed: {rows.length === 1 ? "1 finding" : count(rows.length) + " findings"},{" "}
        <span data-key="listed" data-value={sum.bytes} title={count(sum.bytes) + " bytes"}>
          {size(sum.bytes)}
        </span>{" "}
        in {blocks(sum.blocks)}.
        {rows.some((row) => row.leak.address) && " Enter shows who points at one of a row's blocks."}
      </p>
      <LeftOut of={leaks} kinds={kindsOf(state)} />
      <div class="split">
        <Findings rows={rows} at={at} />
        {chosen && <Details leak={chosen} several={several} />}
      </div>
    </div>
  );
}

// The reference explorer: blocks by where they were allocated, and around one of them
// who points at it, what it points at, and the way to it from a root.

import { useEffect, useState } from "preact/hooks";
import { Bytes } from "./cells";
import { useView } from "./context";
import { GraphBox } from "./graphbox";
import { Grid } from "./grid";
import { type Graph, heapOf, type HeapAbout, type Neighbour, type Side, typeOf } from "./heap";
import { Choice } from "./parts";
import { placeOfSite, toSource } from "./places";
import {
  type BlockNode, type Drawing, drawingOf, edgeText, formatOpened, MORE, type Node, parseOpened,
  sideKey,
} from "./refs";
import { WAYS } from "./state";
import { clean, count, duration, size } from "./units";

const HELD: Record<string, string> = {
  sure: "held", inside: "held by pointers into blocks", weak: "held by doubtful pointers alone",
  exited: "held by the frames that ended the process alone",
  ignored: "held by nobody, but declared no leak by the program", no: "held by nobody",
};

const WAY_TITLES = { backrefs: "Who points at it", refs: "What it points at", path: "Path to it" };

// ---- which graph -----------------------------------------------------------------------

interface Found {
  about: HeapAbout;
  number: number;
  graph: Graph | null;
}

function useGraph(): Found | null {
  const { model: m, state, set } = useView();
  const [found, setFound] = useState<Found | null>(null);
  useEffect(() => {
    let current = true;
    const heap = heapOf(m.data);
    void (async () => {
      const about = await heap.about();
      const numbers = about.snapshots.map((s) => s.number);
      const number = numbers.includes(state.snap) || heap.asks ? state.snap || numbers[0] : numbers[0];
      const graph = number ? await heap.graph(number).catch(() => null) : null;
      if (!current) return;
      if (number && number !== state.snap) set({ snap: number });
      setFound({ about, number, graph });
    })();
    return () => {
      current = false;
    };
  }, [state.snap]);
  return found;
}

function NoGraph(p: { about: HeapAbout; number: number }) {
  const { about } = p;
  const text = about.cut
    ? "This page is of a part of the recording, and a heap graph is of all blocks: make a page without --at, --time, --size and --thread."
    : about.graph_why
      ? `The heap was not scanned: ${clean(about.graph_why)}.`
      : "The profile has no snapshot of a heap.";
  return (
    <div class="refs-view">
      <p class="notice" role="note">
        {text}
      </p>
      {!about.cut && (
        <p class="caption">
          <code>heapline run --snapshot-at-exit PROGRAM</code> records who points at whom as the
          program ends (<code>--snapshot-at-any-exit</code> where a signal ends it);{" "}
          <code>heapline snapshot PID</code> while it runs.
        </p>
      )}
    </div>
  );
}

// ---- all blocks, by site ---------------------------------------------------------------

function Groups(p: { graph: Graph }) {
  const { set } = useView();
  const { groups, groupCount } = p.graph;
  const [selected, select] = useState(0);
  const open = (row: number) =>
    set({ block: groups[row].first.address, open: "", at: "" }, true);
  return (
    <>
      <p class="caption">
        Live blocks of the snapshot, by where they were allocated and how they are held. Enter shows
        who points at the first of them.
        {groupCount > groups.length &&
          ` ${count(groupCount - groups.length)} smaller groups are not listed.`}
      </p>
      <Grid
        label="Blocks"
        className="groups"
        columns={[
          { title: "Blocks", className: "number" },
          { title: "Size", className: "number" },
          { title: "First block", className: "text wide" },
          { title: "Allocated by, and how held", className: "text" },
        ]}
        template="var(--groups-columns)"
        count={groups.length}
        selected={selected}
        onSelect={select}
        onOpen={open}
        cells={(row) => {
          const g = groups[row];
          return [
            <span data-value={g.count}>{count(g.count)}</span>,
            <Bytes value={g.sum_bytes} />,
            <button type="button" class="link" tabIndex={-1} onClick={() => open(row)}>
              {g.first.address}
            </button>,
            <span class="name" title={clean(g.first.site)}>
              {typeOf(g.first) && <strong>{clean(typeOf(g.first))} </strong>}
              {clean(g.first.site)}{" "}
              <small class={g.first.held === "no" ? "leak-lost" : undefined}>
                {HELD[g.first.held] ?? g.first.held}
              </small>
            </span>,
          ];
        }}
      />
    </>
  );
}

// ---- one block ----------------------------------------------------------------------------

/** "2f 75 73 72  /usr", eight bytes a line. */
function dump(digits: string): string {
  const lines: string[] = [];
  const bytes = (digits.match(/../g) ?? []).map((two) => parseInt(two, 16));
  for (let at = 0; at < bytes.length; at += 8) {
    const some = bytes.slice(at, at + 8);
    const hex = some.map((b) => b.toString(16).padStart(2, "0")).join(" ");
    const text = some.map((b) => (b > 31 && b < 127 ? String.fromCharCode(b) : ".")).join("");
    lines.push(hex.padEnd(24) + text);
  }
  return lines.join("\n");
}

const LISTED = 12;

function Neighbours(p: { title: string; side: Side; choose: (n: Neighbour) => void }) {
  const { side } = p;
  const shown = side.shown.slice(0, LISTED);
  const left = side.count - shown.length;
  return (
    <>
      <h3>
        {p.title}: {count(side.count)}
      </h3>
      {side.count > 0 && (
        <ul class="neighbours">
          {shown.map((n, i) => (
            <li key={n.block.address + i}>
              <button type="button" class="link" onClick={() => p.choose(n)}>
                {n.block.address}
              </button>{" "}
              <small>
                {edgeText(n.edge)}, {size(n.block.bytes)}, {clean(typeOf(n.block) || n.block.site)}
              </small>
            </li>
          ))}
          {left > 0 && <li class="muted">{count(left)} more</li>}
        </ul>
      )}
    </>
  );
}

function BlockDetails(p: { node: BlockNode; explore: (address: string) => void }) {
  const { model: m, set } = useView();
  const { around } = p.node;
  const { block } = around;
  const place = placeOfSite(m, block.site);
  const facts: [string, string, string, number?][] = [
    [
      "bytes", "Size",
      block.bytes < 1024 ? size(block.bytes) : `${size(block.bytes)} (${count(block.bytes)} bytes)`,
      block.bytes,
    ],
    ...(typeOf(block) ? ([["type", "Type", clean(typeOf(block))]] as [string, string, string][]) : []),
    ...(block.retained_bytes === undefined
      ? []
      : ([["retained", "Freeing it would release", size(block.retained_bytes), block.retained_bytes]] as
          [string, string, string, number][])),
    ["held", "Held", HELD[block.held] ?? clean(block.held)],
    ["born", "Allocated at", duration(block.born_ns), block.born_ns],
    ...(block.tid === undefined
      ? []
      : ([["thread", "By thread", `${block.tid} (${clean(block.thread ?? "")})`, block.tid]] as
          [string, string, string, number][])),
    ["roots", "Roots to it", count(around.rootCount), around.rootCount],
    ["referrers", "References to it", count(around.referrers.count), around.referrers.count],
    ["references", "References from it", count(around.references.count), around.references.count],
  ];
  return (
    <section class="details" aria-label="The block">
      <h2>
        <code>{block.address}</code>
      </h2>
      <p class="reason">
        Allocated by{" "}
        {place ? (
          <button type="button" class="link" onClick={() => set(toSource(place.file, place.fn), true)}>
            {clean(block.site)}
          </button>
        ) : (
          <span class="name">{clean(block.site)}</span>
        )}
      </p>
      <dl>
        {facts.map(([key, title, text, value]) => (
          <>
            <dt>{title}</dt>
            <dd data-key={key} data-value={value}>
              {text}
            </dd>
          </>
        ))}
      </dl>
      {block.contents && (
        <>
          <h3>First bytes</h3>
          <pre class="contents" tabIndex={0}>
            {dump(block.contents)}
          </pre>
        </>
      )}
      {around.roots.length > 0 && (
        <>
          <h3>Roots</h3>
          <ul class="neighbours">
            {around.roots.map((r) => (
              <li key={r.at + r.text}>
                <span class="name">{clean(r.text)}</span> <small>{clean(r.kind)}</small>
              </li>
            ))}
            {around.rootCount > around.roots.length && (
              <li class="muted">{count(around.rootCount - around.roots.length)} more</li>
            )}
          </ul>
        </>
      )}
      <Neighbours
        title="References to it"
        side={around.referrers}
        choose={(n) => p.explore(n.block.address)}
      />
      <Neighbours
        title="References from it"
        side={around.references}
        choose={(n) => p.explore(n.block.address)}
      />
    </section>
  );
}

// ---- around a block -------------------------------------------------------------------------

function useDrawing(graph: Graph): { drawing: Drawing | null; block: string; why: string } | null {
  const { state } = useView();
  const [made, setMade] = useState<{
    key: string;
    drawing: Drawing | null;
    block: string;
    why: string;
  } | null>(null);
  const key = [state.snap, state.block, state.way, state.open].join(" ");
  useEffect(() => {
    let current = true;
    void (async () => {
      try {
        const { first, count: found } = await graph.find(state.block);
        const drawing = first
          ? await drawingOf(graph, first.address, state.way, parseOpened(state.open))
          : null;
        const why = found > 1 ? `One of ${count(found)} blocks that were allocated there.` : "";
        if (current) setMade({ key, drawing, block: first?.address ?? "", why });
      } catch (error) {
        if (current) setMade({ key, drawing: null, block: "", why: (error as Error).message });
      }
    })();
    return () => {
      current = false;
    };
  }, [graph, key]);
  return made;
}

function Explorer(p: { graph: Graph }) {
  const { state, set } = useView();
  const made = useDrawing(p.graph);
  if (!made) return <p class="loading">Reading ...</p>;
  const { drawing, block } = made;
  if (!drawing)
    return (
      <p class="notice" role="note">
        {p.graph.whole
          ? `No live block of the snapshot: ${clean(made.why || state.block)}.`
          : `${clean(state.block)}: the page has no such block. It has those that matter; the command below shows any, and so does the page of \u201cheapline view\u201d.`}
      </p>
    );
  const nodes = new Map(drawing.nodes.map((n) => [n.id, n]));
  const at = nodes.has(state.at) ? state.at : block;
  const node = nodes.get(at);
  const explore = (address: string) => set({ block: address, open: "", at: "" }, true);
  const opened = parseOpened(state.open);
  const toggle = (of: Node, back: boolean) => {
    if (of.kind !== "block") return;
    const side = sideKey(back ? "i" : "o", of.id);
    if (opened.has(side)) opened.delete(side);
    else opened.set(side, 8);
    set({ open: formatOpened(opened), at: of.id });
  };
  const enter = (of: Node) => {
    if (of.kind === "block") explore(of.id);
    else if (of.kind === "more" && of.token) {
      const [side, n] = of.token.split(".");
      opened.set(side, Math.max(Number(n), MORE));
      set({ open: formatOpened(opened), at: of.of });
    }
  };
  return (
    <>
      <p class="caption" role="status">
        {made.why && made.why + " "}
        {drawing.lost &&
          (state.way === "path"
            ? "Nobody holds it: there is no way to it from a root. "
            : "Nobody holds it. ")}
        {drawing.full && "More cannot be laid out: explore from a block to see more. "}
        {drawing.nodes.length} nodes. Arrows move; [ and ] open what points at a block and what it points
        at; Enter explores from it, or unfolds.
      </p>
      <div class="split graph-split">
        <GraphBox
          drawing={drawing}
          focus={block}
          at={at}
          choose={(id) => set({ at: id === block ? "" : id })}
          enter={enter}
          toggle={toggle}
        />
        {node?.kind === "block" && <BlockDetails node={node} explore={explore} />}
      </div>
      <p class="legend">
        <span class="key root" /> root <span class="key shade1" /> block <span class="key shade2" />{" "}
        1 KiB and more <span class="key shade3" /> 64 KiB and more <span class="key lost" /> held by
        nobody <span class="key more" /> folded; labels are offsets of pointers
      </p>
    </>
  );
}

// ---- all -------------------------------------------------------------------------------------

function BlockField() {
  const { state, set } = useView();
  const [text, setText] = useState(state.block);
  useEffect(() => setText(state.block), [state.block]);
  return (
    <form
      class="field"
      onSubmit={(e) => {
        e.preventDefault();
        set({ block: text.trim(), open: "", at: "" }, true);
      }}
    >
      <label class="field">
        <span>Block</span>
        <input
          type="search"
          value={text}
          placeholder="address, function, file:line"
          onInput={(e) => setText(e.currentTarget.value)}
        />
      </label>
      <button type="submit">Show</button>
    </form>
  );
}

function snapshotTitle(s: HeapAbout["snapshots"][0]): string {
  return (
    `${s.number}${s.name ? " " + clean(s.name) : ""}: ${s.pid ? "process " + s.pid + ", " : ""}` +
    (s.at_exit ? "at its end" : `alive at ${duration(s.at_ns)}`)
  );
}

export function RefsView() {
  const { state, set } = useView();
  const found = useGraph();
  if (!found) return <p class="loading">Reading ...</p>;
  const { about, graph } = found;
  if (!graph) return <NoGraph about={about} number={found.number} />;
  return (
    <div class="refs-view">
      <div class="tools">
        {state.block && (
          <button type="button" onClick={() => set({ block: "", open: "", at: "" }, true)}>
            All blocks
          </button>
        )}
        {state.block && (
          <Choice
            label="Shown"
            of={WAYS.map((way) => ({ is: way, title: WAY_TITLES[way] }))}
            at={state.way}
            choose={(way) => set({ way, open: "", at: "" })}
          />
        )}
        <BlockField />
        {about.snapshots.length > 1 && (
          <label class="field">
            <span>Snapshot</span>
            <select
              value={found.number}
              onChange={(e) =>
                set({ snap: Number(e.currentTarget.value), block: "", open: "", at: "" })
              }
            >
              {about.snapshots.map((s) => (
                <option key={s.number} value={s.number}>
                  {snapshotTitle(s)}
                </option>
              ))}
            </select>
          </label>
        )}
        {about.left_out > 0 && (
          <span class="muted">
            {count(about.left_out)} more are not in this page: --snapshot=N of the command shows them.
          </span>
        )}
      </div>
      {state.block ? <Explorer graph={graph} key={state.snap} /> : <Groups graph={graph} />}
    </div>
  );
}


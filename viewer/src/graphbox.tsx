// A drawing of a heap graph: nodes are buttons, links are curves behind them. It is one
// stop of the Tab key; arrows go from node to node.

import type { JSX } from "preact";
import { useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { type Block, typeOf } from "./heap";
import { type Box, type Layout, layOut } from "./layout";
import { type Drawing, type Link, type Node, shadeOf } from "./refs";
import { clean, count, size } from "./units";

const WIDTH = 252;
const HEIGHTS = { block: 46, root: 46, more: 30 };
const MARGIN = 48;
const BADGE = 11;

export interface GraphBoxProps {
  drawing: Drawing;
  focus: string; // id of the block that was asked for
  at: string; // id of the chosen node
  choose: (id: string) => void;
  enter: (node: Node) => void;
  toggle: (node: Node, back: boolean) => void;
}

function boxOf(node: Node): Box {
  return { id: node.id, layer: node.layer, width: WIDTH, height: HEIGHTS[node.kind] };
}

export function blockTitle(block: Block): string {
  return (
    `${block.address}, ${count(block.bytes)} bytes\n` +
    (typeOf(block) ? clean(typeOf(block)) + "\n" : "") +
    `${clean(block.site)}`
  );
}

/** What a node says to who cannot see it. */
function spoken(node: Node): string {
  if (node.kind === "root") return `Root: ${clean(node.root.text)}`;
  if (node.kind === "more") return `${count(node.count)} more ${clean(node.text)}`;
  const { block, referrers, references, rootCount } = node.around;
  return (
    `Block ${block.address}, ${size(block.bytes)}, ${clean(typeOf(block) || block.site)}, ` +
    `${block.held === "no" ? "held by nobody, " : ""}${count(rootCount)} roots, ` +
    `${count(referrers.count)} referrers, ${count(references.count)} references`
  );
}

// ---- links ---------------------------------------------------------------------------

function labelOf(link: Link): string {
  const [first, second, ...rest] = link.labels;
  if (!first) return "";
  return first + (second ? ", " + second : "") + (rest.length ? ` and ${rest.length}` : "");
}

/** Where on a curve its label is: away from an end that many meet at. */
function placeOfLabel(link: Link, links: Link[]): number {
  const CROWD = 3;
  if (links.filter((l) => l.from === link.from).length > CROWD) return 0.7;
  return links.filter((l) => l.to === link.to).length > CROWD ? 0.3 : 0.5;
}

function bezier(t: number, a: number, b: number, c: number, d: number): number {
  const s = 1 - t;
  return s * s * s * a + 3 * s * s * t * b + 3 * s * t * t * c + t * t * t * d;
}

function Links(p: { links: Link[]; layout: Layout; nodes: Map<string, Node>; at: string }) {
  const end = (id: string, out: boolean) => {
    const place = p.layout.places.get(id)!;
    const node = p.nodes.get(id)!;
    const edge = node.kind === "block" ? BADGE : 0; // the counts stand out
    return [
      MARGIN + place.x + (out ? WIDTH + edge : -edge),
      MARGIN + place.y + HEIGHTS[node.kind] / 2,
    ];
  };
  return (
    <svg
      class="links"
      width={p.layout.width + 2 * MARGIN}
      height={p.layout.height + 2 * MARGIN}
      aria-hidden="true"
    >
      <defs>
        {["arrow", "arrow-near"].map((id) => (
          <marker
            id={id}
            key={id}
            class={id}
            viewBox="0 0 8 8"
            refX="7"
            refY="4"
            markerWidth="8"
            markerHeight="8"
            markerUnits="userSpaceOnUse"
            orient="auto"
          >
            <path d="M0 0 L8 4 L0 8 z" />
          </marker>
        ))}
      </defs>
      {p.links.map((link) => {
        const [x1, y1] = end(link.from, true);
        const [x2, y2] = end(link.to, false);
        const near = link.from === p.at || link.to === p.at;
        const back = x2 < x1;
        const bend = back ? Math.max(60, (x1 - x2) / 3) : Math.max(24, (x2 - x1) / 2);
        // A way back runs below, so that it does not cross what is between.
        const low = back ? Math.max(y1, y2) + 52 : 0;
        const path = back
          ? `M${x1} ${y1} C${x1 + bend} ${low} ${x2 - bend} ${low} ${x2} ${y2}`
          : `M${x1} ${y1} C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`;
        const label = labelOf(link);
        const t = placeOfLabel(link, p.links);
        const x = bezier(t, x1, x1 + bend, x2 - bend, x2);
        const y = bezier(t, y1, back ? low : y1, back ? low : y2, y2);
        return (
          <g key={link.from + ">" + link.to} class={near ? "near" : undefined}>
            <path d={path} marker-end={near ? "url(#arrow-near)" : "url(#arrow)"} />
            {label && (
              <text x={x} y={back ? y + 9 : y - 3} text-anchor="middle">
                {label}
              </text>
            )}
          </g>
        );
      })}
    </svg>
  );
}

// ---- nodes ---------------------------------------------------------------------------

function Side(p: { count: number; open: boolean; back: boolean; press: () => void }) {
  if (!p.count) return null;
  const what = p.back ? "what points at it" : "what it points at";
  return (
    <button
      type="button"
      tabIndex={-1}
      class={"side-" + (p.back ? "in" : "out")}
      aria-expanded={p.open}
      aria-label={`${p.open ? "Close" : "Open"} ${what}: ${count(p.count)}`}
      title={`${count(p.count)} ${p.back ? "point at it" : "references"}`}
      onClick={p.press}
    >
      {p.count > 999 ? "999+" : p.count}
    </button>
  );
}

function Inside(p: { node: Node }) {
  const { node } = p;
  if (node.kind === "more")
    return (
      <span class="name">
        <strong>{count(node.count)} more</strong> {clean(node.text)}
      </span>
    );
  if (node.kind === "root")
    return (
      <>
        <span class="name">{clean(node.root.text)}</span>
        <small>{clean(node.root.kind)}</small>
      </>
    );
  const { block } = node.around;
  return (
    <>
      <span class="name">{clean(typeOf(block) || block.site)}</span>
      <small>
        {size(block.bytes)}
        {"  "}
        {typeOf(block) ? clean(block.site) : block.address}
      </small>
    </>
  );
}

function classOf(node: Node, focus: string, at: string): string {
  const words = ["node", node.kind];
  if (node.kind === "block") {
    words.push("shade" + shadeOf(node.around.block));
    if (node.around.block.held === "no") words.push("lost");
  }
  if (node.id === focus) words.push("focus");
  if (node.id === at) words.push("chosen");
  return words.join(" ");
}

// ---- all ---------------------------------------------------------------------------------

/** The nearest node in the direction of a key. */
function nearest(layout: Layout, nodes: Node[], from: string, key: string): string | null {
  const at = layout.places.get(from);
  if (!at) return null;
  const across = key === "ArrowLeft" || key === "ArrowRight";
  const sign = key === "ArrowLeft" || key === "ArrowUp" ? -1 : 1;
  let best: string | null = null;
  let least = Infinity;
  for (const node of nodes) {
    const place = layout.places.get(node.id)!;
    const ahead = (across ? place.x - at.x : place.y - at.y) * sign;
    const aside = Math.abs(across ? place.y - at.y : place.x - at.x);
    if (node.id === from || ahead <= 1 || (!across && aside > WIDTH)) continue;
    const cost = ahead + (across ? aside / 2 : aside * 8);
    if (cost < least) {
      least = cost;
      best = node.id;
    }
  }
  return best;
}

export function GraphBox(p: GraphBoxProps) {
  const box = useRef<HTMLDivElement>(null);
  const { nodes, links } = p.drawing;
  const layout = useMemo(() => layOut(nodes.map(boxOf), links), [p.drawing]);
  const byId = useMemo(() => new Map(nodes.map((n) => [n.id, n])), [p.drawing]);
  const at = byId.has(p.at) ? p.at : p.focus;

  // What is new is laid out anew: the chosen node stays in sight.
  useLayoutEffect(() => {
    const place = layout.places.get(at);
    const element = box.current!;
    if (!place) return;
    element.scrollLeft = place.x + MARGIN + WIDTH / 2 - element.clientWidth / 2;
    element.scrollTop = place.y + MARGIN - element.clientHeight / 2;
  }, [layout]);
  // What a key led to gets the focus once it is there, which may take its time.
  const keyed = useRef("");
  useLayoutEffect(() => {
    if (keyed.current !== at) return;
    keyed.current = "";
    box.current!.querySelector<HTMLElement>(".node.chosen > .face")?.focus();
  }, [at, layout]);

  function key(event: JSX.TargetedKeyboardEvent<HTMLDivElement>) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const node = byId.get(at);
    if (!node) return;
    if (event.key.startsWith("Arrow")) {
      const to = nearest(layout, nodes, at, event.key);
      if (to) {
        keyed.current = to;
        p.choose(to);
      }
    } else if (event.key === "[" || event.key === "]") {
      keyed.current = at;
      p.toggle(node, event.key === "[");
    } else if (event.key === "Enter") {
      keyed.current = node.kind === "more" ? node.of : at;
      p.enter(node);
    } else if (event.key === "Home") {
      keyed.current = p.focus;
      p.choose(p.focus);
    } else return;
    event.preventDefault();
  }

  return (
    <div class="graph-box" ref={box} onKeyDown={key} role="group" aria-label="References">
      <div
        class="graph"
        style={{ width: layout.width + 2 * MARGIN + "px", height: layout.height + 2 * MARGIN + "px" }}
      >
        <Links links={links} layout={layout} nodes={byId} at={at} />
        {nodes.map((node) => {
          const place = layout.places.get(node.id)!;
          return (
            <div
              key={node.id}
              class={classOf(node, p.focus, at)}
              data-id={node.id}
              style={{
                left: MARGIN + place.x + "px", top: MARGIN + place.y + "px", width: WIDTH + "px",
                height: HEIGHTS[node.kind] + "px",
              }}
            >
              <button
                type="button"
                class="face"
                tabIndex={node.id === at ? 0 : -1}
                aria-label={spoken(node)}
                aria-current={node.id === at ? "true" : undefined}
                title={
                  node.kind === "block"
                    ? blockTitle(node.around.block)
                    : clean(node.kind === "root" ? node.root.text : node.text)
                }
                onClick={() => (node.kind === "more" ? p.enter(node) : p.choose(node.id))}
                onDblClick={() => p.enter(node)}
              >
                <Inside node={node} />
              </button>
              {node.kind === "block" && (
                <>
                  <Side
                    back
                    count={node.around.referrers.count + node.around.rootCount}
                    open={node.in}
                    press={() => p.toggle(node, true)}
                  />
                  <Side
                    back={false}
                    count={node.around.references.count}
                    open={node.out}
                    press={() => p.toggle(node, false)}
                  />
                </>
              )}
            </div>
          );
        })}
      </div>
    </div>
  );
}

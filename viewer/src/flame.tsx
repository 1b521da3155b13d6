// The flame graph: a tree drawn as boxes as wide as their value. Only what is a pixel
// wide and in sight is looked at, so that a million nodes cost no more than what is shown.

import type { JSX } from "preact";
import { useEffect, useId, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { useView } from "./context";
import { Choice } from "./parts";
import type { State } from "./state";
import { clean } from "./units";

const ROW = 21;
const LEAST = 0.75; // pixels; narrower boxes are one grey one

interface Look {
  of: (name: string) => string;
  small: string;
  found: string;
  text: string;
  edge: string;
  pick: string;
  back: string;
}

function lookOf(element: Element): Look {
  const style = getComputedStyle(element);
  const known = new Map<string, string>();
  const of = (name: string) => {
    let value = known.get(name);
    if (value === undefined) known.set(name, (value = style.getPropertyValue(name).trim()));
    return value;
  };
  return {
    of, small: of("--small"), found: of("--found"), text: of("--box-text"), edge: of("--panel"),
    pick: of("--text"), back: of("--panel"),
  };
}

interface Drawn {
  nodes: number[];
  left: number[];
  top: number[];
  width: number[];
}

/** What is drawn: a tree whose nodes come after the ones that they are below. */
export interface Boxes {
  readonly count: number;
  readonly value: Float64Array;
  readonly below: Float64Array;
  readonly label: Int32Array;
  readonly parent: Int32Array;
  readonly depth: Uint32Array;
  children(node: number): Uint32Array;
  first(node: number): number;
  beside(node: number, step: number): number;
}

/** How a box looks and what is said of it. */
export interface Dress {
  colour: (node: number, style: (name: string) => string) => string;
  text: (node: number) => string;
  status: (node: number) => JSX.Element;
  key: string; // another dress, another key
}

interface FlameProps {
  tree: Boxes;
  dress: Dress;
  title: string;
  upward: boolean; // the root at the bottom
  found: Uint8Array | null;
  zoom: number;
  selected: number;
  onZoom: (node: number) => void;
  onSelect: (node: number) => void;
  onKey: (key: string) => boolean;
}

/** Nodes from the root to one. */
function pathTo(tree: Boxes, node: number): number[] {
  const path: number[] = [];
  for (let i = node; i >= 0; i = tree.parent[i]) path.unshift(i);
  return path;
}

function depthBelow(tree: Boxes, least: number): number {
  let most = 0;
  for (let i = 0; i < tree.count; i++)
    if (tree.value[i] >= least && tree.depth[i] > most) most = tree.depth[i];
  return most;
}

export function Flame(p: FlameProps) {
  const box = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const drawn = useRef<Drawn>({ nodes: [], left: [], top: [], width: [] });
  const [span, setSpan] = useState({ width: 0, height: 0, top: 0 });
  const [hover, setHover] = useState(-1);
  const [theme, setTheme] = useState(0);
  const { tree } = p;

  // Rows as deep as something is a pixel wide at the zoom at hand.
  const rows = useMemo(() => {
    const least = span.width ? (tree.value[p.zoom] * LEAST) / span.width : 0;
    return depthBelow(tree, least) + 1;
  }, [tree, p.zoom, span.width]);
  const height = Math.max(rows * ROW, 1);

  useLayoutEffect(() => {
    const element = box.current!;
    const measure = () =>
      setSpan({ width: element.clientWidth, height: element.clientHeight, top: element.scrollTop });
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    measure();
    const again = () => setTheme((n) => n + 1);
    addEventListener("themechange", again);
    return () => {
      observer.disconnect();
      removeEventListener("themechange", again);
    };
  }, []);
  useLayoutEffect(() => {
    const element = box.current!;
    element.scrollTop = p.upward ? element.scrollHeight : 0;
  }, [tree, p.upward]);

  // Where the boxes of a depth are, in the whole picture.
  const yOf = (depth: number) => {
    const whole = Math.max(height, span.height);
    return p.upward ? whole - (depth + 1) * ROW : depth * ROW;
  };

  useEffect(() => {
    const element = canvas.current!;
    if (!span.width || !span.height) return;
    const frame = requestAnimationFrame(() => draw(element));
    return () => cancelAnimationFrame(frame);
  }, [tree, span, p.zoom, p.found, p.selected, hover, p.upward, theme, rows, p.dress.key]);

  useEffect(() => {
    if (p.selected < 0) return;
    const element = box.current!;
    const y = yOf(tree.depth[p.selected]);
    if (y < element.scrollTop) element.scrollTop = y;
    else if (y + ROW > element.scrollTop + element.clientHeight)
      element.scrollTop = y + ROW - element.clientHeight;
  }, [p.selected]);

  function draw(element: HTMLCanvasElement) {
    const began = performance.now();
    const scale = devicePixelRatio || 1;
    const { width } = span;
    const top = box.current!.scrollTop;
    element.width = Math.round(width * scale);
    element.height = Math.round(span.height * scale);
    const g = element.getContext("2d", { alpha: false })!;
    const look = lookOf(element);
    g.scale(scale, scale);
    g.fillStyle = look.back;
    g.fillRect(0, 0, width, span.height);
    g.font = "12px system-ui, sans-serif";
    g.textBaseline = "middle";
    const out: Drawn = { nodes: [], left: [], top: [], width: [] };

    const put = (node: number, left: number, wide: number): boolean => {
      const y = yOf(tree.depth[node]) - top;
      if (y > -ROW && y < span.height) {
        drawBox(g, node, left, y, wide, look);
        out.nodes.push(node);
        out.left.push(left);
        out.top.push(y);
        out.width.push(wide);
      }
      return p.upward ? y > -ROW : y < span.height;
    };
    for (const node of pathTo(tree, p.zoom)) put(node, 0, width);
    const unit = tree.value[p.zoom] ? width / tree.value[p.zoom] : 0;
    const nodes = [p.zoom];
    const lefts = [0];
    while (nodes.length) {
      let left = lefts.pop()!;
      const parent = nodes.pop()!;
      const begin = left;
      for (const c of tree.children(parent)) {
        const wide = tree.value[c] * unit;
        // The greatest comes first, folded ones last: behind a narrow one all are.
        if (wide < LEAST || tree.label[c] < 0) break;
        if (put(c, left, wide) && tree.below[c] > 0) {
          nodes.push(c);
          lefts.push(left);
        }
        left += wide;
      }
      const rest = begin + tree.below[parent] * unit - left;
      const y = yOf(tree.depth[parent] + 1) - top;
      if (rest >= LEAST && y > -ROW && y < span.height) {
        g.fillStyle = look.small;
        g.fillRect(left, y, Math.max(rest - 1, 0.5), ROW - 1);
      }
    }
    drawn.current = out;
    // For tests and benches: what was drawn, and when, and how long it took.
    element.dataset.drawn = String(out.nodes.length);
    element.dataset.at = performance.now().toFixed(2);
    element.dataset.ms = (performance.now() - began).toFixed(2);
  }

  function drawBox(
    g: CanvasRenderingContext2D, node: number, left: number, y: number, wide: number, look: Look,
  ) {
    const found = p.found?.[node];
    g.fillStyle =
      node === 0 || tree.label[node] < 0 ? look.small : found ? look.found : p.dress.colour(node, look.of);
    g.globalAlpha = p.found && !found && node ? 0.55 : 1;
    g.fillRect(left, y, Math.max(wide - (wide > 3 ? 1 : 0), 0.5), ROW - 1);
    g.globalAlpha = 1;
    if (node === p.selected || node === hover) {
      g.strokeStyle = look.pick;
      g.lineWidth = node === p.selected ? 2 : 1;
      g.strokeRect(left + 1, y + 1, Math.max(wide - 3, 1), ROW - 3);
    }
    if (wide < 28) return;
    g.fillStyle = look.text;
    const text = fit(g, clean(p.dress.text(node)), wide - 10);
    if (text) g.fillText(text, left + 5, y + ROW / 2);
  }

  function nodeAt(event: MouseEvent): number {
    const area = canvas.current!.getBoundingClientRect();
    const x = event.clientX - area.left;
    const y = event.clientY - area.top;
    const d = drawn.current;
    for (let i = d.nodes.length - 1; i >= 0; i--)
      if (y >= d.top[i] && y < d.top[i] + ROW && x >= d.left[i] && x < d.left[i] + d.width[i])
        return d.nodes[i];
    return -1;
  }

  function key(event: KeyboardEvent) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const at = p.selected < 0 ? p.zoom : p.selected;
    const away = p.upward ? "ArrowUp" : "ArrowDown";
    const back = p.upward ? "ArrowDown" : "ArrowUp";
    let to = -1;
    if (event.key === away) to = tree.first(at);
    else if (event.key === back) to = tree.parent[at];
    else if (event.key === "ArrowRight") to = tree.beside(at, 1);
    else if (event.key === "ArrowLeft") to = tree.beside(at, -1);
    else if (event.key === "Home") to = p.zoom;
    else if (event.key === "Enter") p.onZoom(at);
    else if (event.key === "Escape" || event.key === "Backspace")
      p.onZoom(p.zoom ? tree.parent[p.zoom] : 0);
    else if (!p.onKey(event.key)) return;
    event.preventDefault();
    if (to >= 0) p.onSelect(to);
  }

  const shown = hover >= 0 ? hover : p.selected;
  const status = useId();
  return (
    <div class="flame">
      <div
        ref={box}
        class="flame-box"
        onScroll={() => setSpan((s) => ({ ...s, top: box.current!.scrollTop }))}
        tabIndex={0}
        role="application"
        aria-label={p.title}
        aria-describedby={status}
        onKeyDown={key}
      >
        <canvas
          ref={canvas}
          style={{ width: span.width + "px", height: span.height + "px" }}
          onMouseMove={(event) => setHover(nodeAt(event))}
          onMouseLeave={() => setHover(-1)}
          onClick={(event) => {
            const node = nodeAt(event);
            if (node >= 0) p.onSelect(node);
          }}
          onDblClick={(event) => {
            const node = nodeAt(event);
            if (node >= 0) p.onZoom(node);
          }}
        />
        <div style={{ height: Math.max(0, height - span.height) + "px" }} />
      </div>
      <p class="status" id={status} aria-live="polite">
        {shown < 0 || shown >= tree.count ? (
          <span class="muted">
            Point at a box, or walk with the arrow keys. Enter zooms, Escape goes back.
          </span>
        ) : (
          p.dress.status(shown)
        )}
      </p>
    </div>
  );
}

/** As much of a text as a box has room for. */
function fit(g: CanvasRenderingContext2D, text: string, room: number): string {
  const most = Math.floor(room / 4) + 1;
  let shown = text.length > most ? text.slice(0, most) : text;
  if (shown === text && g.measureText(shown).width <= room) return shown;
  let low = 0;
  let high = shown.length;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (g.measureText(shown.slice(0, middle) + "\u2026").width <= room) low = middle;
    else high = middle - 1;
  }
  shown = shown.slice(0, low);
  return low > 1 ? shown + "\u2026" : "";
}

export function Directions() {
  const { state, set } = useView();
  const ofTree = state.view === "tree";
  const ways: { is: State["dir"]; title: string }[] = [
    { is: "down", title: ofTree ? "From main down" : "Icicle" },
    ...(ofTree ? [] : [{ is: "up" as const, title: "Flame" }]),
    { is: "callers", title: ofTree ? "From allocations up" : "Inverted" },
  ];
  return (
    <Choice
      label="Direction"
      of={ways}
      at={ofTree && state.dir === "up" ? "down" : state.dir}
      choose={(dir) => set({ dir })}
    />
  );
}

export function LinesBox(p: { state: State; set: (patch: Partial<State>) => void }) {
  const { state, set } = p;
  return (
    <label class="check">
      <input
        type="checkbox"
        checked={state.lines}
        onChange={(e) => set({ lines: e.currentTarget.checked })}
      />{" "}
      lines apart
    </label>
  );
}

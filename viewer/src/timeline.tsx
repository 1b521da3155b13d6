// Live and resident bytes, and allocations, over time. The chosen range is whole bins, so
// that its figures are exact.

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { useView } from "./context";
import type { Bin, Model, Timeline } from "./model";
import { count, duration, size } from "./units";

/** Bins that a range of time touches: [first, last]. */
export function binsOf(t: Timeline, from: number, to: number): [number, number] {
  let first = 0;
  while (first + 1 < t.bins.length && t.bins[first + 1].at_ns <= from) first++;
  let last = t.bins.length - 1;
  if (to) while (last > first && t.bins[last].at_ns >= to) last--;
  return [first, last];
}

function endOf(t: Timeline, bin: number): number {
  return bin + 1 < t.bins.length ? t.bins[bin + 1].at_ns : t.end_ns;
}

/** Resident bytes of each bin: a sample holds until the next, while a process runs. */
function residentOf(m: Model): (number | null)[] {
  const running = m.report.processes.some((p) => p.end === "running");
  const end = running ? Infinity : Math.max(0, ...m.report.processes.map((p) => p.end_ns));
  let held: number | null = null;
  return m.timeline.bins.map((bin) => (held = bin.rss_bytes ?? (bin.at_ns <= end ? held : null)));
}

function niceStep(span: number, most: number, base: number): number {
  let step = 1;
  while (span / step > most) {
    for (const factor of base === 1024 ? [2, 2, 2, 2, 2, 2, 2, 2, 2, 2] : [2, 2.5, 2]) {
      if (span / step <= most) break;
      step *= factor;
    }
  }
  return step;
}

const LEFT = 84;
const RIGHT = 12;
const HEAP = 240;
const RATE = 84;
const AXIS = 24;
const GAP = 26;

function colours(element: Element) {
  const style = getComputedStyle(element);
  const of = (name: string) => style.getPropertyValue(name).trim();
  return {
    text: of("--muted"), grid: of("--line"), live: of("--blue"), band: of("--blue-soft"),
    rss: of("--orange"), rate: of("--green"), pick: of("--pick"), peak: of("--red"),
    ink: of("--text"),
  };
}

export function TimelineView() {
  const { model, state, set } = useView();
  const t = model.timeline;
  const canvas = useRef<HTMLCanvasElement>(null);
  const [width, setWidth] = useState(0);
  const [theme, setTheme] = useState(0);
  const [zoomFirst, zoomLast] = binsOf(t, state.from, state.to);
  const resident = useMemo(() => residentOf(model), [model]);
  const [cursor, setCursor] = useState(() => {
    const [peak] = binsOf(t, t.peak.at_ns, 0);
    return peak >= zoomFirst && peak <= zoomLast ? peak : zoomFirst;
  });
  const [mark, setMark] = useState(-1); // where the selection began; -1: there is none
  const dragging = useRef(false);
  const start = t.bins.length ? t.bins[zoomFirst].at_ns : 0;
  const end = t.bins.length ? endOf(t, zoomLast) : 1;
  const hasRss = t.bins.some((b) => b.rss_bytes !== null);

  useEffect(() => {
    const element = canvas.current;
    if (!element) return;
    const observer = new ResizeObserver(() => setWidth(element.clientWidth));
    observer.observe(element);
    const again = () => setTheme((n) => n + 1);
    addEventListener("themechange", again);
    return () => {
      observer.disconnect();
      removeEventListener("themechange", again);
    };
  }, []);

  const x = (ns: number) => LEFT + ((ns - start) / Math.max(1, end - start)) * (width - LEFT - RIGHT);

  useEffect(() => {
    const element = canvas.current;
    if (!element || !width || !t.bins.length) return;
    draw(element);
  }, [width, theme, state.from, state.to, cursor, mark]);

  function draw(element: HTMLCanvasElement) {
    const scale = devicePixelRatio || 1;
    const height = HEAP + RATE + AXIS + GAP;
    element.width = Math.round(width * scale);
    element.height = Math.round(height * scale);
    const g = element.getContext("2d")!;
    const c = colours(element);
    g.scale(scale, scale);
    g.font = "12px system-ui, sans-serif";
    const bins = t.bins.slice(zoomFirst, zoomLast + 1);
    let most = 1;
    let rateMost = 1;
    bins.forEach((b, i) => (most = Math.max(most, b.max_bytes, resident[zoomFirst + i] ?? 0)));
    const columns = allocationsByPixel(bins);
    for (const value of columns) rateMost = Math.max(rateMost, value);
    const y = (bytes: number) => 8 + (HEAP - 8) * (1 - bytes / (most * 1.04));

    // Axes.
    g.fillStyle = c.text;
    g.strokeStyle = c.grid;
    g.lineWidth = 1;
    g.textAlign = "right";
    g.textBaseline = "middle";
    const step = niceStep(most, 5, 1024);
    for (let v = 0; v <= most * 1.02; v += step) {
      line(g, LEFT, y(v), width - RIGHT, y(v));
      g.fillText(size(v), LEFT - 8, y(v));
    }
    g.textAlign = "center";
    const tick = niceStep(end - start, Math.max(2, (width - LEFT) / 110), 10);
    for (let at = Math.ceil(start / tick) * tick; at <= end; at += tick) {
      line(g, x(at), HEAP, x(at), HEAP + 5);
      const label = duration(at);
      const half = g.measureText(label).width / 2;
      if (x(at) + half < width && x(at) - half > LEFT - 40) g.fillText(label, x(at), HEAP + 14);
    }

    // The selection, under the curves.
    const [a, b] = selection();
    if (mark >= 0) {
      g.fillStyle = c.pick;
      g.fillRect(x(t.bins[a].at_ns), 4, Math.max(1, x(endOf(t, b)) - x(t.bins[a].at_ns)), HEAP - 4);
    }

    // Least to most of each bin, and the last value.
    g.beginPath();
    bins.forEach((bin, i) => {
      const right = x(endOf(t, zoomFirst + i));
      g.lineTo(x(bin.at_ns), y(bin.max_bytes));
      g.lineTo(right, y(bin.max_bytes));
    });
    for (let i = bins.length - 1; i >= 0; i--) {
      g.lineTo(x(endOf(t, zoomFirst + i)), y(bins[i].min_bytes));
      g.lineTo(x(bins[i].at_ns), y(bins[i].min_bytes));
    }
    g.closePath();
    g.fillStyle = c.band;
    g.fill();
    steps(g, bins, (i) => bins[i].last_bytes, y, c.live);
    if (hasRss) steps(g, bins, (i) => resident[zoomFirst + i], y, c.rss);

    // The peak.
    if (t.peak.at_ns >= start && t.peak.at_ns <= end) {
      g.fillStyle = c.peak;
      const px = x(t.peak.at_ns);
      const py = y(t.peak.bytes);
      g.beginPath();
      g.moveTo(px - 5, py - 9);
      g.lineTo(px + 5, py - 9);
      g.lineTo(px, py - 1);
      g.fill();
    }

    // Allocations.
    const base = HEAP + AXIS + GAP + RATE - 4;
    g.fillStyle = c.rate;
    columns.forEach((value, i) => {
      const h = (value / rateMost) * (RATE - 12);
      if (value) g.fillRect(LEFT + i, base - Math.max(1, h), 1, Math.max(1, h));
    });
    line(g, LEFT, base + 0.5, width - RIGHT, base + 0.5);
    g.fillStyle = c.text;
    g.textAlign = "left";
    g.fillText("Allocations", LEFT, HEAP + AXIS + GAP - 12);

    // The cursor.
    g.strokeStyle = c.ink;
    const at = x((t.bins[cursor].at_ns + endOf(t, cursor)) / 2);
    line(g, at, 4, at, base);
  }

  function steps(
    g: CanvasRenderingContext2D, bins: Bin[], of: (i: number) => number | null,
    y: (v: number) => number, colour: string,
  ) {
    g.strokeStyle = colour;
    g.lineWidth = 1.8;
    g.beginPath();
    bins.forEach((bin, i) => {
      const value = of(i);
      if (value === null) return;
      g.lineTo(x(bin.at_ns), y(value));
      g.lineTo(x(endOf(t, zoomFirst + i)), y(value));
    });
    g.stroke();
    g.lineWidth = 1;
  }

  /** Allocations of each column of pixels, in proportion to the time. */
  function allocationsByPixel(bins: Bin[]): Float64Array {
    const columns = new Float64Array(Math.max(1, Math.floor(width - LEFT - RIGHT)));
    bins.forEach((bin, i) => {
      const a = x(bin.at_ns) - LEFT;
      const b = x(endOf(t, zoomFirst + i)) - LEFT;
      const first = Math.max(0, Math.min(columns.length - 1, Math.floor(a)));
      const last = Math.max(first, Math.min(columns.length - 1, Math.ceil(b) - 1));
      for (let k = first; k <= last; k++) columns[k] += bin.allocations / (last - first + 1);
    });
    return columns;
  }

  function line(g: CanvasRenderingContext2D, x0: number, y0: number, x1: number, y1: number) {
    g.beginPath();
    g.moveTo(x0, y0);
    g.lineTo(x1, y1);
    g.stroke();
  }

  function selection(): [number, number] {
    if (mark < 0) return [zoomFirst, zoomLast];
    return mark < cursor ? [mark, cursor] : [cursor, mark];
  }

  function binAt(event: PointerEvent): number {
    const box = canvas.current!.getBoundingClientRect();
    const ns = start + ((event.clientX - box.left - LEFT) / (width - LEFT - RIGHT)) * (end - start);
    let bin = zoomFirst;
    while (bin < zoomLast && t.bins[bin + 1].at_ns <= ns) bin++;
    return bin;
  }

  function zoom() {
    if (mark < 0) return;
    const [a, b] = selection();
    set({ from: t.bins[a].at_ns, to: b + 1 < t.bins.length ? endOf(t, b) : 0 }, true);
    setMark(-1);
    setCursor(a);
  }

  function whole() {
    set({ from: 0, to: 0 }, true);
    setMark(-1);
  }

  function key(event: KeyboardEvent) {
    const step = event.ctrlKey ? 10 : 1;
    let to = cursor;
    switch (event.key) {
      case "ArrowRight":
        to = Math.min(zoomLast, cursor + step);
        break;
      case "ArrowLeft":
        to = Math.max(zoomFirst, cursor - step);
        break;
      case "Home":
        to = zoomFirst;
        break;
      case "End":
        to = zoomLast;
        break;
      case "Enter":
        event.preventDefault();
        return zoom();
      case "Escape":
        if (mark >= 0) setMark(-1);
        else whole();
        return;
      default:
        return;
    }
    event.preventDefault();
    if (event.shiftKey && mark < 0) setMark(cursor);
    if (!event.shiftKey) setMark(-1);
    setCursor(to);
  }

  if (!t.bins.length) return <p class="remark">The recording has no timeline: nothing happened.</p>;
  const [a, b] = selection();
  const chosen = t.bins.slice(a, b + 1);
  const highest = chosen.reduce((m, bin) => Math.max(m, bin.max_bytes), 0);
  const lowest = chosen.reduce((m, bin) => Math.min(m, bin.min_bytes), Infinity);
  const allocations = chosen.reduce((sum, bin) => sum + bin.allocations, 0);
  const here = t.bins[cursor];
  return (
    <div class="timeline-view">
      <p class="legend">
        <span class="key live" /> live heap (malloc), all processes
        {hasRss && (
          <>
            <span class="key rss" /> resident (RSS)
          </>
        )}
        <span class="key peak" /> peak
      </p>
      <canvas
        ref={canvas}
        class="timeline"
        style={{ height: HEAP + RATE + AXIS + GAP + "px" }}
        tabIndex={0}
        role="application"
        aria-label="Timeline of live bytes"
        aria-describedby="timeline-help"
        onKeyDown={key}
        onPointerDown={(event) => {
          canvas.current!.setPointerCapture(event.pointerId);
          dragging.current = true;
          setMark(-1);
          setCursor(binAt(event));
        }}
        onPointerMove={(event) => {
          if (!dragging.current) return;
          const bin = binAt(event);
          if (bin !== cursor && mark < 0) setMark(cursor);
          setCursor(bin);
        }}
        onPointerUp={() => (dragging.current = false)}
      />
      <p class="actions">
        <button type="button" onClick={zoom} disabled={mark < 0}>
          Zoom into the selection
        </button>
        <button type="button" onClick={whole} disabled={!state.from && !state.to}>
          Whole run
        </button>
      </p>
      <table class="facts" aria-live="polite">
        <caption>{mark < 0 ? "What is shown" : "The selection"}</caption>
        <tbody>
          <tr>
            <th scope="row">Time</th>
            <td data-key="from" data-value={t.bins[a].at_ns}>
              {duration(t.bins[a].at_ns)} to {duration(endOf(t, b))}
            </td>
          </tr>
          <tr>
            <th scope="row">Most live</th>
            <td data-key="highest" data-value={highest} title={count(highest) + " bytes"}>
              {size(highest)}
            </td>
          </tr>
          <tr>
            <th scope="row">Least live</th>
            <td data-key="lowest" data-value={lowest} title={count(lowest) + " bytes"}>
              {size(lowest)}
            </td>
          </tr>
          <tr>
            <th scope="row">Allocations</th>
            <td data-key="allocations" data-value={allocations}>
              {count(allocations)}
            </td>
          </tr>
          <tr>
            <th scope="row">At the cursor, {duration(here.at_ns)}</th>
            <td data-key="last" data-value={here.last_bytes}>
              {size(here.last_bytes)} in {count(here.last_blocks)} blocks
            </td>
          </tr>
        </tbody>
      </table>
      <p class="remark" id="timeline-help">
        Drag over the chart, or hold Shift with the arrow keys, to select; Enter zooms, Escape goes
        back. The other views show the whole run: this profile does not keep its stacks by time.
      </p>
    </div>
  );
}

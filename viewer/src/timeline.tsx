// Live and resident bytes, and allocations, over time. The chosen range is whole bins, so
// that its figures are exact.

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { useView } from "./context";
import type { Bin, Model, Timeline } from "./model";
import type { Sums } from "./scope";
import { count, duration, seconds, size } from "./units";

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

export function niceStep(span: number, most: number, base: number): number {
  let step = 1;
  while (span / step > most) {
    for (const factor of base === 1024 ? [2, 2, 2, 2, 2, 2, 2, 2, 2, 2] : [2, 2.5, 2]) {
      if (span / step <= most) break;
      step *= factor;
    }
  }
  return step;
}

const AXIS = 24;
const GAP = 26;

interface Layout {
  left: number;
  right: number;
  heap: number; // height of the curve
  rate: number; // of the allocations; 0: they are left out
  whole: number;
}

const FULL: Layout = { left: 84, right: 12, heap: 240, rate: 84, whole: 240 + 84 + AXIS + GAP };
const STRIP: Layout = { left: 2, right: 2, heap: 40, rate: 0, whole: 42 };

function colours(element: Element) {
  const style = getComputedStyle(element);
  const of = (name: string) => style.getPropertyValue(name).trim();
  return {
    text: of("--muted"), grid: of("--line"), live: of("--blue"), band: of("--blue-soft"),
    rss: of("--orange"), rate: of("--green"), pick: of("--pick"), peak: of("--red"),
    ink: of("--text"),
  };
}

interface Chart {
  /** Bins in view, and the one under the cursor. */
  zoom: [number, number];
  cursor: number;
  /** Bins that are chosen; null: none. */
  chosen: [number, number] | null;
  setCursor: (bin: number) => void;
  choose: (bins: [number, number] | null) => void;
  onZoom: () => void;
  onWhole: () => void;
}

/** The curve, with a range that is chosen by dragging or by Shift and the arrows. */
function TimeChart(p: Chart & { layout: Layout; label: string; describedBy?: string }) {
  const { model } = useView();
  const t = model.timeline;
  const { left: LEFT, right: RIGHT, heap: HEAP, rate: RATE, whole } = p.layout;
  const strip = RATE === 0;
  const canvas = useRef<HTMLCanvasElement>(null);
  const [width, setWidth] = useState(0);
  const [theme, setTheme] = useState(0);
  const { cursor, chosen } = p;
  const [zoomFirst, zoomLast] = p.zoom;
  const resident = useMemo(() => residentOf(model), [model]);
  const anchor = useRef(-1); // where a selection by keys began
  const dragged = useRef(-1); // where dragging began; -1: nothing is dragged
  const pending = useRef<[number, number] | null>(null);
  const start = t.bins[zoomFirst].at_ns;
  const end = endOf(t, zoomLast);
  const hasRss = !strip && t.bins.some((b) => b.rss_bytes !== null);

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
    if (element && width) draw(element);
  }, [width, theme, zoomFirst, zoomLast, cursor, chosen?.[0], chosen?.[1]]);

  function draw(element: HTMLCanvasElement) {
    const scale = devicePixelRatio || 1;
    element.width = Math.round(width * scale);
    element.height = Math.round(whole * scale);
    const g = element.getContext("2d")!;
    const c = colours(element);
    g.scale(scale, scale);
    g.font = "12px system-ui, sans-serif";
    const bins = t.bins.slice(zoomFirst, zoomLast + 1);
    let most = 1;
    let rateMost = 1;
    bins.forEach((b, i) => (most = Math.max(most, b.max_bytes, (!strip && resident[zoomFirst + i]) || 0)));
    const columns = strip ? new Float64Array(0) : allocationsByPixel(bins);
    for (const value of columns) rateMost = Math.max(rateMost, value);
    const above = strip ? 2 : 8;
    const y = (bytes: number) => above + (HEAP - above) * (1 - bytes / (most * 1.04));

    // The selection, under the curves.
    if (chosen) {
      g.fillStyle = c.pick;
      const from = Math.max(LEFT, x(t.bins[chosen[0]].at_ns));
      const to = Math.min(width - RIGHT, x(endOf(t, chosen[1])));
      if (to > from) g.fillRect(from, above / 2, Math.max(1, to - from), HEAP - above / 2);
    }
    if (!strip) axes(g, c, most, y);
    curves(g, c, bins, y);
    if (!strip) rates(g, c, columns, rateMost);

    // The cursor.
    g.strokeStyle = c.ink;
    const at = x((t.bins[cursor].at_ns + endOf(t, cursor)) / 2);
    if (!strip && cursor >= zoomFirst && cursor <= zoomLast)
      line(g, at, 4, at, HEAP + AXIS + GAP + RATE - 4);
  }

  function axes(
    g: CanvasRenderingContext2D, c: ReturnType<typeof colours>, most: number,
    y: (v: number) => number,
  ) {
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
  }

  function curves(
    g: CanvasRenderingContext2D, c: ReturnType<typeof colours>, bins: Bin[],
    y: (v: number) => number,
  ) {
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
    if (!strip && t.peak.at_ns >= start && t.peak.at_ns <= end) {
      g.fillStyle = c.peak;
      const px = x(t.peak.at_ns);
      const py = y(t.peak.bytes);
      g.beginPath();
      g.moveTo(px - 5, py - 9);
      g.lineTo(px + 5, py - 9);
      g.lineTo(px, py - 1);
      g.fill();
    }
  }

  function rates(
    g: CanvasRenderingContext2D, c: ReturnType<typeof colours>, columns: Float64Array,
    most: number,
  ) {
    const base = HEAP + AXIS + GAP + RATE - 4;
    g.fillStyle = c.rate;
    columns.forEach((value, i) => {
      const h = (value / most) * (RATE - 12);
      if (value) g.fillRect(LEFT + i, base - Math.max(1, h), 1, Math.max(1, h));
    });
    g.strokeStyle = c.grid;
    line(g, LEFT, base + 0.5, width - RIGHT, base + 0.5);
    g.fillStyle = c.text;
    g.textAlign = "left";
    g.fillText("Allocations", LEFT, HEAP + AXIS + GAP - 12);
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

  function binAt(event: PointerEvent): number {
    const box = canvas.current!.getBoundingClientRect();
    const ns = start + ((event.clientX - box.left - LEFT) / (width - LEFT - RIGHT)) * (end - start);
    let bin = zoomFirst;
    while (bin < zoomLast && t.bins[bin + 1].at_ns <= ns) bin++;
    return bin;
  }

  /** A range between two bins; what is dragged is shown once a frame. */
  function choose(a: number, b: number) {
    const bins: [number, number] = a < b ? [a, b] : [b, a];
    if (!pending.current)
      requestAnimationFrame(() => {
        p.choose(pending.current);
        pending.current = null;
      });
    pending.current = bins;
  }

  function key(event: KeyboardEvent) {
    if (event.altKey || event.metaKey) return;
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
        return p.onZoom();
      case "Escape":
        anchor.current = -1;
        if (chosen) p.choose(null);
        else p.onWhole();
        return;
      default:
        return;
    }
    event.preventDefault();
    if (event.shiftKey) {
      if (anchor.current < 0) anchor.current = cursor;
      p.choose(anchor.current < to ? [anchor.current, to] : [to, anchor.current]);
    } else anchor.current = -1;
    p.setCursor(to);
  }

  return (
    <canvas
      ref={canvas}
      class={strip ? "strip" : "timeline"}
      style={{ height: whole + "px" }}
      tabIndex={0}
      role="application"
      aria-label={p.label}
      aria-describedby={p.describedBy}
      onKeyDown={key}
      onPointerDown={(event) => {
        canvas.current!.setPointerCapture(event.pointerId);
        dragged.current = binAt(event);
        anchor.current = -1;
        p.setCursor(dragged.current);
        p.choose(null);
      }}
      onPointerMove={(event) => {
        if (dragged.current < 0) return;
        const bin = binAt(event);
        if (bin === cursor) return;
        p.setCursor(bin);
        choose(dragged.current, bin);
      }}
      onPointerUp={() => (dragged.current = -1)}
    />
  );
}

/** The state of a chart: where its selection lives depends on whether views follow. */
function useChart(zoomed: boolean): Chart {
  const { model, state, set } = useView();
  const t = model.timeline;
  const follows = model.time !== null;
  const zoom = zoomed ? binsOf(t, state.start, state.end) : binsOf(t, 0, 0);
  const [cursor, setCursor] = useState(() => {
    const [peak] = binsOf(t, t.peak.at_ns, 0);
    return peak >= zoom[0] && peak <= zoom[1] ? peak : zoom[0];
  });
  const [mark, setMark] = useState<[number, number] | null>(null);
  const chosen: [number, number] | null = !follows
    ? mark
    : state.from || state.to
      ? binsOf(t, state.from, state.to)
      : null;
  const choose = (bins: [number, number] | null) => {
    if (!follows) setMark(bins);
    else if (!bins) set({ from: 0, to: 0 });
    else
      set({
        from: bins[0] ? t.bins[bins[0]].at_ns : 0,
        to: bins[1] + 1 < t.bins.length ? endOf(t, bins[1]) : 0,
      });
  };
  return {
    zoom, cursor, chosen, setCursor, choose,
    onZoom: () => {
      if (!zoomed || !chosen) return;
      set(
        {
          start: t.bins[chosen[0]].at_ns,
          end: chosen[1] + 1 < t.bins.length ? endOf(t, chosen[1]) : 0,
        },
        true,
      );
      setCursor(chosen[0]);
      if (!follows) setMark(null);
    },
    onWhole: () => set({ start: 0, end: 0 }, true),
  };
}

/** Above the other views, where they follow: the range of time that they show. */
export function TimeStrip() {
  const { model, scope, state, set } = useView();
  const chart = useChart(false);
  const { slice } = scope;
  return (
    <div class="time-strip">
      <TimeChart {...chart} layout={STRIP} label="Range of time" />
      <span class="range" role="status" data-from={slice?.from} data-to={slice?.to}>
        {slice
          ? `${seconds(slice.from)} to ${slice.atEnd ? "the end" : seconds(slice.to)}`
          : `whole run, ${duration(model.report.wall_ns)}`}
      </span>
      <button
        type="button"
        disabled={!state.from && !state.to}
        onClick={() => set({ from: 0, to: 0 }, true)}
      >
        Whole run
      </button>
    </div>
  );
}

export function TimelineView() {
  const { model, scope } = useView();
  const t = model.timeline;
  if (!t.bins.length) return <p class="remark">The recording has no timeline: nothing happened.</p>;
  return <Timelines sums={scope.slice ? scope.total() : null} />;
}

function Timelines(p: { sums: Sums | null }) {
  const { model, scope, state } = useView();
  const t = model.timeline;
  const chart = useChart(true);
  const [a, b] = chart.chosen ?? chart.zoom;
  const shown = t.bins.slice(a, b + 1);
  const highest = shown.reduce((m, bin) => Math.max(m, bin.max_bytes), 0);
  const lowest = shown.reduce((m, bin) => Math.min(m, bin.min_bytes), Infinity);
  const allocations = shown.reduce((sum, bin) => sum + bin.allocations, 0);
  const here = t.bins[chart.cursor];
  const hasRss = t.bins.some((bin) => bin.rss_bytes !== null);
  const facts = [
    { key: "from", title: "Time", value: t.bins[a].at_ns,
      text: duration(t.bins[a].at_ns) + " to " + duration(endOf(t, b)) },
    { key: "highest", title: "Most live", value: highest, text: size(highest) },
    { key: "lowest", title: "Least live", value: lowest, text: size(lowest) },
    { key: "allocations", title: "Allocations", value: allocations, text: count(allocations) },
    { key: "last", title: "At the cursor, " + duration(here.at_ns), value: here.last_bytes,
      text: size(here.last_bytes) + " in " + count(here.last_blocks) + " blocks" },
    ...(p.sums
      ? [
          { key: "sum_allocated", title: "Allocated " + scope.over, value: p.sums.allocated,
            text: size(p.sums.allocated) },
          { key: "sum_freed", title: "Freed then, whatever it was", value: p.sums.freed,
            text: size(p.sums.freed) },
          { key: "sum_leaked", title: "Allocated then, and never freed", value: p.sums.leaked,
            text: size(p.sums.leaked) },
        ]
      : []),
  ];
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
      <TimeChart
        {...chart}
        layout={FULL}
        label="Timeline of live bytes"
        describedBy="timeline-help"
      />
      <p class="actions">
        <button type="button" onClick={chart.onZoom} disabled={!chart.chosen}>
          Zoom into the selection
        </button>
        <button type="button" onClick={() => chart.choose(null)} disabled={!chart.chosen}>
          Drop the selection
        </button>
        <button type="button" onClick={chart.onWhole} disabled={!state.start && !state.end}>
          Whole run
        </button>
      </p>
      <table class="facts" aria-live="polite">
        <caption>{chart.chosen ? "The selection" : "What is shown"}</caption>
        <tbody>
          {facts.map((f) => (
            <tr key={f.key}>
              <th scope="row">{f.title}</th>
              <td data-key={f.key} data-value={f.value} title={count(f.value)}>
                {f.text}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <p class="remark" id="timeline-help">
        Drag over the chart, or hold Shift with the arrow keys, to select; Enter zooms, Escape goes
        back.{" "}
        {model.epochs.length
          ? "The other views show what is selected, widened to the times that the profile keeps its stacks by."
          : "The other views show the whole run: this profile does not keep its stacks by time."}
      </p>
    </div>
  );
}

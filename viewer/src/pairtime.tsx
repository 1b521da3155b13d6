// Live bytes over time of both recordings, each from its own start.

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Timeline } from "./model";
import { signed, usePair } from "./pairparts";
import { niceStep } from "./timeline";
import { count, duration, size } from "./units";

const LEFT = 84;
const RIGHT = 12;
const TOP = 8;
const HEIGHT = 300;
const AXIS = 24;

/** The bin that a moment is in; -1: the recording had ended. */
export function binAt(t: Timeline, ns: number): number {
  if (!t.bins.length || ns > t.end_ns) return -1;
  let low = 0;
  let high = t.bins.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (t.bins[middle].at_ns <= ns) low = middle + 1;
    else high = middle;
  }
  return Math.max(0, low - 1);
}

/** A curve as steps, at most two to a pixel: a bin's greatest, and its last. */
function curve(t: Timeline, x: (ns: number) => number, y: (bytes: number) => number): string {
  const path: string[] = [];
  let column = -1;
  let most = 0;
  t.bins.forEach((bin, i) => {
    const at = Math.floor(x(bin.at_ns));
    if (at !== column) {
      if (column >= 0) path.push(`L${column} ${y(most).toFixed(1)}`);
      path.push(`${path.length ? "L" : "M"}${at} ${y(i ? t.bins[i - 1].last_bytes : 0).toFixed(1)}`);
      column = at;
      most = 0;
    }
    most = Math.max(most, bin.max_bytes);
  });
  if (!path.length) return "";
  const last = t.bins[t.bins.length - 1].last_bytes;
  path.push(`L${column} ${y(most).toFixed(1)}`, `L${x(t.end_ns).toFixed(1)} ${y(last).toFixed(1)}`);
  return path.join("");
}

export function PairTimelineView() {
  const { pair } = usePair();
  const box = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(800);
  const [cursor, setCursor] = useState(-1); // ns
  const both = [pair.a.timeline, pair.b.timeline];
  const end = Math.max(1, both[0].end_ns, both[1].end_ns);
  const most = both.reduce((m, t) => t.bins.reduce((n, bin) => Math.max(n, bin.max_bytes), m), 1);

  useLayoutEffect(() => setWidth(box.current!.clientWidth), []);
  useEffect(() => {
    const observer = new ResizeObserver(() => setWidth(box.current!.clientWidth));
    observer.observe(box.current!);
    return () => observer.disconnect();
  }, []);

  const x = (ns: number) => LEFT + (ns / end) * (width - LEFT - RIGHT);
  const y = (bytes: number) => TOP + (HEIGHT - TOP) * (1 - bytes / (most * 1.04));
  const steps = (whole: number, most: number, base: number) => {
    const step = niceStep(whole, most, base);
    return Array.from({ length: Math.floor(whole / step) + 1 }, (_, i) => i * step);
  };
  const figures = (ns: number) =>
    both.map((t) => {
      const bin = binAt(t, ns);
      return bin < 0 ? null : t.bins[bin].last_bytes;
    });
  const at = cursor < 0 ? null : figures(cursor);
  const facts: { key: string; title: string; a: number; b: number; as: (n: number) => string }[] = [
    { key: "peak", title: "Peak", a: both[0].peak.bytes, b: both[1].peak.bytes, as: size },
    { key: "peak_at", title: "Peak at", a: both[0].peak.at_ns, b: both[1].peak.at_ns, as: duration },
    {
      key: "allocations", title: "Allocations",
      a: pair.a.report.totals.allocations, b: pair.b.report.totals.allocations, as: count,
    },
    { key: "wall", title: "Ran", a: both[0].end_ns, b: both[1].end_ns, as: duration },
  ];
  const move = (to: number) => setCursor(Math.max(0, Math.min(end, to)));
  return (
    <div class="timeline-view pair">
      <p class="caption">
        Live bytes of all processes since the start of each recording:{" "}
        <span class="key live-a" /> A <span class="key live-b" /> B, dashed
      </p>
      <div
        ref={box}
        class="pair-time"
        role="application"
        tabIndex={0}
        aria-label="Timeline of both"
        aria-describedby="pair-time-status"
        onMouseMove={(e) => {
          const area = e.currentTarget.getBoundingClientRect();
          move(((e.clientX - area.left - LEFT) / Math.max(1, width - LEFT - RIGHT)) * end);
        }}
        onMouseLeave={() => setCursor(-1)}
        onKeyDown={(e) => {
          const step = end / 100;
          const from = Math.max(0, cursor);
          if (e.key === "ArrowRight") move(from + step);
          else if (e.key === "ArrowLeft") move(from - step);
          else if (e.key === "Home") move(0);
          else if (e.key === "End") move(end);
          else return;
          e.preventDefault();
        }}
      >
        <svg width={width} height={HEIGHT + AXIS} aria-hidden="true">
          {steps(most * 1.04, 5, 1024).map((bytes) => (
            <g key={bytes}>
              <line class="rule" x1={LEFT} x2={width - RIGHT} y1={y(bytes)} y2={y(bytes)} />
              <text x={LEFT - 6} y={y(bytes) + 4} text-anchor="end">
                {size(bytes)}
              </text>
            </g>
          ))}
          {steps(end, Math.max(2, Math.floor(width / 140)), 10).map((ns) => (
            <text key={ns} x={x(ns)} y={HEIGHT + 16} text-anchor={ns ? "middle" : "start"}>
              {duration(ns)}
            </text>
          ))}
          <path class="live-a" d={curve(both[0], x, y)} />
          <path class="live-b" d={curve(both[1], x, y)} />
          {cursor >= 0 && <line class="cursor" x1={x(cursor)} x2={x(cursor)} y1={TOP} y2={HEIGHT} />}
        </svg>
      </div>
      <p class="status" id="pair-time-status" aria-live="polite">
        {at ? (
          <>
            After {duration(cursor)}: A{" "}
            {at[0] === null ? "had ended" : <span data-key="a" data-value={at[0]}>{size(at[0])}</span>}, B{" "}
            {at[1] === null ? "had ended" : <span data-key="b" data-value={at[1]}>{size(at[1])}</span>}
            {at[0] !== null && at[1] !== null && "; difference " + signed(at[1] - at[0], "peak")}
          </>
        ) : (
          <span class="muted">Point at the curves, or move with the arrow keys.</span>
        )}
      </p>
      <table class="facts">
        <caption>Of both</caption>
        <thead>
          <tr>
            <th scope="col">Figure</th>
            <th scope="col">A</th>
            <th scope="col">B</th>
          </tr>
        </thead>
        <tbody>
          {facts.map((f) => (
            <tr key={f.key}>
              <th scope="row">{f.title}</th>
              <td data-key={f.key + "_a"} data-value={f.a}>
                {f.as(f.a)}
              </td>
              <td data-key={f.key + "_b"} data-value={f.b}>
                {f.as(f.b)}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

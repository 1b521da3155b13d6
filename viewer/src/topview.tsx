// Tables: who has most; blocks by size and lifetime; processes and threads.

import { useEffect, useMemo, useState } from "preact/hooks";
import { Bar, METRIC_WORDS, useMetricPhrase, Value } from "./cells";
import { useView } from "./context";
import { Grid } from "./grid";
import { histogram, type Histogram } from "./histogram";
import { METRICS, type Metric } from "./scope";
import { Choice, titled } from "./parts";
import { type State, TOP_BY } from "./state";
import { topFullName, topName, topRows } from "./top";
import { clean, count, duration, percent, size, together } from "./units";

const TITLES: Record<Metric, string> = {
  peak: "Peak", leaked: "Leaked", allocated: "Allocated", temporary: "Temporary",
  allocations: "Allocations",
};

export function TopView() {
  const { model: m, scope, state, set } = useView();
  const phrase = useMetricPhrase();
  const rows = useMemo(
    () => topRows(scope, state.by, state.metric),
    [scope, state.by, state.metric],
  );
  const [selected, select] = useState(0);
  const most = rows.length ? rows[0].sums[state.metric] : 0;
  const total = scope.total();
  const open = (row: number) => {
    const r = rows[row];
    if (state.by === "process") set({ pid: m.report.processes[r.label].pid }, true);
    else if (r.label > 0 && state.by === "function")
      set({ view: "flame", root: topFullName(m, state.by, r.label) }, true);
  };
  return (
    <div class="top-view">
      <div class="tools">
        <Choice
          label="By"
          of={titled(TOP_BY)}
          at={state.by}
          choose={(by) => {
            select(0);
            set({ by });
          }}
        />
      </div>
      <p class="caption">
        Ordered by {phrase}. Total: <Value value={total[state.metric]} metric={state.metric} />.
        {state.by === "function" && " Enter shows a function's callers and callees."}
        {state.by === "process" && " Enter shows one process alone."}
      </p>
      <Grid
        key={state.by}
        label={"Top by " + state.by}
        className="top"
        columns={[
          ...METRICS.map((metric) => ({
            title: metric === "peak" && scope.slice ? "Live then" : TITLES[metric],
            className: "number metric-" + metric + (metric === state.metric ? " current" : ""),
          })),
          ...(state.by === "function" ? [{ title: "Inclusive", className: "number wide" }] : []),
          { title: state.by[0].toUpperCase() + state.by.slice(1), className: "text" },
        ]}
        template={
          "var(--top-columns) " +
          (state.by === "function" ? "var(--top-inclusive) " : "") +
          "minmax(0, 1fr)"
        }
        count={rows.length}
        selected={Math.min(selected, rows.length - 1)}
        onSelect={select}
        onOpen={open}
        cells={(row) => {
          const { label, sums } = rows[row];
          return [
            ...METRICS.map((metric) =>
              metric === state.metric ? (
                <Bar value={sums[metric]} of={most} metric={metric} />
              ) : (
                <Value value={sums[metric]} metric={metric} blank />
              ),
            ),
            ...(state.by === "function"
              ? [<Value value={rows[row].inclusive} metric={state.metric} />]
              : []),
            <span class="name" title={clean(topFullName(m, state.by, label))}>
              {clean(topName(m, state.by, label))}
            </span>,
          ];
        }}
      />
    </div>
  );
}

export function classSize(k: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
  if (k < 1) return "0 or 1 B";
  if (k < 10) return 2 ** k + " to " + (2 ** (k + 1) - 1) + " B";
  return 2 ** (k % 10) + " to " + 2 ** ((k % 10) + 1) + " " + units[Math.floor(k / 10)];
}

export function classTime(k: number): string {
  return duration(k ? 2 ** k : 0) + " to " + duration(2 ** (k + 1));
}

function Classes(p: { title: string; of: Histogram; name: (k: number) => string }) {
  const { of } = p;
  const [selected, select] = useState(0);
  const most = of.rows.reduce((m, r) => Math.max(m, r.count), 0);
  const bytes = of.rows.some((r) => r.most > 0);
  return (
      <Grid
        key={p.title}
        label={p.title}
        className="classes"
        columns={[
          { title: p.title.replace(/s$/, ""), className: "text" },
          { title: "Allocations", className: "number" },
          { title: "Share", className: "number share" },
          ...(bytes ? [{ title: "Allocated", className: "number" }] : []),
        ]}
        template={bytes ? "150px minmax(120px, 1fr) 76px minmax(150px, 1fr)" : "170px minmax(120px, 1fr) 76px"}
        count={of.rows.length}
        selected={selected}
        onSelect={select}
        cells={(row) => {
          const r = of.rows[row];
          const between =
            size(r.least) === size(r.most) ? size(r.least) : size(r.least) + " to " + size(r.most);
          return [
            r.k < 0 ? "never freed" : p.name(r.k),
            <Bar value={r.count} of={most} metric="allocations" />,
            percent(r.count, of.total),
            ...(bytes
              ? [
                  <span data-least={r.least} data-most={r.most}>
                    {between}
                  </span>,
                ]
              : []),
          ];
        }}
      />
  );
}

const CLASSES: readonly State["classes"][] = ["size", "lifetime"];

export function ClassesChoice(p: { state: State; set: (patch: Partial<State>) => void }) {
  return (
    <Choice
      label="Blocks by"
      of={titled(CLASSES)}
      at={p.state.classes}
      choose={(classes) => p.set({ classes })}
    />
  );
}

export function SizesView() {
  const { model: m, scope, state, set } = useView();
  const [found, setFound] = useState<{ sizes: Histogram; lives: Histogram } | null>(null);
  useEffect(() => {
    let current = true;
    void m.classes().then((classes) => current && setFound(histogram(scope, classes)));
    return () => {
      current = false;
    };
  }, [scope]);
  if (!found) return <p class="loading">Reading ...</p>;
  if (scope.slice)
    return (
      <div class="sizes-view">
        <p class="remark">
          Sizes and lifetimes are kept of the whole run, not by time: choose the whole run above.
        </p>
      </div>
    );
  return (
    <div class="sizes-view">
      <div class="tools">
        <ClassesChoice state={state} set={set} />
      </div>
      <p class="caption">
        {state.classes === "size"
          ? "Bytes as requested; given between bounds where one stack asked for sizes of several rows."
          : "From a block's allocation to its free; a realloc ends one and begins another."}
      </p>
      {state.classes === "size" ? (
        <Classes title="Sizes" of={found.sizes} name={classSize} />
      ) : (
        <Classes title="Lifetimes" of={found.lives} name={classTime} />
      )}
    </div>
  );
}

const ENDS: Record<string, string> = {
  exited: "exited", signaled: "killed by signal", execed: "executed another program",
  running: "ran on",
};

export function ProcessesView() {
  const { model: m, state, set } = useView();
  const every = m.report.processes;
  const all = useMemo(() => every.filter((p) => !p.counted_with), [every]);
  const [process, selectProcess] = useState(0);
  const [thread, selectThread] = useState(0);
  const most = all.reduce((a, p) => Math.max(a, p.peak.bytes), 0);
  const events = m.threads.rows.reduce((a, t) => Math.max(a, t.events), 0);
  const bySerial = useMemo(() => new Map(every.map((p) => [p.serial, p])), [every]);
  return (
    <div class="processes-view">
      <section aria-label="Processes">
        <h2>Processes</h2>
        <Grid
          label="Processes"
          columns={[
            { title: "Pid", className: "number" },
            { title: "Own peak", className: "number" },
            { title: "Leaked", className: "number" },
            { title: "Allocated", className: "number wide" },
            { title: "Time", className: "number wide" },
            { title: "Command, and its end", className: "text" },
          ]}
          template="var(--process-columns) minmax(0, 1fr)"
          count={all.length}
          selected={process}
          onSelect={selectProcess}
          onOpen={(row) => set({ pid: state.pid === all[row].pid ? 0 : all[row].pid })}
          cells={(row) => {
            const p = all[row];
            return [
              p.pid,
              <Bar value={p.peak.bytes} of={most} metric="peak" />,
              <Value value={p.leaked.bytes} metric="leaked" blank />,
              <Value value={p.totals.allocated_bytes} metric="allocated" />,
              duration(p.end_ns - p.start_ns),
              <span class="name" title={clean(p.command)}>
                <code>{clean(p.command)}</code>{" "}
                <small>
                  {p.counted ? together(p) : (ENDS[p.end] ?? p.end)}
                  {p.exit !== null && p.end === "exited" ? " with " + p.exit : ""}
                  {p.exit !== null && p.end === "signaled" ? " " + (p.exit - 128) : ""}
                  {p.pid === state.pid ? "; shown alone" : ""}
                </small>
              </span>,
            ];
          }}
        />
        <p class="remark">
          {all.length > 1 ? "Enter shows a process alone, and all again. " : ""}
          {m.report.unfollowed.length > 0 &&
            count(m.report.unfollowed.length) +
              " programs of the tree could not be recorded: `heapline report` lists them."}
        </p>
      </section>
      <section aria-label="Threads">
        <h2>Threads</h2>
        <Grid
          label="Threads"
          columns={[
            { title: "Tid", className: "number" },
            { title: "Events", className: "number" },
            { title: "Time", className: "number" },
            { title: "Name", className: "text" },
          ]}
          template="84px 130px 92px minmax(0, 1fr)"
          count={m.threads.rows.length}
          selected={thread}
          onSelect={selectThread}
          cells={(row) => {
            const t = m.threads.rows[row];
            const p = bySerial.get(t.process_serial);
            return [
              t.tid,
              <Bar value={t.events} of={events} metric="allocations" kind="events" />,
              duration(t.end_ns - t.start_ns),
              <span class="name">
                {clean(t.name)} <small>{p ? "of " + p.pid : ""}</small>
              </span>,
            ];
          }}
        />
        <p class="remark">
          Events are allocations and frees. This profile has no bytes by thread.
        </p>
      </section>
    </div>
  );
}

export const METRIC_CHOICES = METRICS.map((metric) => ({ metric, title: METRIC_WORDS[metric] }));

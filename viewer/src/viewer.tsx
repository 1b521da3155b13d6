// The application: reads the page's profile, and shows it.

import { render } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { command } from "./command";
import { ViewContext } from "./context";
import { dataOf } from "./data";
import { FlameView } from "./flameview";
import { LeaksView } from "./leaksview";
import { Model } from "./model";
import { Pair } from "./pair";
import { PairFigures, PairHeading, pairNotices, PairPage, ShowSwitch } from "./pairapp";
import { pairCommand } from "./pairparts";
import { type Domain, DOMAINS, parseRegex, Scope } from "./scope";
import { RefsView } from "./refsview";
import { SourceView } from "./source";
import { formatState, parseState, type State, type View, VIEWS } from "./state";
import { TimelineView, TimeStrip } from "./timeline";
import { METRIC_CHOICES, ProcessesView, SizesView, TopView } from "./topview";
import { TreeView } from "./treeview";
import { clean, count, duration, size } from "./units";
import "./viewer.css";
import "./heap.css";

const TITLES: Record<View, string> = {
  source: "Source", flame: "Flame graph", tree: "Tree", top: "Top", timeline: "Timeline",
  leaks: "Leaks", refs: "References", sizes: "Sizes", processes: "Processes",
};

/** Views that show figures of one metric. */
const METRIC_VIEWS: readonly View[] = ["source", "flame", "tree", "top"];

/** Views that no range of time changes. */
const TIMELESS: readonly View[] = ["timeline", "leaks", "refs", "processes"];

const PAGES: Record<View, () => preact.JSX.Element> = {
  source: SourceView, flame: FlameView, tree: TreeView, top: TopView, timeline: TimelineView,
  leaks: LeaksView, refs: RefsView, sizes: SizesView, processes: ProcessesView,
};

// ---- theme ------------------------------------------------------------------------

type Theme = "auto" | "light" | "dark";

function applyTheme(theme: Theme): void {
  const dark = theme === "auto" ? matchMedia("(prefers-color-scheme: dark)").matches : theme === "dark";
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  dispatchEvent(new Event("themechange"));
}

function savedTheme(): Theme {
  try {
    const saved = localStorage.getItem("heapline-theme");
    return saved === "light" || saved === "dark" ? saved : "auto";
  } catch {
    return "auto"; // a page that may keep nothing
  }
}

function ThemeSwitch() {
  const [theme, setTheme] = useState<Theme>(savedTheme());
  useEffect(() => {
    applyTheme(theme);
    try {
      localStorage.setItem("heapline-theme", theme);
    } catch {
      // It holds until the page is closed.
    }
    const media = matchMedia("(prefers-color-scheme: dark)");
    const change = () => applyTheme(theme);
    media.addEventListener("change", change);
    return () => media.removeEventListener("change", change);
  }, [theme]);
  return (
    <label class="field theme">
      <span>Theme</span>
      <select value={theme} onChange={(e) => setTheme(e.currentTarget.value as Theme)}>
        <option value="auto">system</option>
        <option value="light">light</option>
        <option value="dark">dark</option>
      </select>
    </label>
  );
}

// ---- around the views -----------------------------------------------------------------

function Figures(p: { model: Model }) {
  const r = p.model.report;
  const facts = [
    { title: "Peak", value: size(r.peak.bytes), exact: r.peak.bytes },
    { title: "Never freed", value: size(r.leaked.bytes), exact: r.leaked.bytes },
    { title: "Allocated", value: size(r.totals.allocated_bytes), exact: r.totals.allocated_bytes },
    { title: "Allocations", value: count(r.totals.allocations), exact: r.totals.allocations },
    { title: "Ran", value: duration(r.wall_ns), exact: r.wall_ns },
  ];
  return (
    <dl class="figures">
      {facts.map((f) => (
        <div key={f.title}>
          <dt>{f.title}</dt>
          <dd title={count(f.exact)} data-value={f.exact}>
            {f.value}
          </dd>
        </div>
      ))}
    </dl>
  );
}

function noticesOf(m: Model): string[] {
  const { report: r, about } = m;
  const notices: string[] = [];
  if (about.cut) notices.push(about.cut.trim().replace(/\n+/g, " "));
  if (r.losses.events) notices.push(count(r.losses.events) + " events were lost: figures are too small.");
  if (r.losses.stopped) notices.push("Recording ended before the program did: " + r.losses.stopped + ".");
  if (!r.complete) notices.push("The recording was cut short: the last moments are missing.");
  if (r.sampled)
    notices.push(
      "Sampled: figures are estimates of one block in " + size(r.sampled.interval_bytes) + ".",
    );
  if (!about.free_stacks)
    notices.push("Frees were recorded without their stacks: nothing is subtracted from lines.");
  if (about.partial && about.lacks)
    notices.push("Only a part of the profile could be read: " + about.lacks);
  else if (about.partial)
    notices.push("The smaller places in the stacks, and what was when, are being read.");
  else if (about.folded)
    notices.push(
      `${count(about.folded)} of ${count(about.nodes - 1)} places in the stacks are folded into ` +
        "\u201csmaller\u201d ones, to keep this page small: their lines and names are left out, " +
        "sums are whole.",
    );
  return notices;
}

/** An entry that is taken when typing pauses; what is no expression is said so. */
function RegexField(p: { title: string; value: string; onChange: (value: string) => void }) {
  const [text, setText] = useState(p.value);
  const wait = useRef(0);
  useEffect(() => setText(p.value), [p.value]);
  const { why } = parseRegex(text);
  return (
    <label class="field">
      <span>{p.title}</span>
      <input
        type="search"
        value={text}
        placeholder="regular expression"
        aria-invalid={why !== ""}
        title={why || "Functions, files and modules that match"}
        onInput={(e) => {
          const value = e.currentTarget.value;
          setText(value);
          clearTimeout(wait.current);
          wait.current = setTimeout(() => !parseRegex(value).why && p.onChange(value), 250);
        }}
        onKeyDown={(e) => {
          if (e.key !== "Enter" || parseRegex(text).why) return;
          clearTimeout(wait.current);
          p.onChange(text);
        }}
      />
    </label>
  );
}

interface ControlsProps {
  model: Model;
  pair: Pair | null;
  state: State;
  set: (patch: Partial<State>, remember?: boolean) => void;
}

const DOMAIN_TITLES: Record<Domain, string> = {
  malloc: "heap (malloc)", mmap: "mappings (mmap)", pool: "chunks of pools", arena: "Python's arenas",
};

/** Kinds of memory that the profile has something of. */
function domainsOf(m: Model): Domain[] {
  return DOMAINS.filter((d) => d === "malloc" || m.report.domains[d]?.totals.allocations > 0);
}

function Controls(p: ControlsProps) {
  const { model: m, pair, state, set } = p;
  const changes = pair && state.show === "diff";
  const apart = m.report.processes.filter((q) => !q.counted_with);
  const pids = [...new Set(apart.map((q) => q.pid))];
  const domains = domainsOf(m);
  return (
    <div class="controls">
      {pair && <ShowSwitch state={state} set={set} />}
      {METRIC_VIEWS.includes(state.view) && (
        <label class="field">
          <span>Metric</span>
          <select
            value={state.metric}
            onChange={(e) => set({ metric: e.currentTarget.value as State["metric"] })}
          >
            {METRIC_CHOICES.map((c) => (
              <option key={c.metric} value={c.metric}>
                {c.title}
              </option>
            ))}
          </select>
        </label>
      )}
      {pids.length > 1 && !changes && (
        <label class="field">
          <span>Process</span>
          <select
            value={state.pid}
            onChange={(e) => set({ pid: Number(e.currentTarget.value) })}
          >
            <option value={0}>all</option>
            {pids.map((pid) => (
              <option key={pid} value={pid}>
                {pid}
              </option>
            ))}
          </select>
        </label>
      )}
      {domains.length > 1 && !changes && (
        <label class="field">
          <span>Memory</span>
          <select
            value={state.domain}
            onChange={(e) => set({ domain: e.currentTarget.value as State["domain"] })}
          >
            {domains.map((domain) => (
              <option key={domain} value={domain}>
                {DOMAIN_TITLES[domain]}
              </option>
            ))}
          </select>
        </label>
      )}
      <RegexField title="Focus" value={state.focus} onChange={(focus) => set({ focus })} />
      <RegexField title="Ignore" value={state.ignore} onChange={(ignore) => set({ ignore })} />
      <ThemeSwitch />
    </div>
  );
}

function CommandBar(p: { text: string }) {
  const [copied, setCopied] = useState(false);
  useEffect(() => setCopied(false), [p.text]);
  const code = useRef<HTMLElement>(null);
  return (
    <footer class="command">
      <span class="muted">At a terminal:</span>{" "}
      <code ref={code} tabIndex={0} aria-label="Command">
        {p.text}
      </code>
      <button
        type="button"
        onClick={() => {
          const said = () => setCopied(true);
          const select = () => getSelection()?.selectAllChildren(code.current!);
          if (navigator.clipboard) navigator.clipboard.writeText(p.text).then(said, select);
          else select();
        }}
      >
        {copied ? "Copied" : "Copy"}
      </button>
    </footer>
  );
}

// ---- the application --------------------------------------------------------------------

interface AppProps {
  model: Model;
  pair: Pair | null;
  onShow: (show: State["show"]) => void;
}

function App(p: AppProps) {
  const { model, pair } = p;
  const [state, setState] = useState(() => parseState(location.hash));
  const latest = useRef(state);
  latest.current = state;

  // The whole run is shown at once; what a range of time needs is read behind it.
  const [timed, setTimed] = useState(model.time !== null);
  useEffect(() => {
    if (!timed && model.epochs.length)
      setTimeout(() => void model.readTimes().then(() => setTimed(true)), 100);
    else if (!model.about.partial || model.about.lacks)
      document.documentElement.dataset.whole = performance.now().toFixed(0);
  }, [timed]);
  useEffect(() => {
    const read = () => {
      const next = parseState(location.hash);
      setState(next);
      p.onShow(next.show);
    };
    addEventListener("hashchange", read);
    return () => removeEventListener("hashchange", read);
  }, []);

  const set = (patch: Partial<State>, remember = false) => {
    const next = { ...latest.current, ...patch };
    const fragment = formatState(next);
    if (fragment === formatState(latest.current)) return;
    latest.current = next;
    if (remember) history.pushState(null, "", fragment);
    else history.replaceState(null, "", fragment);
    setState(next);
    p.onShow(next.show);
  };

  const scope = useMemo(
    () =>
      new Scope(model, {
        domain: state.domain, pid: state.pid, focus: state.focus, ignore: state.ignore,
        from: state.from, to: state.to,
      }),
    [model, state.domain, state.pid, state.focus, state.ignore, state.from, state.to, timed],
  );
  useEffect(() => {
    // On a narrow screen the tabs scroll.
    document.querySelector('nav a[aria-current="page"]')?.scrollIntoView({
      block: "nearest", inline: "nearest",
    });
    document.title = TITLES[state.view] + " \u2013 " + clean(model.about.profile || "heapline");
  }, [state.view]);
  useEffect(() => {
    const key = (event: KeyboardEvent) => {
      const target = event.target as HTMLElement;
      if (event.ctrlKey || event.altKey || event.metaKey) return;
      if (/^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName)) return;
      const view = VIEWS[Number(event.key) - 1];
      if (view && /^[1-9]$/.test(event.key)) set({ view }, true);
    };
    addEventListener("keydown", key);
    return () => removeEventListener("keydown", key);
  }, []);

  const Page = PAGES[state.view];
  const changes = pair && state.show === "diff" ? pair : null;
  return (
    <ViewContext.Provider value={{ model, scope, state, set }}>
      <header>
        <div class="what">
          <h1>
            <span class="brand">heapline</span>{" "}
            {changes ? (
              <PairHeading pair={changes} />
            ) : (
              <code title={clean(model.report.command)}>{clean(model.report.command)}</code>
            )}
          </h1>
          {changes ? <PairFigures pair={changes} /> : <Figures model={model} />}
        </div>
        <Controls model={model} pair={pair} state={state} set={set} />
        <nav aria-label="Views">
          {VIEWS.map((view, i) => (
            <a
              key={view}
              href={formatState({ ...state, view })}
              aria-current={state.view === view ? "page" : undefined}
              title={"Key " + (i + 1)}
            >
              {TITLES[view]}
            </a>
          ))}
        </nav>
      </header>
      {(changes ? pairNotices(changes, noticesOf) : noticesOf(model)).map((notice) => (
        <p class="notice" role="note" key={notice}>
          {clean(notice)}
        </p>
      ))}
      {timed && !changes && model.timeline.bins.length > 0 &&
        !TIMELESS.includes(state.view) && <TimeStrip />}
      <main>
        {changes ? (
          <PairPage pair={changes} state={state} set={set} />
        ) : (
          <Page key={state.view} />
        )}
      </main>
      <CommandBar text={changes ? pairCommand(changes, state) : command(model, state)} />
    </ViewContext.Provider>
  );
}

/** Of two profiles each is shown by an application of its own: what is looked at is in
 * the fragment, where the next one finds it. */
function Shell(p: { model: Model; pair: Pair | null }) {
  const [show, setShow] = useState(parseState(location.hash).show);
  const model = p.pair && show !== "a" ? p.pair.b : p.model;
  return <App key={p.pair ? show : ""} model={model} pair={p.pair} onShow={setShow} />;
}

/** Reads a page's profile, or its two; of a page that has its columns twice, those whose
 * names begin so. */
async function read(prefix = ""): Promise<{ model: Model; pair: Pair | null }> {
  const model = await Model.read(dataOf(document, prefix));
  const { from, to } = parseState(location.hash);
  if ((from || to) && model.epochs.length) await model.readTimes();
  const pair = await Pair.read(model, () => Model.read(dataOf(document, prefix + "b.")));
  return { model, pair };
}

/** Shows all of a large profile, once its first columns are shown. */
async function readAll(place: HTMLElement, first: { model: Model; pair: Pair | null }): Promise<void> {
  try {
    const all = await read("all.");
    render(<Shell key="all" {...all} />, place);
  } catch (error) {
    first.model.about.lacks = error instanceof Error ? error.message : String(error);
    render(<Shell key="part" {...first} />, place);
  }
}

async function start(): Promise<void> {
  const place = document.getElementById("app")!;
  applyTheme(savedTheme());
  try {
    const first = await read();
    place.textContent = "";
    render(<Shell {...first} />, place);
    const { dataset } = document.documentElement;
    dataset.ready = performance.now().toFixed(0);
    requestAnimationFrame(() =>
      requestAnimationFrame(() => {
        dataset.shown = performance.now().toFixed(0);
        if (first.model.about.partial) void readAll(place, first);
      }),
    );
  } catch (error) {
    place.textContent =
      "This page cannot be shown: " + (error instanceof Error ? error.message : String(error));
    throw error;
  }
}

void start();

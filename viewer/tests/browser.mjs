// What the viewer shows, against what heapline prints for the same question.
//
//   browser.mjs CONFIG.json
//
// CONFIG: chromium; pages by name, each `file`, `profile` (its name) and `cli`, the
// answers of heapline --json by question; addresses of the same pages where they are
// `served`. Writes one JSON object a line: name, and
// `detail` if it failed.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { axeSays, factsOf, go, launch, open, rowsOf, runAll, settle, strays, until } from "./page.mjs";

const config = JSON.parse(readFileSync(process.argv[2], "utf8"));
const browser = await launch(config.chromium);
const tests = {};
const METRICS = ["peak", "leaked", "allocated", "temporary", "allocations"];

/** Questions of one page, in its order, on one tab. */
async function withPage(name, fragment, options, use) {
  const one = config.pages[name];
  const page = await open(browser, one.file, fragment, options);
  try {
    await use(page, one.cli);
    assert.deepEqual(page.complaints, []);
  } finally {
    await page.context().close();
  }
}

async function noticesOf(page) {
  return (await page.$$eval(".notice", (all) => all.map((e) => e.textContent))).join("\n");
}

// ---- figures and source ---------------------------------------------------------------

tests.heading_has_the_reports_figures = () =>
  withPage("one", "", {}, async (page, cli) => {
    const shown = await page.$$eval(".figures dd", (all) => all.map((e) => Number(e.dataset.value)));
    const r = cli.report;
    assert.deepEqual(shown, [
      r.peak.bytes, r.leaked.bytes, r.totals.allocated_bytes, r.totals.allocations, r.wall_ns,
    ]);
  });

/** Lines of `heapline lines --json` by function, as the source view has them. */
function linesOf(cli) {
  return cli.functions.map((f) => ({
    name: f.name,
    file: f.file,
    lines: f.lines.filter((l) => l.occurrences !== null),
  }));
}

async function checkSource(page, lines, fragment) {
  const files = [...new Set(linesOf(lines).map((f) => f.file))];
  for (const file of files) {
    await go(page, fragment + "&all=1&file=" + encodeURIComponent(file));
    const label = "Source of " + file;
    const rows = await rowsOf(page, label);
    const shown = [];
    for (const row of rows) {
      if (row.classes.includes("function")) shown.push({ name: row.cells[4].text, lines: [] });
      else if (row.classes.includes("line") && !row.classes.includes("quiet"))
        shown[shown.length - 1].lines.push(row);
    }
    const wanted = linesOf(lines).filter((f) => f.file === file);
    assert.deepEqual(shown.map((f) => f.name).sort(), wanted.map((f) => f.name).sort(), file);
    for (const f of wanted) {
      const same = shown.filter((s) => s.name === f.name).map((s) =>
        s.lines.map((row) => [
          Number(row.cells[3].text), row.cells[0].value ?? 0, row.cells[1].value ?? 0,
          row.cells[2].value ?? 0,
        ]),
      );
      const theirs = f.lines.map((l) => [l.line, l.allocated, l.peak, l.leaked]);
      assert.ok(same.some((s) => JSON.stringify(s) === JSON.stringify(theirs)),
        `${f.name}: ${JSON.stringify(same)} is not ${JSON.stringify(theirs)}`);
    }
  }
}

tests.source_has_the_lines_figures = () =>
  withPage("one", "", {}, async (page, cli) => {
    await checkSource(page, cli.lines, "#view=source");
  });

tests.source_follows_process_and_focus = () =>
  withPage("tree", "", {}, async (page, cli) => {
    await checkSource(page, cli.lines, "#view=source");
    await checkSource(page, cli.lines_process, "#view=source&pid=" + cli.pid);
    await checkSource(page, cli.lines_focus, "#view=source&focus=" + encodeURIComponent(cli.focus));
    await checkSource(page, cli.lines_ignore, "#view=source&ignore=" + encodeURIComponent(cli.focus));
  });

tests.a_chosen_line_shows_all_its_figures_and_stacks = () =>
  withPage("one", "#view=source", {}, async (page, cli) => {
    const main = cli.lines.functions.find((f) => f.name === "main");
    await go(page, "#view=source&fn=main&file=" + encodeURIComponent(main.file));
    for (const line of main.lines.filter((l) => l.occurrences !== null)) {
      await page.click(`.lines .row.line:not(.quiet):has(.linenumber:text-is("${line.line}"))`);
      const facts = await factsOf(page, ".details");
      assert.deepEqual(
        facts,
        {
          increment: line.increment, lastLive: line.mem_usage, allocations: line.occurrences,
          allocated: line.allocated, freed: line.freed, peak: line.peak, leaked: line.leaked,
          temporary: line.temporary,
        },
        "line " + line.line,
      );
      const stacks = await page.$$eval(".details .stacks > li [data-value]", (all) =>
        all.map((e) => Number(e.dataset.value)),
      );
      // At most 20 are listed.
      const sum = stacks.reduce((a, b) => a + b, 0);
      if (stacks.length < 20) assert.equal(sum, line.peak);
      else assert.ok(sum <= line.peak);
    }
  });

tests.inlined_calls_open_with_mouse_and_keys = () =>
  withPage("one", "#view=source", {}, async (page, cli) => {
    const fill = cli.lines.functions.find((f) => f.name.startsWith("fill("));
    await go(page, `#view=source&fn=${encodeURIComponent(fill.name)}&file=` + encodeURIComponent(fill.file));
    const before = await page.$$eval(".lines .row.inlined", (all) => all.length);
    assert.equal(before, 0);
    const line = fill.lines.find((l) => l.allocated && l.line);
    const row = `.lines .row.line:not(.quiet):has(.linenumber:text-is("${line.line}"))`;
    await page.click(row + " .twisty");
    await settle(page);
    const sums = await page.$$eval(".lines .row.inlined", (all) =>
      all.map((r) => Number(r.children[0].querySelector("[data-value]")?.dataset.value ?? 0)),
    );
    assert.ok(sums.length > 0, "nothing was inlined into line " + line.line);
    for (const sum of sums) assert.ok(sum <= line.allocated);
    await page.click(row);
    await page.keyboard.press("ArrowLeft");
    await settle(page);
    assert.equal(await page.$$eval(".lines .row.inlined", (all) => all.length), 0);
    await page.keyboard.press("ArrowRight");
    await settle(page);
    assert.equal(await page.$$eval(".lines .row.inlined", (all) => all.length), sums.length);
  });

tests.functions_are_in_the_reports_order = () =>
  withPage("one", "#view=source", {}, async (page, cli) => {
    for (const metric of METRICS.slice(0, 4)) {
      await go(page, "#view=source&all=1&metric=" + metric);
      const rows = await rowsOf(page, "Functions");
      assert.deepEqual(
        rows.map((r) => r.cells[1].value ?? 0),
        cli["lines_" + metric].functions.map((f) => f.total[metric]),
        metric,
      );
      assert.deepEqual(
        rows.map((r) => r.cells[0].title.split("\n")[0]),
        cli["lines_" + metric].functions.map((f) => f.name),
        metric,
      );
    }
  });

tests.functions_without_lines_have_the_reports_figures = () =>
  withPage("bare", "#view=source", {}, async (page, cli) => {
    const rows = await rowsOf(page, "Functions without lines");
    const theirs = cli.lines.functions_without_lines;
    assert.ok(theirs.length > 2);
    assert.deepEqual(
      rows.map((r) => [0, 1, 2].map((i) => r.cells[i].value ?? 0)),
      theirs.map((f) => [f.allocated, f.peak, f.leaked]),
    );
  });

// ---- tree and flame graph ----------------------------------------------------------------

async function checkTree(page, fragment, cli, callers, least = 1) {
  // A search for anything opens everything.
  await go(page, fragment + "&search=.");
  const rows = await rowsOf(page, "Call tree");
  const name = callers ? 2 : 3;
  const shown = rows
    .filter((r) => !/^\d+ smaller$/.test(r.cells[name].title))
    .map((r) => [r.level - 1, r.cells[name].title, r.cells[0].value ?? 0,
      ...(callers ? [] : [r.cells[2].value ?? 0])]);
  const theirs = cli.nodes
    .filter((n) => !n.folded)
    .map((n) => [n.depth, n.name, n.value, ...(callers ? [] : [n.self])]);
  assert.ok(theirs.length >= least, `${fragment}: ${theirs.length} nodes`);
  assert.deepEqual(shown, theirs, fragment);
}

tests.tree_has_the_trees_nodes = () =>
  withPage("one", "#view=tree", {}, async (page, cli) => {
    for (const metric of METRICS)
      for (const dir of ["down", "callers"])
        await checkTree(page, `#view=tree&metric=${metric}&dir=${dir}`,
          cli[`tree_${metric}_${dir}`], dir === "callers");
    await checkTree(page, "#view=tree&lines=1", cli.tree_lines, false);
    await checkTree(page, "#view=tree&lines=1&dir=callers", cli.tree_lines_callers, true);
  });

tests.tree_follows_process_and_focus = () =>
  withPage("tree", "#view=tree", {}, async (page, cli) => {
    await checkTree(page, "#view=tree", cli.tree, false);
    await checkTree(page, "#view=tree&pid=" + cli.pid, cli.tree_process, false);
    await checkTree(page, "#view=tree&dir=callers&pid=" + cli.pid, cli.tree_process_callers, true);
    await checkTree(page, "#view=tree&focus=" + encodeURIComponent(cli.focus), cli.tree_focus, false);
    await checkTree(page, "#view=tree&ignore=" + encodeURIComponent(cli.focus), cli.tree_ignore, false);
  });

tests.a_part_of_a_recording_is_shown_as_such = async () => {
  for (const [name, said] of [["moment", /live at the end/], ["range", /Only what was done from/]])
    await withPage(name, "#view=tree", {}, async (page, cli) => {
      assert.match(await noticesOf(page), said);
      await checkTree(page, "#view=tree", cli.tree, false);
      await checkTree(page, "#view=tree&metric=allocated", cli.allocated, false);
      await checkSource(page, cli.lines, "#view=source");
    });
};

tests.tree_opens_and_closes_by_keys = () =>
  withPage("one", "#view=tree", {}, async (page) => {
    await page.focus(".grid.tree");
    const count = () => page.$eval(".grid.tree", (g) => Number(g.getAttribute("aria-rowcount")));
    const all = await count();
    await page.keyboard.press("Home");
    await page.keyboard.press("ArrowLeft");
    await settle(page);
    const few = await count();
    assert.ok(few < all, `${few} rows after closing the first of ${all}`);
    await page.keyboard.press("ArrowRight");
    await settle(page);
    assert.equal(await count(), all);
    await page.keyboard.press("End");
    await settle(page);
    assert.equal(
      await page.$eval(".grid.tree .selected", (r) => Number(r.getAttribute("aria-rowindex"))), all);
  });

/** Walks a flame graph from its root along the greatest children. */
async function walk(page, away) {
  const path = [];
  await page.focus(".flame-box");
  await page.keyboard.press("Home");
  for (let i = 0; i < 60; i++) {
    await page.keyboard.press(away);
    await settle(page);
    const facts = await factsOf(page, ".flame .status");
    if (path.length && JSON.stringify(path[path.length - 1]) === JSON.stringify(facts)) break;
    path.push(facts);
  }
  return path;
}

/** The same in a tree's nodes: each is the first below the one before. */
function firsts(nodes) {
  const path = [];
  for (const node of nodes) {
    if (node.folded || node.depth < path.length) break;
    path.push(node);
  }
  return path;
}

tests.flame_graph_has_the_trees_values = () =>
  withPage("one", "#view=flame", {}, async (page, cli) => {
    for (const [dir, key, question] of [
      ["down", "ArrowDown", "tree_peak_down"],
      ["up", "ArrowUp", "tree_peak_down"],
      ["callers", "ArrowDown", "tree_peak_callers"],
    ]) {
      await go(page, "#view=flame&dir=" + dir);
      const path = await walk(page, key);
      const theirs = firsts(cli[question].nodes);
      assert.deepEqual(path.map((p) => p.value), theirs.map((n) => n.value), dir);
      if (dir !== "callers")
        assert.deepEqual(path.map((p) => p.self ?? 0), theirs.map((n) => n.self), dir);
    }
  });

tests.flame_graph_is_used_with_the_mouse = () =>
  withPage("one", "#view=flame", {}, async (page, cli) => {
    const box = await (await page.$(".flame-box canvas")).boundingBox();
    const row = (n) => [box.x + 40, box.y + n * 21 + 10];
    const nodes = cli.tree_peak_down.nodes;
    await page.mouse.move(...row(1));
    await settle(page);
    assert.equal((await factsOf(page, ".flame .status")).value, nodes[0].value);
    await page.mouse.click(...row(2));
    await page.mouse.move(box.x + 5, box.y + box.height - 5);
    await settle(page);
    assert.equal((await factsOf(page, ".flame .status")).value, nodes[1].value);
    const drawn = () => page.$eval(".flame-box canvas", (c) => Number(c.dataset.drawn));
    const before = await drawn();
    // Deep down: the greatest leaf alone.
    const deep = firsts(nodes).length;
    const drawsAsMuch = (yes) =>
      until(page, ([n, wanted]) =>
        (Number(document.querySelector(".flame-box canvas").dataset.drawn) === n) === wanted,
        [before, yes]);
    await page.mouse.dblclick(...row(deep));
    await drawsAsMuch(false);
    assert.ok((await drawn()) < before, "zoomed in, less is drawn");
    await page.click("text=Unzoom");
    await drawsAsMuch(true);
    await page.mouse.click(...row(2));
    await page.click("text=Callers and callees");
    await settle(page);
    assert.equal(await page.$$eval(".flame-box", (all) => all.length), 2);
    assert.match(page.url(), /root=/);
    await page.goBack();
    await settle(page);
    assert.equal(await page.$$eval(".flame-box", (all) => all.length), 1);
  });

tests.callers_and_callees_add_up = () =>
  withPage("one", "#view=flame", {}, async (page, cli) => {
    for (const f of cli.top_function.rows.filter((r) => r.inclusive.peak.bytes)) {
      await go(page, "#view=flame&root=" + encodeURIComponent(f.name));
      for (const [n, title] of [[0, "Callers"], [1, "Callees"]]) {
        await page.focus(`.flame-box[aria-label="${title}"]`);
        await page.keyboard.press("Home");
        await settle(page);
        const facts = await page.$$eval(".status", (all, i) =>
          Number(all[i].querySelector('[data-key="value"]').dataset.value), n);
        assert.equal(facts, f.inclusive.peak.bytes, f.name + ": " + title);
      }
    }
  });

tests.search_finds_by_regular_expression = () =>
  withPage("one", "#view=flame", {}, async (page, cli) => {
    await page.focus(".flame-box");
    await page.keyboard.press("/");
    await page.keyboard.type("^(fill|forget)\\b");
    await settle(page);
    const said = await page.textContent(".found");
    let value = 0;
    let nodes = 0;
    let inside = -1;
    for (const n of cli.tree_peak_down.nodes) {
      if (inside >= 0 && n.depth <= inside) inside = -1;
      if (!/^(fill|forget)\b/.test(n.name)) continue;
      nodes++;
      if (inside < 0) {
        inside = n.depth;
        value += n.value;
      }
    }
    assert.ok(nodes > 1);
    assert.ok(said.startsWith(nodes + " found, "), said);
    assert.ok(said.includes(((value * 100) / cli.tree_peak_down.total).toFixed(1) + " %"), said);
    await page.fill(".search input", "(");
    await settle(page);
    assert.match(await page.textContent(".found"), /Invalid|Unterminated/);
  });

// ---- tables --------------------------------------------------------------------------------

tests.top_has_the_tops_rows = () =>
  withPage("tree", "#view=top", {}, async (page, cli) => {
    for (const by of ["site", "function", "file", "module", "process"]) {
      await go(page, "#view=top&by=" + by);
      const rows = await rowsOf(page, "Top by " + by);
      if (by === "function")
        assert.deepEqual(rows.map((r) => r.cells[5].value),
          cli.top_function.rows.map((r) => r.inclusive.peak.bytes));
      assert.deepEqual(
        rows.map((r) => r.cells.slice(0, 5).map((c) => c.value ?? 0)),
        cli["top_" + by].rows.map((r) => [
          r.peak.bytes, r.leaked.bytes, r.allocated_bytes, r.temporary_bytes, r.allocations,
        ]),
        by,
      );
      if (by !== "process")
        assert.deepEqual(rows.map((r) => r.cells[by === "function" ? 6 : 5].title).sort(),
          cli["top_" + by].rows.map((r) => r.name).sort(), by);
    }
    await page.focus(".grid.top");
    await page.keyboard.press("Enter");
    await settle(page);
    assert.match(page.url(), /pid=\d+/);
  });

tests.mappings_are_shown_apart = () =>
  withPage("one", "", {}, async (page, cli) => {
    await go(page, "#view=top&by=site&domain=mmap");
    const rows = await rowsOf(page, "Top by site");
    assert.ok(rows.length > 0);
    assert.deepEqual(
      rows.map((r) => [r.cells[0].value ?? 0, r.cells[2].value ?? 0]),
      cli.top_mmap.rows.map((r) => [r.peak.bytes, r.allocated_bytes]),
    );
  });

tests.sizes_and_lifetimes_are_the_tops = () =>
  withPage("one", "#view=sizes", {}, async (page, cli) => {
    await page.waitForSelector(".grid.classes");
    const sizes = await page.$$eval(".grid.classes .rows .row", (all) =>
      all.map((r) => [
        Number(r.children[1].querySelector("[data-value]").dataset.value),
        Number(r.querySelector("[data-least]").dataset.least),
        Number(r.querySelector("[data-least]").dataset.most),
      ]),
    );
    assert.deepEqual(sizes, cli.top_size.rows.map((r) => [
      r.allocations, r.allocated_bytes_at_least, r.allocated_bytes_at_most]));
    await page.click("text=lifetime");
    await settle(page);
    const lives = (await rowsOf(page, "Lifetimes")).map((r) => r.cells[1].value);
    const theirs = cli.top_lifetime.rows.map((r) => r.allocations);
    if (cli.top_lifetime.never_freed) theirs.push(cli.top_lifetime.never_freed);
    assert.deepEqual(lives, theirs);
  });

tests.processes_and_threads_are_the_reports = () =>
  withPage("tree", "#view=processes", {}, async (page, cli) => {
    const rows = await rowsOf(page, "Processes");
    assert.deepEqual(
      rows.map((r) => [Number(r.cells[0].text), ...[1, 2, 3].map((i) => r.cells[i].value ?? 0)]),
      cli.report.processes.map((p) => [
        p.pid, p.peak.bytes, p.leaked.bytes, p.totals.allocated_bytes]),
    );
    const threads = await rowsOf(page, "Threads");
    assert.deepEqual(threads.map((r) => [Number(r.cells[0].text), r.cells[1].value ?? 0]),
      cli.threads.rows.map((t) => [t.tid, t.events]));
  });

// ---- timeline ----------------------------------------------------------------------------------

/** What bins [first, last] of the CLI's timeline have. */
function binsFacts(t, first, last) {
  const bins = t.bins.slice(first, last + 1);
  return {
    from: bins[0].at_ns,
    highest: Math.max(...bins.map((b) => b.max_bytes)),
    lowest: Math.min(...bins.map((b) => b.min_bytes)),
    allocations: bins.reduce((a, b) => a + b.allocations, 0),
  };
}

tests.timeline_has_the_timelines_figures = () =>
  withPage("one", "#view=timeline", {}, async (page, cli) => {
    const t = cli.timeline;
    const facts = async () => {
      const { last, from, highest, lowest, allocations } = await factsOf(page, ".facts");
      return [{ from, highest, lowest, allocations }, last];
    };
    assert.deepEqual((await facts())[0], binsFacts(t, 0, t.bins.length - 1));
    await page.focus("canvas.timeline");
    await page.keyboard.press("Home");
    await page.keyboard.press("ArrowRight");
    await settle(page);
    assert.equal((await facts())[1], t.bins[1].last_bytes);
    for (let i = 0; i < 5; i++) await page.keyboard.press("Shift+ArrowRight");
    await settle(page);
    assert.deepEqual((await facts())[0], binsFacts(t, 1, 6));
    await page.keyboard.press("Enter");
    await settle(page);
    assert.deepEqual((await facts())[0], binsFacts(t, 1, 6));
    assert.match(page.url(), /from=\d+&to=\d+/);
    await page.keyboard.press("Escape");
    await page.keyboard.press("Escape");
    await settle(page);
    assert.deepEqual((await facts())[0], binsFacts(t, 0, t.bins.length - 1));
    // With the mouse, from a third to a half.
    const box = await (await page.$("canvas.timeline")).boundingBox();
    await page.mouse.move(box.x + box.width / 3, box.y + 60);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width / 2, box.y + 60, { steps: 4 });
    await page.mouse.up();
    await settle(page);
    const [mouse] = await facts();
    const first = t.bins.findIndex((b) => b.at_ns === mouse.from);
    let found = false;
    for (let last = first; last < t.bins.length && !found; last++)
      found = JSON.stringify(binsFacts(t, first, last)) === JSON.stringify(mouse);
    assert.ok(first > 0 && found, JSON.stringify(mouse));
  });

tests.views_follow_the_time = async () => {
  for (const name of ["one", "tree"])
    await withPage(name, "", {}, async (page, cli) => {
      for (const t of cli.times) {
        const range = `&from=${t.from}&to=${t.to}`;
        for (const metric of ["peak", "leaked", "allocated"])
          await checkTree(page, `#view=tree${range}&metric=${metric}`, t["tree_" + metric], false, 0);
        await checkTree(page, `#view=tree${range}&metric=allocated&dir=callers`,
          t.tree_callers, true, 0);
        await checkSource(page, t.lines, "#view=source" + range);
        await go(page, "#view=top&by=site" + range);
        const rows = await rowsOf(page, "Top by site");
        assert.deepEqual(
          rows.map((r) => r.cells.slice(0, 5).map((c) => c.value ?? 0)),
          t.top.rows.map((r) => [
            r.peak.bytes, r.leaked.bytes, r.allocated_bytes, r.temporary_bytes, r.allocations]),
        );
        const shown = await page.$eval(".range", (e) => [Number(e.dataset.from), Number(e.dataset.to)]);
        assert.deepEqual(shown, [t.top.filter.time.from_ns, t.top.filter.time.to_ns]);
      }
    });
};

tests.the_strip_chooses_a_time = () =>
  withPage("one", "#view=tree&metric=allocated", {}, async (page) => {
    const total = () => page.$eval(".caption [data-value]", (e) => Number(e.dataset.value));
    const all = await total();
    const box = await (await page.$("canvas.strip")).boundingBox();
    await page.mouse.move(box.x + 4, box.y + 20);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.15, box.y + 20, { steps: 5 });
    await page.mouse.up();
    // What a range needs is read when the first one is chosen.
    await page.waitForFunction(
      (most) => Number(document.querySelector(".caption [data-value]")?.dataset.value) < most,
      all,
    );
    await settle(page);
    const half = await total();
    assert.ok(half < all, `${half} of ${all}`);
    assert.match(page.url(), /to=\d+/);
    await page.focus("canvas.strip");
    await page.keyboard.press("Escape");
    await settle(page);
    assert.equal(await total(), all);
    await page.keyboard.press("Home");
    for (let i = 0; i < 5; i++) await page.keyboard.press("Shift+ArrowRight");
    await settle(page);
    assert.ok((await total()) < all);
    await page.click(".time-strip button");
    await settle(page);
    assert.equal(await total(), all);
  });

// ---- the page itself ----------------------------------------------------------------------------

tests.the_fragment_brings_back_what_was_shown = () =>
  withPage("one", "", {}, async (page) => {
    await page.click("nav >> text=Tree");
    await page.selectOption(".field:has-text('Metric') select", "allocated");
    await page.click("text=From allocations up");
    await page.fill(".field:has-text('Focus') input", "fill");
    await page.keyboard.press("Enter");
    await settle(page);
    const shown = await rowsOf(page, "Call tree");
    const other = await open(browser, config.pages.one.file, new URL(page.url()).hash);
    assert.deepEqual(await rowsOf(other, "Call tree"), shown);
    await other.context().close();
    await page.click("nav >> text=Source");
    await page.goBack();
    await page.waitForSelector(".grid.tree");
    await page.keyboard.press("Escape");
  });

tests.number_keys_choose_views = () =>
  withPage("one", "", {}, async (page) => {
    for (const [key, selector] of [
      ["2", ".flame-view"], ["3", ".tree-view"], ["4", ".top-view"], ["5", ".timeline-view"],
      ["6", ".leaks-view"], ["7", ".refs-view"], ["8", ".sizes-view"], ["9", ".processes-view"],
      ["1", ".source-view"],
    ]) {
      await page.keyboard.press(key);
      await page.waitForSelector(selector);
    }
  });

tests.everything_is_reached_by_the_tab_key = () =>
  withPage("one", "#view=flame", {}, async (page) => {
    const seen = new Set();
    for (let i = 0; i < 40; i++) {
      await page.keyboard.press("Tab");
      seen.add(await page.evaluate(() => {
        const e = document.activeElement;
        return e.getAttribute("aria-label") ?? e.textContent.trim().slice(0, 20);
      }));
    }
    for (const name of ["Flame graph", "Tree", "Icicle", "Inverted", "Copy", "Command"])
      assert.ok([...seen].some((s) => s.startsWith(name)), name + " is not among " + [...seen]);
  });

const VIEWS = [
  "source", "flame", "tree", "top", "timeline", "leaks", "refs", "sizes", "processes",
];

tests.axe_finds_nothing = async () => {
  for (const colorScheme of ["light", "dark"])
    await withPage("tree", "", { colorScheme, bypassCSP: true }, async (page) => {
      for (const view of [...VIEWS, "flame&search=a&root=main%20(viewer.cc)"]) {
        await go(page, "#view=" + view);
        if (view === "source") await page.click(".lines .row.line:not(.quiet)");
        await settle(page);
        assert.deepEqual(await axeSays(page), [], view + ", " + colorScheme);
      }
    });
};

tests.it_fits_any_width = async () => {
  for (const width of [360, 768, 1280, 3840])
    await withPage("tree", "", { viewport: { width, height: 900 } }, async (page) => {
      for (const view of VIEWS) {
        await go(page, "#view=" + view);
        const wide = await page.evaluate(() => document.documentElement.scrollWidth);
        assert.ok(wide <= width, `${view} is ${wide} pixels wide on ${width}`);
        assert.deepEqual(await strays(page), [], `${view}, ${width}`);
      }
    });
};

tests.names_are_shown_and_not_obeyed = () =>
  withPage("hostile", "", {}, async (page) => {
    for (const view of VIEWS) {
      await go(page, "#view=" + view + "&by=module");
      assert.equal(await page.$$eval("#app img, #app b, #app script", (all) => all.length), 0, view);
    }
    await go(page, "#view=source");
    assert.ok((await page.textContent("h1")).includes("<img src=x onerror=alert(1)>"));
    assert.ok((await page.textContent(".path")).includes('<b>&"odd'));
    await go(page, "#view=tree");
    const names = (await rowsOf(page, "Call tree")).map((r) => r.cells[3].text).join("\n");
    assert.ok(names.includes("<img src=x onerror=alert(1)>"), names);
    await go(page, "#view=flame&search=" + encodeURIComponent("<img src=x onerror=alert(2)>") +
      "&focus=" + encodeURIComponent("<img src=x onerror=alert(3)>"));
    assert.equal(await page.$$eval("#app img", (all) => all.length), 0);
  });

tests.no_other_script_may_run = async () => {
  const page = await open(browser, config.pages.one.file);
  const loaded = [];
  page.on("requestfinished", (r) => loaded.push(r.url()));
  await page.evaluate(() => {
    const script = document.createElement("script");
    script.textContent = "window.ran = true";
    document.body.append(script);
    const image = document.createElement("img");
    image.src = "https://example.invalid/x.png";
    document.body.append(image);
    void fetch("https://example.invalid/").catch(() => {});
  });
  await settle(page);
  assert.equal(await page.evaluate(() => window.ran), undefined);
  await page.waitForTimeout(200);
  assert.deepEqual(loaded, []);
  assert.ok(page.complaints.some((c) => /Content Security Policy/.test(c)), "the policy says so");
  await page.context().close();
};

tests.commands_are_collected = () =>
  withPage("one", "", {}, async (page) => {
    const commands = [];
    for (const fragment of [
      // (This one has no snapshot for `blocks` to list.)
      ...VIEWS.filter((v) => v !== "refs").map((v) => "#view=" + v), "#view=tree&dir=callers&lines=1&metric=leaked",
      "#view=source&focus=fi%27ll&ignore=a%7Cb", "#view=top&by=module&domain=mmap",
      "#view=sizes&classes=lifetime", "#view=source&metric=temporary",
    ]) {
      await go(page, fragment);
      commands.push(await page.textContent("footer code"));
    }
    console.log(JSON.stringify({ commands }));
  });

tests.what_was_folded_is_whole_in_sums = () =>
  withPage("folded", "#view=tree&metric=allocated", {}, async (page, cli) => {
    assert.match(await noticesOf(page), /folded/);
    const rows = await rowsOf(page, "Call tree");
    assert.ok(rows.some((r) => r.cells[3].text.startsWith("smaller")), "nothing is folded");
    const theirs = new Map(cli.tree.nodes.map((n) => [n.depth + n.name, n.value]));
    const top = rows.filter((r) => r.level === 1).reduce((a, r) => a + r.cells[0].value, 0);
    assert.equal(top, cli.tree.total);
    for (const r of rows.filter((row) => row.level === 1 && !row.cells[3].text.startsWith("smaller")))
      assert.equal(r.cells[0].value, theirs.get("0" + r.cells[3].title));
  });

// ---- screenshots, for people ----------------------------------------------------------------

if (config.screenshots)
  for (const [width, height] of [[390, 844], [1366, 768], [2560, 1440]])
    for (const colorScheme of ["light", "dark"])
      await withPage("one", "", { viewport: { width, height }, colorScheme }, async (page) => {
        for (const view of VIEWS) {
          await go(page, "#view=" + view);
          if (view === "sizes") await page.waitForSelector(".grid.classes");
          await page.screenshot({ path: `${config.screenshots}/${view}-${width}-${colorScheme}.png` });
        }
      });

await runAll(tests, config.only);

// The same of pages that are served: their figures are the verbs', too.
const FIGURES = new RegExp(
  "^(heading_|source_|a_chosen|functions_without|tree_(has|follows)|flame_graph_has|top_|" +
    "mappings_|sizes_|processes_|timeline_has|views_follow|the_fragment|no_other)",
);
for (const [name, address] of Object.entries(config.served ?? {})) config.pages[name].file = address;
await runAll(
  Object.fromEntries(
    Object.entries(tests)
      .filter(([name]) => config.served && FIGURES.test(name))
      .map(([name, test]) => ["served: " + name, test]),
  ),
  config.only,
);
await browser.close();

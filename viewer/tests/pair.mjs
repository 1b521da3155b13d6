// What the page of two profiles shows, against what `heapline diff` and the other verbs
// print for the same question.
//
//   pair.mjs CONFIG.json
//
// As browser.mjs. The answers of a page: diff by "UNIT METRIC [FOCUS]", those of A and
// B below "a" and "b".
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { axeSays, factsOf, go, launch, open, rowsOf, runAll, settle, strays } from "./page.mjs";

const config = JSON.parse(readFileSync(process.argv[2], "utf8"));
const browser = await launch(config.chromium);
const tests = {};
const METRICS = ["peak", "leaked", "allocated", "temporary", "allocations"];
const UNITS = ["line", "function", "site", "module"];
const VIEWS = [
  "source", "flame", "tree", "top", "timeline", "leaks", "refs", "sizes", "processes",
];

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

const valueOf = (amount, metric) => (metric === "allocations" ? amount.blocks : amount.bytes);
const figuresOf = (row) => [row.cells[0].value ?? 0, row.cells[1].value ?? 0, row.cells[2].value ?? 0];
const sort = (rows) => rows.map((r) => JSON.stringify(r)).sort();
const isRest = (row) => /^[\d,]+ smaller/.test(row.cells[4].text);

async function totalsOf(page) {
  return page.$$eval("[data-total]", (all) =>
    Object.fromEntries(all.map((e) => [e.dataset.total, Number(e.dataset.value)])));
}

function wanted(diff, metric) {
  return diff.rows.map((r) => [
    valueOf(r.difference, metric), valueOf(r.a, metric), valueOf(r.b, metric), r.status,
  ]);
}

// ---- rows -----------------------------------------------------------------------------

async function checkRows(page, fragment, diff, unit, metric, least) {
  await go(page, `${fragment}&unit=${unit}&metric=${metric}&least=${least}`);
  const rows = await rowsOf(page, "Changes by " + unit);
  const what = `${fragment} ${unit} ${metric} ${least}`;
  const shown = rows.filter((r) => !isRest(r));
  assert.deepEqual(
    sort(shown.map((r) => [...figuresOf(r), r.cells[3].text.split(" ")[1]])),
    sort(wanted(diff, metric).filter((r) => Math.abs(r[0]) >= least)), what,
  );
  const changes = shown.map((r) => Math.abs(figuresOf(r)[0]));
  assert.deepEqual(changes, [...changes].sort((x, y) => y - x), what + ": not in order");
  // With the row of what is folded they are the totals, exactly.
  const sums = [0, 1, 2].map((i) => rows.reduce((sum, r) => sum + figuresOf(r)[i], 0));
  const total = diff.totals[metric];
  const theirs = [valueOf(total.difference, metric), valueOf(total.a, metric), valueOf(total.b, metric)];
  assert.deepEqual(sums, theirs, what);
  const said = await totalsOf(page);
  assert.deepEqual([said.difference, said.a, said.b], theirs, what);
  const counts = await page.$$eval("[data-tally]", (all) =>
    Object.fromEntries(all.map((e) => [e.dataset.tally, Number(e.dataset.value)])));
  assert.deepEqual(counts, diff.rows_by_status, what);
}

tests.rows_are_those_of_diff = async () => {
  for (const name of ["rebuilt", "processes", "moments", "other"])
    await withPage(name, "#view=top", {}, async (page, cli) => {
      for (const unit of UNITS)
        for (const metric of METRICS)
          for (const least of [0, 2000])
            await checkRows(page, "#view=top", cli.diff[unit + " " + metric], unit, metric, least);
    });
};

tests.rows_follow_focus_and_ignore = () =>
  withPage("rebuilt", "#view=top", {}, async (page, cli) => {
    for (const word of ["focus", "ignore"])
      await checkRows(page, `#view=top&${word}=` + encodeURIComponent(cli.focus),
        cli.diff["line peak " + word], "line", "peak", 0);
  });

tests.a_stack_is_shown_by_its_frames = () =>
  withPage("rebuilt", "#view=top&unit=site&metric=allocated", {}, async (page, cli) => {
    const row = cli.diff["site allocated"].rows.find((r) => r.status === "new");
    const rows = await rowsOf(page, "Changes by site");
    const at = rows.findIndex((r) => r.cells[3].text.includes("new"));
    await page.click(`.changes .rows .row:nth-child(${at + 1})`);
    await settle(page);
    const frames = await page.$$eval(".stack li", (all) => all.map((e) => e.textContent));
    assert.equal(frames.length, row.stack.length);
    row.stack.forEach((f, i) =>
      f.line && assert.ok(frames[i].includes(`${f.file.split("/").pop()}:${f.line}`), frames[i]));
  });

// ---- source -----------------------------------------------------------------------------

tests.lines_have_the_figures_of_diff = async () => {
  for (const name of ["rebuilt", "moments"])
    for (const metric of ["peak", "leaked", "allocated", "allocations"])
      await withPage(name, "#view=source&metric=" + metric, {}, async (page, cli) => {
        const functions = await rowsOf(page, "Functions that changed");
        const found = [];
        let rest = 0;
        for (let i = 0; i < functions.length; i++) {
          if (/^[\d,]+ smaller/.test(functions[i].cells[0].text)) {
            rest += functions[i].cells[1].value;
            continue;
          }
          await page.click(`.functions .rows .row:nth-child(${i + 1})`);
          await settle(page);
          const label = await page.$eval(".grid.lines", (g) => g.getAttribute("aria-label"));
          const sum = { all: 0 };
          for (const row of await rowsOf(page, label)) {
            sum.all += row.cells[0].value ?? 0;
            if (row.cells[0].value === null || row.classes.includes("rest")) continue;
            const [difference, a, b] = figuresOf(row);
            const line = (cell, has) => (has && Number(row.cells[cell].text)) || null;
            found.push([difference, a, b, line(3, a), line(4, b)]);
          }
          assert.equal(sum.all, functions[i].cells[1].value, label);
        }
        const diff = cli.diff["line " + metric];
        assert.deepEqual(sort(found), sort(diff.rows.map((r) => [
          valueOf(r.difference, metric), valueOf(r.a, metric), valueOf(r.b, metric), r.line_a, r.line_b,
        ])), name + " " + metric);
        const total = found.reduce((s, r) => s + r[0], rest);
        assert.equal(total, valueOf(diff.totals[metric].difference, metric));
      });
};

tests.a_line_that_is_gone_stands_where_it_was = () =>
  withPage("rebuilt", "#view=source&metric=allocated&fn=" + encodeURIComponent("parse(int)"), {}, async (page) => {
    const rows = await rowsOf(page, "Source of parse (program.cc)");
    const at = rows.findIndex((r) => r.classes.includes("gone"));
    assert.ok(at > 0, "no line is gone");
    assert.match(rows[at].cells[5].text, /strdup/);
    assert.equal(rows[at].cells[4].text, "");
    assert.ok(Number(rows[at].cells[3].text) > 0);
    assert.match(rows[at - 1].cells[5].text, /make_block\(1500\)/);
    const lines = rows.map((r) => Number(r.cells[4].text)).filter((n) => n);
    assert.deepEqual(lines, [...lines].sort((x, y) => x - y));
  });

// ---- tree and flame graph -----------------------------------------------------------------

/** Names have where their binary is, which is another folder on each side. */
const plain = (name) => name.replaceAll("/old/", "/new/");

/** All nodes of the tree view: [level, name, difference, a, b]. */
async function treeOf(page) {
  for (let closed = true; closed; ) {
    closed = await page.evaluate(() => {
      const all = document.querySelectorAll(".grid.tree .row[aria-expanded=false] .twisty");
      all.forEach((e) => e.click());
      return all.length > 0;
    });
    await settle(page);
  }
  const rows = await rowsOf(page, "Changes by call");
  return rows.map((r) => ({ level: r.level, name: plain(r.cells[4].title), figures: figuresOf(r) }));
}

/** Sums of a tree's paths, by the names from the root on. */
function pathsOf(nodes, depthOf, figureOf) {
  const path = [];
  const sums = new Map();
  for (const n of nodes) {
    path.length = depthOf(n);
    path.push(plain(n.name));
    const key = path.join(" / ");
    sums.set(key, (sums.get(key) ?? 0) + figureOf(n));
  }
  return sums;
}

tests.tree_has_what_both_trees_have = () =>
  withPage("rebuilt", "#view=tree", { viewport: { width: 1400, height: 6000 } }, async (page, cli) => {
    for (const metric of METRICS) {
      await go(page, "#view=tree&metric=" + metric);
      const shown = await treeOf(page);
      ["a", "b"].forEach((side, k) => {
        const theirs = pathsOf(cli[side]["tree_" + metric].nodes, (n) => n.depth, (n) => n.value);
        const ours = pathsOf(shown, (n) => n.level - 1, (n) => n.figures[1 + k]);
        for (const [key, value] of ours) if (!value) ours.delete(key);
        assert.deepEqual([...ours].sort(), [...theirs].sort(), side + " " + metric);
      });
      for (const n of shown) assert.equal(n.figures[0], n.figures[2] - n.figures[1]);
    }
  });

tests.inverted_tree_has_what_both_inverted_trees_have = () =>
  withPage("rebuilt", "#view=tree", { viewport: { width: 1400, height: 9000 } }, async (page, cli) => {
    for (const metric of METRICS) {
      await go(page, "#view=tree&dir=callers&metric=" + metric);
      const shown = await treeOf(page);
      assert.ok(shown.length > 1, metric);
      ["a", "b"].forEach((side, k) => {
        const theirs = pathsOf(cli[side]["callers_" + metric].nodes, (n) => n.depth, (n) => n.value);
        const ours = pathsOf(shown, (n) => n.level - 1, (n) => n.figures[1 + k]);
        for (const [key, value] of ours)
          if (!/(^|\/ )\d+ smaller$/.test(key)) assert.equal(value, theirs.get(key) ?? 0, side + " " + metric + " " + key);
        const top = shown.filter((n) => n.level === 1).reduce((s, n) => s + n.figures[1 + k], 0);
        assert.equal(top, cli[side]["callers_" + metric].total);
      });
    }
  });

tests.callers_and_callees_add_up_on_both_sides = () =>
  withPage("rebuilt", "#view=flame", {}, async (page, cli) => {
    const [a, b] = ["a", "b"].map((side) => new Map(
      cli[side].top_function.rows.map((r) => [plain(r.name), r.inclusive.peak.bytes])));
    let both = 0;
    for (const [name, value] of b) {
      if (!value && !a.get(name)) continue;
      both += value && a.get(name) ? 1 : 0;
      await go(page, "#view=flame&root=" + encodeURIComponent(name));
      for (const [n, title] of [[0, "Callers"], [1, "Callees"]]) {
        await page.focus(`.flame-box[aria-label="${title}"]`);
        await page.keyboard.press("Home");
        await settle(page);
        const facts = await page.$$eval(".flame .status", (all, i) =>
          ["a", "b"].map((side) => Number(all[i].querySelector(`[data-key="${side}"]`).dataset.value)), n);
        assert.deepEqual(facts, [a.get(name) ?? 0, value], name + ": " + title);
      }
    }
    assert.ok(both > 2, "functions of both: " + both);
    await page.click("text=Whole tree");
    await settle(page);
    await page.focus(".flame-box");
    await page.keyboard.press("Home");
    await page.keyboard.press("ArrowDown");
    await settle(page);
    await page.keyboard.press("s");
    await page.waitForSelector(".sandwich");
    assert.match(page.url(), /root=/);
  });

tests.folded_calls_keep_all_sums = () =>
  withPage("rebuilt", "#view=tree", { viewport: { width: 1400, height: 6000 } }, async (page) => {
    await go(page, "#view=tree&metric=allocated");
    const whole = await treeOf(page);
    await go(page, "#view=tree&metric=allocated&least=4000");
    const few = await treeOf(page);
    assert.ok(few.length < whole.length, "nothing is folded");
    assert.ok(few.some((n) => /^\d+ smaller$/.test(n.name)));
    for (const nodes of [whole, few]) {
      const top = nodes.filter((n) => n.level === 1);
      const total = await totalsOf(page);
      assert.deepEqual([0, 1, 2].map((i) => top.reduce((s, n) => s + n.figures[i], 0)),
        [total.difference, total.a, total.b]);
    }
    const all = pathsOf(whole, (n) => n.level - 1, (n) => n.figures[0]);
    for (const [key, value] of pathsOf(few, (n) => n.level - 1, (n) => n.figures[0]))
      if (!/smaller/.test(key)) assert.equal(value, all.get(key), key);
  });

tests.flame_graph_tells_what_became_of_a_box = () =>
  withPage("rebuilt", "#view=flame&metric=allocated", {}, async (page) => {
    const total = await totalsOf(page);
    await page.focus(".flame-box");
    await page.keyboard.press("Home");
    await settle(page);
    const root = await factsOf(page, ".flame .status");
    assert.deepEqual([root.name, root.a, root.b, root.difference], ["all", total.a, total.b, total.difference]);
    let last = root;
    for (let i = 0; i < 20; i++) {
      await page.keyboard.press("ArrowDown");
      await settle(page);
      const facts = await factsOf(page, ".flame .status");
      if (facts.name === last.name && facts.a === last.a) break;
      assert.ok(facts.a <= last.a && facts.b <= last.b);
      last = facts;
    }
    await page.keyboard.press("Enter");
    await settle(page);
    assert.ok(Number(await page.$eval(".flame-box canvas", (c) => c.dataset.drawn)) > 0);
    await page.keyboard.press("Escape");
  });

// ---- leaks, blocks, types ---------------------------------------------------------------------

/** Until something is there. */
async function goTo(page, fragment, selector) {
  await go(page, fragment);
  await page.waitForSelector(selector);
  await settle(page);
}

const siteOf = (row) => (row.site_b ?? row.site_a);

function wantedChanges(diff, least) {
  return diff.rows
    .filter((r) => Math.abs(r.difference.bytes) >= least)
    .map((r) => [
      r.difference.bytes, r.a.bytes, r.b.bytes, r.status, r.kind ?? r.held,
      (r.type ? r.type + " " : "") + siteOf(r),
    ]);
}

async function checkChanges(page, label, diff, least, filtered) {
  const rows = await rowsOf(page, label);
  const isFolded = (r) => /^[\d,]+ smaller/.test(r.cells[5].text);
  const shown = rows.filter((r) => !isFolded(r));
  assert.deepEqual(
    sort(shown.map((r) => [
      ...figuresOf(r), r.cells[3].text.split(" ")[1], r.cells[4].title || r.cells[4].text, r.cells[5].text])),
    sort(wantedChanges(diff, least)), label);
  const changes = shown.map((r) => Math.abs(figuresOf(r)[0]));
  assert.deepEqual(changes, [...changes].sort((x, y) => y - x));
  const said = await totalsOf(page);
  const { a, b, difference } = diff.total;
  assert.equal(said.difference, difference.bytes);
  if (filtered) return;
  assert.deepEqual([said.a, said.b], [a.bytes, b.bytes]);
  const sums = [0, 1, 2].map((i) => rows.reduce((sum, r) => sum + figuresOf(r)[i], 0));
  assert.deepEqual(sums, [difference.bytes, a.bytes, b.bytes]);
  const counts = await page.$$eval("[data-tally]", (all) =>
    Object.fromEntries(all.map((e) => [e.dataset.tally, Number(e.dataset.value)])));
  assert.deepEqual(counts, diff.rows_by_status);
}

tests.leaks_are_what_diff_lists = () =>
  withPage("held", "#view=leaks", {}, async (page, cli) => {
    for (const [fragment, question] of [
      ["", "leak"], ["&kinds=all", "leak_all"], ["&kinds=definite,reachable", "leak_two"],
      ["&kinds=all&focus=lose_links", "leak_focus"], ["&kinds=all&ignore=lose_links", "leak_ignore"],
    ])
      for (const least of [0, 700]) {
        await goTo(page, `#view=leaks${fragment}&least=${least}`, ".grid.changes");
        const diff = cli[question];
        assert.ok(diff.rows.length > 1, question);
        await checkChanges(page, "Leaks that changed", diff, least, /=lose/.test(fragment));
        const facts = await factsOf(page, ".kinds");
        for (const [kind, of] of Object.entries(cli.leak_all.kinds))
          if (of.a.blocks || of.b.blocks) assert.equal(facts[kind], of.difference.bytes, kind);
      }
  });

tests.a_changed_leak_leads_to_its_stack_and_to_one_profile = () =>
  withPage("held", "#view=leaks", {}, async (page, cli) => {
    await page.waitForSelector(".grid.changes");
    const at = cli.leak.rows.findIndex((r) => r.status === "new");
    const row = cli.leak.rows[at];
    await page.focus(".grid.changes");
    await page.keyboard.press("Home");
    for (let i = 0; i < at; i++) await page.keyboard.press("ArrowDown");
    await settle(page);
    assert.ok((await page.textContent(".details h2")).startsWith(row.site_b));
    assert.deepEqual(
      await page.$$eval(".details .stack li", (all) => all.map((li) => li.firstElementChild.textContent)),
      row.stack.map((f) => f.function));
    const sides = await factsOf(page, ".details dl");
    assert.deepEqual([sides.A, sides.B], [row.a.blocks, row.b.blocks]);
    assert.ok(await page.isDisabled(`text=${row.kind} ones of A`));
    await page.click(`text=${row.kind} ones of B`);
    await page.waitForSelector(".grid.findings");
    assert.match(page.url(), /show=b/);
    const found = await rowsOf(page, "Findings");
    assert.ok(found.some((r) => r.cells[4].title === row.site_b && r.cells[1].value === row.b.bytes));
    await page.goBack();
    await page.waitForSelector(".grid.changes");
  });

tests.blocks_are_what_diff_lists = () =>
  withPage("held", "#view=refs", {}, async (page, cli) => {
    for (const least of [0, 700]) {
      await goTo(page, "#view=refs&least=" + least, ".grid.changes");
      await checkChanges(page, "Blocks that changed", cli.block, least, false);
    }
  });

tests.types_are_what_diff_lists = () =>
  withPage("types", "#view=refs&changed=type", {}, async (page, cli) => {
    for (const least of [0, 4096]) {
      await goTo(page, "#view=refs&changed=type&least=" + least, ".grid.types");
      const rows = await rowsOf(page, "Types that changed");
      assert.deepEqual(
        rows.map((r) => [...figuresOf(r), r.cells[4].value, r.cells[5].text]),
        cli.type.rows.filter((r) => Math.abs(r.bytes - r.bytes_before) >= least).map((r) => [
          r.bytes - r.bytes_before, r.bytes_before, r.bytes, r.objects - r.objects_before,
          r.type ?? "blocks whose type is not known"]));
      assert.ok(rows.length > 1);
    }
    const kept = (await rowsOf(page, "Types that changed")).find((r) => /Kept$/.test(r.cells[5].text));
    assert.equal(kept.cells[4].value, 500);
  });

tests.what_cannot_be_compared_says_why = () =>
  withPage("rebuilt", "#view=refs", {}, async (page) => {
    for (const changed of ["block", "type"]) {
      await goTo(page, "#view=refs&changed=" + changed, ".refs-view .notice, main .notice");
      assert.match(await page.textContent("main .notice"), /no snapshot of a heap/);
    }
    await goTo(page, "#view=leaks", ".grid.changes");
    assert.match(await page.textContent(".kinds"), /unscanned/);
    await withPage("moments", "#view=leaks", {}, async (cut) => {
      await cut.waitForSelector("main .notice");
      assert.match(await cut.textContent("main .notice"), /parts of the recordings/);
    });
  });

// ---- timeline, sizes, totals ------------------------------------------------------------------

tests.timeline_has_both_curves = () =>
  withPage("rebuilt", "#view=timeline", {}, async (page, cli) => {
    const facts = await factsOf(page, ".facts");
    for (const side of ["a", "b"]) {
      assert.equal(facts["peak_" + side], cli[side].timeline.peak.bytes);
      assert.equal(facts["wall_" + side], cli[side].timeline.end_ns);
      const path = await page.$eval(".pair-time path.live-" + side, (p) => p.getAttribute("d"));
      assert.ok(path.length > 20);
    }
    await page.focus(".pair-time");
    await page.keyboard.press("Home");
    for (let i = 0; i < 40; i++) await page.keyboard.press("ArrowRight");
    await settle(page);
    const at = await factsOf(page, "#pair-time-status");
    const end = Math.max(cli.a.timeline.end_ns, cli.b.timeline.end_ns);
    for (const side of ["a", "b"]) {
      const { bins, end_ns } = cli[side].timeline;
      if (end * 0.4 > end_ns) assert.equal(at[side], undefined);
      else assert.equal(at[side], bins.filter((b) => b.at_ns <= end * 0.4).pop().last_bytes);
    }
  });

tests.sizes_and_lifetimes_are_of_both = () =>
  withPage("rebuilt", "", {}, async (page, cli) => {
    for (const [classes, label] of [["size", "Sizes"], ["lifetime", "Lifetimes"]]) {
      await go(page, "#view=sizes&classes=" + classes);
      await page.waitForSelector(".grid.classes");
      const rows = await rowsOf(page, label);
      ["a", "b"].forEach((side, k) => {
        const { rows: of, never_freed: never } = cli[side]["top_" + classes];
        assert.deepEqual(
          rows.map((r) => figuresOf(r)[1 + k]).filter((n) => n),
          [...of.map((r) => r.allocations), ...(never ? [never] : [])], side + " " + classes);
      });
    }
  });

tests.totals_are_those_of_diff = () =>
  withPage("processes", "#view=processes", {}, async (page, cli) => {
    const rows = await rowsOf(page, "Totals");
    const { totals } = cli.diff["line peak"];
    assert.deepEqual(rows.map(figuresOf), METRICS.map((m) => [
      valueOf(totals[m].difference, m), valueOf(totals[m].a, m), valueOf(totals[m].b, m),
    ]));
  });

// ---- around -------------------------------------------------------------------------------

tests.either_profile_is_shown_alone = () =>
  withPage("rebuilt", "#view=tree&show=a", {}, async (page, cli) => {
    for (const side of ["a", "b"]) {
      await go(page, "#view=tree&metric=leaked&search=.&show=" + side);
      const rows = await rowsOf(page, "Call tree");
      assert.deepEqual(rows.map((r) => [r.level - 1, r.cells[3].title, r.cells[0].value ?? 0]),
        cli[side].tree_leaked.nodes.map((n) => [n.depth, n.name, n.value]));
    }
    await page.click('.show button:text-is("Difference")');
    await settle(page);
    assert.ok(await page.$('.grid[aria-label="Changes by call"]'));
    assert.ok(!page.url().includes("show="));
    await page.goBack();
    await settle(page);
    assert.ok(await page.$('.grid[aria-label="Call tree"]'));
  });

tests.the_threshold_is_typed_and_slid = () =>
  withPage("rebuilt", "#view=top", {}, async (page) => {
    await page.fill(".threshold .amount", "2 K");
    await page.press(".threshold .amount", "Enter");
    await settle(page);
    assert.ok(page.url().includes("least=2048"), page.url());
    await page.fill(".threshold .amount", "much");
    await page.press(".threshold .amount", "Enter");
    assert.equal(await page.getAttribute(".threshold .amount", "aria-invalid"), "true");
    assert.ok(page.url().includes("least=2048"));
    await page.focus(".threshold input[type=range]");
    await page.keyboard.press("Home");
    await settle(page);
    assert.ok(!page.url().includes("least="), page.url());
  });

tests.notices_and_heading_name_both = () =>
  withPage("moments", "", {}, async (page) => {
    const notices = await page.$$eval(".notice", (all) => all.map((e) => e.textContent));
    assert.ok(notices.some((n) => /^A: In place of the peak/.test(n)), notices.join("; "));
    assert.match(await page.textContent(".caption"), /live, in A at .*, in B at/);
  });

tests.axe_finds_nothing = async () => {
  for (const colorScheme of ["light", "dark"])
    await withPage("held", "", { colorScheme, bypassCSP: true }, async (page) => {
      for (const view of [...VIEWS, "tree&dir=callers", "flame&root=" + encodeURIComponent("make_link (words.c)")]) {
        await go(page, "#metric=allocated&unit=site&view=" + view);
        if (view === "sizes") await page.waitForSelector(".grid.classes");
        if (view === "leaks" || view === "refs") await page.waitForSelector(".grid.changes");
        await settle(page);
        assert.deepEqual(await axeSays(page), [], view + ", " + colorScheme);
      }
    });
};

tests.it_fits_any_width = async () => {
  for (const width of [360, 768, 1280, 3840])
    await withPage("held", "", { viewport: { width, height: 900 } }, async (page) => {
      for (const view of VIEWS) {
        await go(page, "#view=" + view);
        if (view === "leaks" || view === "refs") await page.waitForSelector(".grid.changes");
        const wide = await page.evaluate(() => document.documentElement.scrollWidth);
        assert.ok(wide <= width, `${view} is ${wide} pixels wide on ${width}`);
        assert.deepEqual(await strays(page), [], `${view}, ${width}`);
      }
    });
};

tests.names_are_shown_and_not_obeyed = () =>
  withPage("hostile", "", {}, async (page) => {
    for (const view of VIEWS) {
      await go(page, "#view=" + view + "&unit=module");
      assert.equal(await page.$$eval("#app img, #app b, #app script", (all) => all.length), 0, view);
    }
  });

tests.commands_are_collected = () =>
  withPage("rebuilt", "", {}, async (page) => {
    const commands = [];
    for (const fragment of [
      ...VIEWS.filter((v) => v !== "refs").map((v) => "#view=" + v), "#view=tree&dir=callers&lines=1",
      "#view=leaks&kinds=definite,cycle&focus=a%7Cb", "#view=top&unit=module&metric=leaked&focus=a%7Cb",
      "#view=sizes&classes=lifetime",
    ]) {
      await go(page, fragment);
      commands.push(await page.textContent("footer code"));
    }
    console.log(JSON.stringify({ commands }));
  });

tests.commands_of_snapshots_are_collected = () =>
  withPage("types", "", {}, async (page) => {
    const commands = [];
    for (const fragment of ["#view=refs", "#view=refs&changed=type", "#view=leaks&kinds=all"]) {
      await go(page, fragment);
      commands.push(await page.textContent("footer code"));
    }
    console.log(JSON.stringify({ commands }));
  });

tests.what_was_folded_is_whole_in_sums = () =>
  withPage("folded", "#view=top&metric=allocated", {}, async (page, cli) => {
    for (const unit of UNITS) {
      await go(page, "#view=top&metric=allocated&unit=" + unit);
      const rows = await rowsOf(page, "Changes by " + unit);
      const total = cli.diff["line allocated"].totals.allocated;
      assert.deepEqual([0, 1, 2].map((i) => rows.reduce((sum, r) => sum + figuresOf(r)[i], 0)),
        [total.difference.bytes, total.a.bytes, total.b.bytes]);
    }
    assert.match((await page.$$eval(".notice", (all) => all.map((e) => e.textContent))).join(), /folded/);
  });

await runAll(tests, config.only);

// The same of pages that are served, which ask for what they show.
const SERVED = /^(rows_are|tree_has|inverted_|callers_|leaks_|a_changed|blocks_|types_|commands_of)/;
const first = { ...config.pages };
for (const [name, address] of Object.entries(config.served ?? {}))
  config.pages[name] = { ...first[name], file: address };
const kept = Object.fromEntries(
  Object.entries(tests).filter(([name]) => config.served && SERVED.test(name)).map(
    ([name, test]) => ["served: " + name, test]));
await runAll(kept, config.only);
await browser.close();

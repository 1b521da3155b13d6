// Leaks and references in the viewer, against what heapline prints for the same
// question.
//
//	heap.mjs CONFIG.json
//
// CONFIG and output as of browser.mjs.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { axeSays, factsOf, go, launch, open, rowsOf, runAll, settle, until } from "./page.mjs";

const config = JSON.parse(readFileSync(process.argv[2], "utf8"));
const browser = await launch(config.chromium);
const tests = {};

async function withPage(name, fragment, options, use) {
  const one = config.pages[name];
  const page = await open(browser, one.file, fragment, options);
  try {
    await page.waitForSelector(".leaks-view, .refs-view");
    await use(page, one.cli);
    assert.deepEqual(page.complaints, []);
  } finally {
    await page.context().close();
  }
}

/** Goes somewhere, and waits for what is shown there. */
async function goTo(page, fragment, selector) {
  await go(page, fragment);
  await page.waitForSelector(selector);
  await settle(page);
}

// ---- leaks ------------------------------------------------------------------------------

function findingsOf(rows) {
  return rows.map((r) => [
    r.cells[0].text, r.cells[1].value, r.cells[2].value, r.cells[3].value, r.cells[4].title,
    r.cells[5].title,
  ]);
}

function theirs(cli) {
  return cli.leaks.map((l) => [
    l.kind, l.bytes, l.blocks, l.bytes + l.held_bytes, l.site, l.reason,
  ]);
}

tests.findings_are_what_the_verb_lists = () =>
  withPage("heap", "#view=leaks", {}, async (page, cli) => {
    for (const [fragment, question] of [
      ["", "leaks"], ["&kinds=all", "leaks_all"], ["&kinds=reachable,cycle", "leaks_two"],
      ["&kinds=all&min=1K", "leaks_min"], ["&kinds=all&focus=lose_", "leaks_focus"],
      ["&kinds=all&ignore=lose_", "leaks_ignore"],
    ]) {
      await goTo(page, "#view=leaks" + fragment, ".grid.findings");
      const answer = cli[question];
      assert.ok(answer.leaks.length > 1, question);
      assert.deepEqual(findingsOf(await rowsOf(page, "Findings")), theirs(answer), question);
      const facts = await factsOf(page, ".leaks-view");
      assert.equal(facts.listed, answer.listed.bytes, question);
      for (const kind of ["definite", "cycle", "indirect", "reachable"])
        assert.equal(facts[kind], answer.sums[kind].bytes, question + ": " + kind);
    }
  });

tests.kinds_are_chosen_by_mouse_and_keys = () =>
  withPage("heap", "#view=leaks", {}, async (page, cli) => {
    const kinds = async () => new Set((await rowsOf(page, "Findings")).map((r) => r.cells[0].text));
    await page.click("button.kind:has-text('definite')");
    await settle(page);
    assert.deepEqual(await kinds(), new Set(["cycle", "indirect"]));
    assert.match(page.url(), /kinds=/);
    await page.focus("button.kind:has-text('reachable')");
    await page.keyboard.press("Space");
    await settle(page);
    assert.deepEqual(await kinds(), new Set(["cycle", "indirect", "reachable"]));
    await page.click(".kinds >> text=Usual");
    await settle(page);
    assert.deepEqual(findingsOf(await rowsOf(page, "Findings")), theirs(cli.leaks));
    await page.fill(".filters input", "1Q");
    await settle(page);
    assert.equal(await page.getAttribute(".filters input", "aria-invalid"), "true");
  });

tests.a_finding_shows_all_of_it = () =>
  withPage("heap", "#view=leaks&kinds=all", {}, async (page, cli) => {
    for (const [i, leak] of cli.leaks_all.leaks.entries()) {
      await page.click(`.grid.findings .rows .row:nth-child(${i + 1})`);
      await settle(page);
      const facts = await factsOf(page, ".details");
      for (const key of ["bytes", "blocks", "held_bytes", "held_blocks", "first_ns", "last_ns", "disproved"])
        assert.equal(facts[key], leak[key], key);
      assert.equal((await page.textContent(".details .reason")).split(". It goes")[0].replace(/\.$/, ""),
        leak.reason);
      assert.equal(await page.textContent(".details .sample code"), leak.address);
      const stack = await page.$$eval(".details .stack li", (all) =>
        all.map((li) => li.firstElementChild.textContent));
      assert.deepEqual(stack, leak.stack.map((f) => f.function));
    }
  });

tests.a_stack_leads_to_the_source_and_a_row_to_its_referrers = () =>
  withPage("heap", "#view=leaks&leak=definite.1", {}, async (page, cli) => {
    const leak = cli.leaks.leaks.filter((l) => l.kind === "definite")[1];
    await page.click('.stack button:has-text("lose_words")');
    await page.waitForSelector(".source-view");
    assert.ok((await page.textContent(".path")).endsWith("holding.c"));
    await page.goBack();
    await page.waitForSelector(".grid.findings");
    await page.focus(".grid.findings");
    await page.keyboard.press("Enter");
    await page.waitForSelector(".graph-box");
    assert.ok(page.url().includes("block=" + leak.address), page.url());
    assert.match(await page.textContent(".refs-view .caption"), /Nobody holds it/);
    await page.goBack();
    await page.waitForSelector(".grid.findings .selected");
  });

tests.suspects_say_what_to_look_at_first = () =>
  withPage("heap", "#view=leaks", {}, async (page, cli) => {
    const shown = await page.$$eval(".suspects li", (all) =>
      all.map((li) => ({ key: li.dataset.key, stake: Number(li.dataset.value), text: li.textContent })));
    const worst = cli.growing.sites[0];
    assert.equal(shown[0].stake, worst.gained_bytes);
    assert.match(shown[0].text, /^grow \(holding\.c:\d+\) grew in each of 5 windows.* g_log in holding holds them\.$/);
    const lost = cli.leaks.leaks.filter((l) => l.kind === "definite");
    for (const leak of lost)
      assert.ok(shown.some((s) => s.stake === leak.bytes + leak.held_bytes && s.text.startsWith(leak.site)));
    const stakes = shown.map((s) => s.stake);
    assert.deepEqual(stakes, [...stakes].sort((a, b) => b - a));
    await page.click(".suspects li:first-child button");
    await settle(page);
    assert.match(await page.textContent(".details h2"), /^grow .*reachable$/);
  });

tests.what_was_not_scanned_is_said_plainly = () =>
  withPage("bare", "#view=leaks", {}, async (page, cli) => {
    const notice = await page.textContent(".not-scanned");
    assert.ok(notice.includes(cli.leaks.cause), notice);
    assert.match(notice, /1 process was not looked at/);
    assert.match(notice, /heapline run --snapshot-at-exit PROGRAM/);
    assert.deepEqual(findingsOf(await rowsOf(page, "Findings")), theirs(cli.leaks));
    await goTo(page, "#view=refs", ".refs-view");
    assert.match(await page.textContent(".refs-view"), /no snapshot.*--snapshot-at-exit/);
    await goTo(page, "#view=refs&block=0x1234&way=path", ".refs-view .notice");
  });

tests.chunks_of_pools_are_a_memory_of_their_own = () =>
  withPage("pools", "#view=leaks&kinds=all", {}, async (page, cli) => {
    await page.selectOption(".field:has-text('Memory') select", "pool");
    await page.waitForSelector(".grid.findings");
    await settle(page);
    assert.deepEqual(findingsOf(await rowsOf(page, "Findings")), theirs(cli.leaks));
    await go(page, "#view=top&by=site&domain=pool");
    assert.deepEqual(
      (await rowsOf(page, "Top by site")).map((r) => r.cells.slice(0, 5).map((c) => c.value ?? 0)),
      cli.top.rows.map((r) => [
        r.peak.bytes, r.leaked.bytes, r.allocated_bytes, r.temporary_bytes, r.allocations]),
    );
  });

tests.a_part_of_a_recording_has_no_verdict = () =>
  withPage("cut", "#view=leaks", {}, async (page) => {
    assert.match(await page.textContent(".leaks-view"), /part of the recording/);
    await goTo(page, "#view=refs", ".refs-view");
    assert.match(await page.textContent(".refs-view"), /part of the recording/);
  });

// ---- references ---------------------------------------------------------------------------

tests.blocks_are_listed_by_site = () =>
  withPage("heap", "#view=refs", {}, async (page, cli) => {
    await page.waitForSelector(".grid.groups");
    assert.deepEqual(
      (await rowsOf(page, "Blocks")).map((r) => [
        r.cells[0].value, r.cells[1].value, r.cells[2].text, r.cells[3].title]),
      cli.blocks.groups.map((g) => [g.count, g.sum_bytes, g.first.address, g.first.site]),
    );
    await page.focus(".grid.groups");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    await page.waitForSelector(".graph-box");
    assert.ok(page.url().includes("block=" + cli.blocks.groups[1].first.address));
  });

/** What is drawn: nodes by class, with their words. */
function drawn(page) {
  return page.$$eval(".node", (all) =>
    all.map((n) => ({
      id: n.dataset.id, kind: n.classList[1], text: n.querySelector(".face").textContent,
      count: Number(/^([\d,]+) more/.exec(n.textContent)?.[1].replace(/,/g, "") ?? 0),
    })));
}

tests.references_and_what_is_folded_make_up_all = () =>
  withPage("heap", "#view=refs", {}, async (page, cli) => {
    const shelf = cli.shelf.blocks[0];
    await goTo(page, `#view=refs&way=refs&block=${shelf.address}`, ".graph-box");
    const nodes = await drawn(page);
    const singles = nodes.filter((n) => n.kind === "block" && n.id !== shelf.address).length;
    const more = nodes.reduce((sum, n) => sum + n.count, 0);
    // The shelf points at itself, too.
    assert.equal(singles + more + 1, shelf.references);
    assert.ok(nodes.some((n) => /^29\d more make_item/.test(n.text)), JSON.stringify(nodes));
    const facts = await factsOf(page, ".details");
    assert.deepEqual(
      [facts.bytes, facts.roots, facts.referrers, facts.references, facts.born],
      [shelf.bytes, shelf.roots.length, shelf.referrers, shelf.references, shelf.born_ns],
    );
    const labels = await page.$$eval(".links text", (all) => all.map((t) => t.textContent));
    assert.ok(labels.includes("+0") && labels.includes("+2400"), String(labels));
  });

tests.referrers_lead_to_roots = () =>
  withPage("heap", "#view=refs", {}, async (page, cli) => {
    const item = cli.backrefs.blocks[0];
    await goTo(page, `#view=refs&block=${item.address}`, ".graph-box");
    const nodes = await drawn(page);
    const shown = cli.backrefs.blocks[0].references;
    for (const r of shown) {
      if (r.root)
        assert.ok(nodes.some((n) => n.kind === "root" && n.text.startsWith(r.root.text)), r.root.text);
      else assert.ok(nodes.some((n) => n.id === r.block.address), r.block.address);
    }
  });

tests.a_path_has_the_verbs_steps = () =>
  withPage("heap", "#view=refs", {}, async (page, cli) => {
    for (const [address, answer] of Object.entries(cli.paths)) {
      await goTo(page, `#view=refs&way=path&block=${address}`, ".graph-box");
      const nodes = await drawn(page);
      const { root, steps } = answer.blocks[0].paths[0];
      const last = steps.slice(-16).map((s) => s.address);
      assert.deepEqual(nodes.filter((n) => n.kind === "block").map((n) => n.id), last);
      assert.ok(nodes.some((n) => n.kind === "root" && n.text.startsWith(root.text)));
      const left = nodes.reduce((sum, n) => sum + n.count, 0);
      assert.equal(left, steps.length - last.length);
    }
    const lost = cli.leaks.leaks[0].address;
    await goTo(page, `#view=refs&way=path&block=${lost}`, ".graph-box");
    assert.match(await page.textContent(".refs-view .caption"), /no way to it from a root/);
  });

tests.what_is_folded_opens_and_the_fragment_keeps_it = () =>
  withPage("heap", "#view=refs", {}, async (page, cli) => {
    const { address } = cli.shelf.blocks[0];
    await goTo(page, `#view=refs&way=refs&block=${address}`, ".graph-box");
    const before = (await drawn(page)).length;
    await page.click(".node.more .face");
    await until(page, (n) => document.querySelectorAll(".node").length > n, before);
    assert.match(page.url(), /open=o/);
    const shown = await drawn(page);
    const other = await open(browser, config.pages.heap.file, new URL(page.url()).hash);
    await other.waitForSelector(".graph-box");
    await settle(other);
    assert.deepEqual(await drawn(other), shown);
    await other.context().close();
    // However often it is opened, no more than some hundred are laid out.
    for (let i = 0; i < 20; i++) {
      const more = await page.$(".node.more .face");
      if (!more) break;
      await more.click();
      await settle(page);
    }
    assert.ok((await drawn(page)).length <= 230, String((await drawn(page)).length));
    await page.waitForSelector("text=More cannot be laid out");
  });

tests.it_is_used_with_keys_alone = () =>
  withPage("heap", "#view=refs", {}, async (page, cli) => {
    const { address } = cli.backrefs.blocks[0];
    await goTo(page, `#view=refs&block=${address}`, ".graph-box");
    for (let i = 0; i < 60; i++) {
      await page.keyboard.press("Tab");
      if (await page.evaluate(() => document.activeElement.classList.contains("face"))) break;
    }
    const at = () => page.evaluate(() => document.activeElement.closest(".node")?.dataset.id);
    assert.equal(await at(), address);
    await page.keyboard.press("ArrowLeft");
    await settle(page);
    const shelf = cli.shelf.blocks[0].address;
    assert.equal(await at(), shelf);
    const before = (await drawn(page)).length;
    await page.keyboard.press("]");
    await until(page, (n) => document.querySelectorAll(".node").length > n, before);
    await settle(page);
    assert.equal(await at(), shelf, "the focus stays");
    await page.keyboard.press("]");
    await until(page, (n) => document.querySelectorAll(".node").length === n, before);
    await page.keyboard.press("ArrowLeft");
    await settle(page);
    assert.match(await page.evaluate(() => document.activeElement.textContent), /g_shelf in holding/);
    await page.keyboard.press("Home");
    await settle(page);
    assert.equal(await at(), address);
    await page.keyboard.press("ArrowLeft");
    await settle(page);
    await page.keyboard.press("Enter");
    await until(page, (a) => location.hash.includes("block=" + a), shelf);
    await page.goBack();
    await until(page, (a) => location.hash.includes("block=" + a), address);
  });

tests.a_block_is_asked_for_by_name = () =>
  withPage("heap", "#view=refs", {}, async (page, cli) => {
    await page.waitForSelector(".grid.groups");
    await page.fill(".refs-view input", "make_item");
    await page.keyboard.press("Enter");
    await page.waitForSelector(".graph-box");
    assert.match(await page.textContent(".refs-view .caption"), /One of 300 blocks/);
    await page.fill(".refs-view input", "no_such_function");
    await page.keyboard.press("Enter");
    await page.waitForSelector(".refs-view .notice");
    assert.match(await page.textContent(".refs-view .notice"), /no_such_function/);
    await page.fill(".refs-view input", cli.backrefs.blocks[0].address);
    await page.click("text=Show");
    await page.waitForSelector(".graph-box");
    await page.click("text=All blocks");
    await page.waitForSelector(".grid.groups");
  });

tests.a_part_of_a_graph_counts_what_it_lacks = () =>
  withPage("small", "#view=refs", {}, async (page, cli) => {
    const shelf = cli.shelf.blocks[0];
    await goTo(page, `#view=refs&way=refs&block=${shelf.address}`, ".graph-box");
    const nodes = await drawn(page);
    const singles = nodes.filter((n) => n.kind === "block" && n.id !== shelf.address).length;
    const self = await page.$$eval(".links text", (all) =>
      all.filter((t) => t.textContent === "+2400").length);
    assert.equal(singles + self + nodes.reduce((sum, n) => sum + n.count, 0), shelf.references);
  });

// ---- the page itself ------------------------------------------------------------------------

function looks() {
  const { cli } = config.pages.heap;
  const item = cli.backrefs.blocks[0].address;
  const shelf = cli.shelf.blocks[0].address;
  const deep = Object.keys(cli.paths)[0];
  return {
    leaks: "#view=leaks",
    leak: "#view=leaks&kinds=all&leak=reachable.0",
    blocks: "#view=refs",
    backrefs: `#view=refs&block=${item}`,
    refs: `#view=refs&way=refs&block=${shelf}&open=o${shelf.slice(2)}.28`,
    path: `#view=refs&way=path&block=${deep}`,
    lost: `#view=refs&way=refs&block=${cli.leaks.leaks[0].address}`,
  };
}

tests.axe_finds_nothing = async () => {
  for (const colorScheme of ["light", "dark"])
    await withPage("heap", "#view=leaks", { colorScheme, bypassCSP: true }, async (page) => {
      for (const [name, fragment] of Object.entries(looks())) {
        await goTo(page, fragment, ".grid.findings, .grid.groups, .graph-box");
        assert.deepEqual(await axeSays(page), [], name + ", " + colorScheme);
      }
    });
};

tests.it_fits_any_width = async () => {
  for (const width of [360, 768, 1280, 3840])
    await withPage("heap", "#view=leaks", { viewport: { width, height: 900 } }, async (page) => {
      for (const [name, fragment] of Object.entries(looks())) {
        await goTo(page, fragment, ".grid.findings, .grid.groups, .graph-box");
        const wide = await page.evaluate(() => document.documentElement.scrollWidth);
        assert.ok(wide <= width, `${name} is ${wide} pixels wide on ${width}`);
      }
    });
};

tests.names_are_shown_and_not_obeyed = () =>
  withPage("hostile", "#view=leaks&kinds=all&leak=reachable.0", {}, async (page) => {
    const odd = () => page.$$eval("#app img, #app b, #app script", (all) => all.length);
    const text = () => page.textContent("main");
    assert.equal(await odd(), 0);
    assert.ok((await text()).includes('<b>&"odd'), await text());
    await page.click(".details .actions button:has-text('Path')");
    await page.waitForSelector(".graph-box");
    assert.ok((await text()).includes("<img src=x onerror=alert(1)>"), await text());
    assert.equal(await odd(), 0);
    await go(page, "#view=refs&way=path&open=<img src=x onerror=alert(4)>,o0&at=<b>&block=" +
      encodeURIComponent("<img src=x onerror=alert(2)>"));
    await page.waitForSelector(".refs-view .notice");
    await go(page, "#view=leaks&kinds=<b>&leak=<i>&min=<u>&module=" +
      encodeURIComponent("<img src=x onerror=alert(3)>"));
    await page.waitForSelector(".grid.findings");
    assert.equal(await odd(), 0);
  });

tests.commands_are_collected = () =>
  withPage("heap", "#view=leaks", {}, async (page, cli) => {
    const commands = [];
    for (const fragment of [
      ...Object.values(looks()), "#view=leaks&kinds=all&min=1K&focus=lose%7Cmake",
      "#view=leaks&kinds=definite,reachable&module=" + encodeURIComponent(cli.leaks.leaks[0].module),
    ]) {
      await goTo(page, fragment, ".grid.findings, .grid.groups, .graph-box");
      commands.push(await page.textContent("footer code"));
    }
    console.log(JSON.stringify({ commands }));
  });

// ---- screenshots, for people ----------------------------------------------------------------

if (config.screenshots)
  for (const [width, height] of [[390, 844], [1366, 768], [2560, 1440]])
    for (const colorScheme of ["light", "dark"])
      await withPage("heap", "#view=leaks", { viewport: { width, height }, colorScheme }, async (page) => {
        for (const [name, fragment] of Object.entries(looks())) {
          await goTo(page, fragment, ".grid.findings, .grid.groups, .graph-box");
          await page.screenshot({ path: `${config.screenshots}/heap-${name}-${width}-${colorScheme}.png` });
        }
      });

await runAll(tests, config.only);

// The same of a page that is served, which asks for what it shows: it has all of it.
const SERVED = new RegExp(
  "^(findings_|a_finding|suspects_|blocks_are|references_|referrers_|a_path|a_block)",
);
for (const [name, address] of Object.entries(config.served ?? {})) config.pages[name].file = address;
await runAll(
  Object.fromEntries(
    Object.entries(tests)
      .filter(([name]) => config.served && SERVED.test(name))
      .map(([name, test]) => ["served: " + name, test]),
  ),
  config.only,
);
await browser.close();

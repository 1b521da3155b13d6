// A browser with pages under watch: what they say on their console, ask of the network,
// or open as a dialog is a failure.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** What no step takes where the machine is busy, in ms: only what hangs is to fail. */
const PATIENCE = 60000;

const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync",
];

export async function launch(executablePath) {
  return chromium.launch({ executablePath, args: FLAGS });
}

/** A page that shows a file, or what `heapline view` serves there, ready to be used; .complaints is what went wrong in it.
 * options.until: "ready" when it is shown, "whole" (unless told) when all is read. */
export async function open(browser, file, fragment = "", options = {}) {
  const { until = "whole", ...rest } = options;
  const context = await browser.newContext({
    viewport: { width: 1400, height: 3600 }, colorScheme: "light", ...rest,
  });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  page.complaints = [];
  page.on("console", (m) => page.complaints.push(`console: ${m.type()}: ${m.text()}`));
  page.on("pageerror", (e) => page.complaints.push("error: " + e.stack));
  page.on("dialog", (d) => {
    page.complaints.push("dialog: " + d.message());
    void d.dismiss();
  });
  const served = file.startsWith("http://");
  const address = served ? file : "file://" + encodeURI(file);
  page.on("request", (r) => {
    const url = r.url().split("#")[0];
    if (url !== address && !(served && url.startsWith(address)))
      page.complaints.push("request: " + r.url().slice(0, 200));
  });
  await page.goto(address + fragment);
  await page.waitForSelector(`html[data-${until}]`, { state: "attached" });
  return page;
}

/** Goes where a fragment says, as a link would, and waits until it is shown. */
export async function go(page, fragment) {
  await page.evaluate((f) => {
    location.hash = f;
  }, fragment);
  await settle(page);
}

/** Two frames later: what was asked for is drawn. */
export async function settle(page) {
  await page.evaluate(
    () =>
      new Promise((done) =>
        setTimeout(() => requestAnimationFrame(() => requestAnimationFrame(done)), 0),
      ),
  );
}

/** Until something holds. (waitForFunction() needs eval(), which the page forbids.) */
export async function until(page, holds, argument) {
  for (const end = Date.now() + PATIENCE; Date.now() < end; ) {
    if (await page.evaluate(holds, argument)) return;
    await page.waitForTimeout(40);
  }
  throw new Error("never came: " + holds);
}

/** Rows of a grid: their cells' texts and exact values, level, and classes. */
export async function rowsOf(page, label) {
  return page.evaluate((name) => {
    const grid = [...document.querySelectorAll(".grid")].find(
      (g) => g.getAttribute("aria-label") === name,
    );
    if (!grid) throw new Error("no grid called " + name);
    const rows = [...grid.querySelectorAll(".rows .row")];
    if (rows.length + 1 !== Number(grid.getAttribute("aria-rowcount")))
      throw new Error(`${name}: ${rows.length} rows in sight of ${grid.getAttribute("aria-rowcount")}`);
    return rows.map((row) => ({
      level: Number(row.getAttribute("aria-level")),
      classes: row.className,
      expanded: row.getAttribute("aria-expanded"),
      cells: [...row.children].map((cell) => {
        const value = cell.querySelector("[data-value]");
        return {
          text: cell.textContent,
          value: value ? Number(value.dataset.value) : null,
          title: cell.querySelector("[title]:not([data-value])")?.getAttribute("title") ?? "",
        };
      }),
    }));
  }, label);
}

/** What axe has to say against the page, whose own policy is out of the way
 * (bypassCSP). */
export async function axeSays(page) {
  if (!(await page.evaluate(() => "axe" in window))) await page.evaluate(AXE);
  return page.evaluate(async () => {
    const { violations } = await axe.run(document);
    return violations.map((v) => `${v.id}: ${v.help}: ` +
      v.nodes.slice(0, 3).map((n) => n.html.slice(0, 160) + " " + (n.any[0]?.message ?? "")).join(" | "));
  });
}

/** What of a grid's rows is drawn outside of them. */
export async function strays(page) {
  return page.$$eval(".grid .rows .row", (rows) =>
    rows.flatMap((row) => {
      const box = row.getBoundingClientRect();
      return [...row.querySelectorAll(".name, .value, .mark")]
        .filter((e) => {
          const own = e.getBoundingClientRect();
          return own.height && (own.top < box.top - 1 || own.bottom > box.bottom + 1);
        })
        .map((e) => e.textContent.slice(0, 60));
    }));
}

/** data-value by data-key of what is inside a place of the page. */
export async function factsOf(page, selector) {
  return page.$$eval(selector + " [data-key]", (all) =>
    Object.fromEntries(
      all.map((e) => [e.dataset.key, e.dataset.value === undefined ? e.textContent : Number(e.dataset.value)]),
    ),
  );
}

/** Runs all tests, or those whose name has `only` in it; one JSON object a line: name,
 * and `detail` if it failed. */
export async function runAll(tests, only = "") {
  for (const [name, test] of Object.entries(tests)) {
    if (!name.includes(only)) continue;
    const result = { name };
    const began = Date.now();
    try {
      await test();
    } catch (error) {
      result.detail = String(error?.stack ?? error).slice(0, 4000);
    }
    result.ms = Date.now() - began;
    console.log(JSON.stringify(result));
  }
}

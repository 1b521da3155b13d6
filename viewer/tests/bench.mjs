// How long a page takes to open, to draw and to follow a range of time.
//
//   bench.mjs CHROMIUM PAGE ROUNDS
//
// Writes medians in milliseconds, as JSON.
import { launch, open } from "./page.mjs";

const [, , chromium, file, rounds] = process.argv;
const browser = await launch(chromium);
const median = (all) => [...all].sort((a, b) => a - b)[Math.floor(all.length / 2)];

async function opening() {
  const page = await open(browser, file, "", {
    viewport: { width: 1400, height: 900 }, until: "ready",
  });
  await page.waitForSelector("html[data-shown]", { state: "attached", timeout: 60000 });
  const ms = await page.evaluate(() => Number(document.documentElement.dataset.shown));
  await page.context().close();
  return ms;
}

/** Goes to a fragment; milliseconds until the flame graph is drawn anew. */
function redraw(page, fragment) {
  return page.evaluate(
    (f) =>
      new Promise((done) => {
        const canvas = () => document.querySelector(".flame-box canvas");
        const before = canvas()?.dataset.at;
        const began = performance.now();
        location.hash = f;
        const look = () => {
          if (canvas()?.dataset.at !== before) done(performance.now() - began);
          else setTimeout(look, 1);
        };
        look();
      }),
    fragment,
  );
}

const opened = [];
for (let i = 0; i < Number(rounds); i++) opened.push(await opening());

const page = await open(browser, file, "", { viewport: { width: 1400, height: 900 } });
page.setDefaultTimeout(60000);
const first = await redraw(page, "#view=flame");
const nodes = await page.evaluate(() => window.performance.memory?.usedJSHeapSize ?? 0);
const draws = [];
for (let i = 0; i < 40; i++) {
  await page.mouse.move(100 + 20 * i, 300 + 3 * i);
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(done)));
  draws.push(await page.$eval(".flame-box canvas", (c) => Number(c.dataset.ms)));
}
const brushes = [];
const wall = await page.evaluate(() => document.querySelector("canvas.strip") !== null);
for (let i = 1; wall && i < 16; i++)
  brushes.push(await redraw(page, `#view=flame&from=${i * 1e8}&to=${(i + 20) * 1e8}`));
await browser.close();
console.log(
  JSON.stringify({
    open_ms: median(opened), flame_first_ms: first, draw_ms: median(draws),
    brush_ms: brushes.length ? median(brushes) : null, heap_bytes: nodes,
  }),
);

// Blocks by the power of two of their size and lifetime: the rules of
// cli/report/classes.c.

import type { Classes } from "./model";
import type { Scope } from "./scope";

export interface Histogram {
  /** k: class; -1: never freed. Bytes are between least and most; 0: not of sizes. */
  rows: { k: number; count: number; least: number; most: number }[];
  total: number;
}

const CLASSES = 64;
const low = (k: number) => (k ? 2 ** k : 0);
const high = (k: number) => 2 ** (k + 1) - 1;

export function histogram(scope: Scope, c: Classes): { sizes: Histogram; lives: Histogram } {
  const { site } = scope;
  const { siteCount } = scope.model;
  const sizes = new Float64Array(CLASSES);
  const lives = new Float64Array(CLASSES);
  const least = new Float64Array(CLASSES);
  const most = new Float64Array(CLASSES);
  let live = 0;
  let total = 0;
  for (let i = 0; i < siteCount; i++) {
    if (!scope.has[i]) continue;
    total += site.allocs[i];
    live += site.live_blocks[i];
    let allLeast = 0;
    let allMost = 0;
    for (let k = c.sizeFirst[i]; k < c.sizeFirst[i + 1]; k++) {
      allLeast += c.sizeCount[k] * low(c.sizeClass[k]);
      allMost += c.sizeCount[k] * high(c.sizeClass[k]);
    }
    for (let k = c.sizeFirst[i]; k < c.sizeFirst[i + 1]; k++) {
      const of = c.sizeClass[k];
      const atLeast = c.sizeCount[k] * low(of);
      const atMost = c.sizeCount[k] * high(of);
      sizes[of] += c.sizeCount[k];
      // What the others can't have had is this one's.
      least[of] += Math.max(0, site.allocated[i] - (allMost - atMost), atLeast);
      most[of] += Math.min(Math.max(0, site.allocated[i] - (allLeast - atLeast)), atMost);
    }
    for (let k = c.lifeFirst[i]; k < c.lifeFirst[i + 1]; k++)
      lives[c.lifeClass[k]] += c.lifeCount[k];
  }
  const rows = (counts: Float64Array, bytes: boolean) =>
    [...counts.keys()]
      .filter((k) => counts[k])
      .map((k) => ({
        k, count: counts[k], least: bytes ? least[k] : 0, most: bytes ? most[k] : 0,
      }));
  const lived = rows(lives, false);
  if (live) lived.push({ k: -1, count: live, least: 0, most: 0 });
  return { sizes: { rows: rows(sizes, true), total }, lives: { rows: lived, total } };
}

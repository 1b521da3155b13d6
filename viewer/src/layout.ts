// Nodes in columns, by their layer: the callers of a layout say which layer a node is
// in, this finds an order in which few links cross, and places.

export interface Box {
  id: string;
  layer: number;
  width: number;
  height: number;
}

export interface Place {
  x: number;
  y: number;
}

export interface Layout {
  places: Map<string, Place>;
  width: number;
  height: number;
}

const GAP_X = 96;
const GAP_Y = 14;
const SWEEPS = 6;

type Links = readonly { from: string; to: string }[];

function neighboursOf(links: Links): Map<string, string[]> {
  const all = new Map<string, string[]>();
  const add = (a: string, b: string) => {
    const known = all.get(a);
    if (known) known.push(b);
    else all.set(a, [b]);
  };
  for (const { from, to } of links) {
    if (from === to) continue;
    add(from, to);
    add(to, from);
  }
  return all;
}

/** Orders a layer by where the neighbours of its boxes are. */
function sortLayer(layer: Box[], at: Map<string, number>, near: Map<string, string[]>): void {
  const key = new Map<string, number>();
  layer.forEach((box) => {
    const all = (near.get(box.id) ?? []).map((id) => at.get(id)!).filter((y) => y !== undefined);
    const mean = all.reduce((sum, y) => sum + y, 0) / all.length;
    key.set(box.id, all.length ? mean : at.get(box.id)!);
  });
  layer.sort((a, b) => key.get(a.id)! - key.get(b.id)! || at.get(a.id)! - at.get(b.id)!);
}

/** Centres of a layer's boxes, in their order, none over another. */
function stack(layer: Box[], wanted: (box: Box) => number, at: Map<string, number>): void {
  const tops: number[] = [];
  let low = -Infinity;
  for (const box of layer) {
    const top = Math.max(low, wanted(box) - box.height / 2);
    tops.push(top);
    low = top + box.height + GAP_Y;
  }
  // What was pushed down as a whole moves back by as much on the average.
  const drift =
    layer.reduce((sum, box, i) => sum + tops[i] + box.height / 2 - wanted(box), 0) / layer.length;
  layer.forEach((box, i) => at.set(box.id, tops[i] - drift + box.height / 2));
}

export function layOut(boxes: readonly Box[], links: Links): Layout {
  const near = neighboursOf(links);
  const layers = new Map<number, Box[]>();
  for (const box of boxes) {
    const known = layers.get(box.layer);
    if (known) known.push(box);
    else layers.set(box.layer, [box]);
  }
  const order = [...layers.keys()].sort((a, b) => a - b);
  const at = new Map<string, number>();
  for (const layer of layers.values()) {
    let y = 0;
    for (const box of layer) {
      at.set(box.id, y);
      y += box.height + GAP_Y;
    }
  }
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const turn = sweep % 2 ? [...order].reverse() : order;
    for (const key of turn) {
      const layer = layers.get(key)!;
      sortLayer(layer, at, near);
      const mean = (box: Box) => {
        const all = (near.get(box.id) ?? []).map((id) => at.get(id)!);
        return all.length ? all.reduce((sum, y) => sum + y, 0) / all.length : at.get(box.id)!;
      };
      const wanted = new Map(layer.map((box) => [box.id, mean(box)]));
      stack(layer, (box) => wanted.get(box.id)!, at);
    }
  }
  return placesOf(layers, order, at);
}

function placesOf(
  layers: Map<number, Box[]>, order: number[], at: Map<string, number>,
): Layout {
  const places = new Map<string, Place>();
  let top = Infinity;
  let bottom = -Infinity;
  let x = 0;
  for (const layer of layers.values())
    for (const box of layer) {
      top = Math.min(top, at.get(box.id)! - box.height / 2);
      bottom = Math.max(bottom, at.get(box.id)! + box.height / 2);
    }
  for (const key of order) {
    const layer = layers.get(key)!;
    const width = Math.max(...layer.map((box) => box.width));
    for (const box of layer)
      places.set(box.id, {
        x: x + (width - box.width) / 2, y: at.get(box.id)! - box.height / 2 - top,
      });
    x += width + GAP_X;
  }
  return { places, width: Math.max(0, x - GAP_X), height: Math.max(0, bottom - top) };
}

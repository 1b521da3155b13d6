// From names that reports have of code to where the page shows it.

import { useView } from "./context";
import type { Frame } from "./heap";
import type { Model } from "./model";
import type { State } from "./state";
import { clean } from "./units";

export function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1) || path;
}

const functions = new WeakMap<Model, Set<string>>();

/** Whether the source view has a function of that name in that file. */
export function hasSource(m: Model, file: string, name: string): boolean {
  let known = functions.get(m);
  if (!known) {
    known = new Set();
    for (let i = 0; i < m.function.name.length; i++)
      known.add(m.text(m.function.file[i]) + "\0" + m.text(m.function.name[i]));
    functions.set(m, known);
  }
  return file !== "" && known.has(file + "\0" + name);
}

/** What shows a function's source. */
export function toSource(file: string, name: string): Partial<State> {
  return { view: "source", file, fn: name, all: true };
}

/** The place of a site that a report calls "insert (table.c:12)"; null: not known. */
export function placeOfSite(m: Model, site: string): { file: string; fn: string } | null {
  const { line } = m.labels;
  const name = site.replace(/^(mapping|chunk) by /, "");
  for (let i = 1; i < line.short.length; i++) {
    if (m.text(line.short[i]) !== name) continue;
    const place = { file: m.text(line.file[i]), fn: m.text(line.function[i]) };
    return hasSource(m, place.file, place.fn) ? place : null;
  }
  return null;
}

/** A stack, the innermost frame first; what has source leads there. */
export function StackList(p: { stack: Frame[] }) {
  const { model: m, set } = useView();
  const MOST = 100;
  return (
    <ol class="stack">
      {p.stack.slice(0, MOST).map((f, i) => {
        const name = clean(f.function) || "(unknown)";
        const place = f.file ? clean(baseName(f.file)) + (f.line ? ":" + f.line : "") : "";
        return (
          <li key={i} title={clean(f.file || f.module)}>
            {hasSource(m, f.file, f.function) ? (
              <button type="button" class="link" onClick={() => set(toSource(f.file, f.function), true)}>
                {name}
              </button>
            ) : (
              <span class="name">{name}</span>
            )}{" "}
            <small>{place || clean(baseName(f.module))}</small>
          </li>
        );
      })}
      {p.stack.length > MOST && <li>{p.stack.length - MOST} more</li>}
    </ol>
  );
}

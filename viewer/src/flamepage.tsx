// What the flame graphs of one profile and of two have around them: zoom, selection, the
// callers of a function above its callees, search and the keys of all that.

import type { ComponentChildren } from "preact";
import { useMemo, useRef, useState } from "preact/hooks";
import { type Boxes, Directions, type Dress, Flame, LinesBox } from "./flame";
import { SearchField } from "./parts";
import { parseRegex } from "./scope";
import { type Found, search } from "./search";
import type { State } from "./state";
import { clean } from "./units";

export type Tree = Boxes & { readonly total: number };

export interface At<T extends Tree> {
  tree: T;
  node: number; // -1: none is selected
}

interface FlamePageProps<T extends Tree> {
  state: State;
  set: (patch: Partial<State>, push?: boolean) => void;
  tree: T;
  above: T | null; // callers of the root
  root: string; // a function's name; "": the whole tree
  className?: string;
  label: string;
  caption: ComponentChildren;
  tools?: ComponentChildren;
  dress: (tree: T) => Dress;
  matches: (at: At<T>, regex: RegExp) => boolean; // what is searched for
  said: (found: Found) => string;
  nameOf: (at: At<T>) => string; // of its function; "": it is of none
  sourceOf?: (at: At<T>) => Partial<State> | null; // null: its source is not known
}

export function FlamePage<T extends Tree>(p: FlamePageProps<T>) {
  const { state, set, tree, above } = p;
  const [zoom, setZoom] = useState<At<T>>({ tree, node: 0 });
  const [selected, select] = useState<At<T>>({ tree, node: -1 });
  const find = useRef<HTMLInputElement>(null);
  const { regex, why } = parseRegex(state.search);
  const searched = (t: T | null) =>
    regex && t ? search(t, (node) => p.matches({ tree: t, node }, regex)) : null;
  const found = useMemo(() => searched(tree), [tree, state.search]);
  const foundAbove = useMemo(() => searched(above), [above, state.search]);
  const isShown = (at: At<T>) => at.tree === tree || at.tree === above;
  const one = isShown(selected) ? selected : { tree, node: -1 };
  const name = one.node > 0 ? p.nameOf(one) : "";
  const source = one.node > 0 && p.sourceOf ? p.sourceOf(one) : null;

  const sandwich = () => name && set({ root: name }, true);
  const showSource = () => source && set(source, true);
  const onKey = (key: string): boolean => {
    if (key === "/") find.current!.focus();
    else if (key === "s") sandwich();
    else if (key === "o" && p.sourceOf) showSource();
    else return false;
    return true;
  };
  const flame = (t: T, upward: boolean, hits: Found | null, title: string) => (
    <Flame
      tree={t}
      dress={p.dress(t)}
      title={title}
      upward={upward}
      found={hits && hits.found}
      zoom={zoom.tree === t ? zoom.node : 0}
      selected={selected.tree === t ? selected.node : -1}
      onZoom={(node) => {
        setZoom({ tree: t, node });
        select({ tree: t, node });
      }}
      onSelect={(node) => select({ tree: t, node })}
      onKey={onKey}
    />
  );
  return (
    <div class={"flame-view" + (p.className ? " " + p.className : "")}>
      <div class="tools">
        {p.root ? (
          <>
            <strong class="root name">{clean(p.root)}</strong>
            <button type="button" onClick={() => set({ root: "" }, true)}>
              Whole tree
            </button>
          </>
        ) : (
          <Directions />
        )}
        <LinesBox state={state} set={set} />
        {p.tools}
        <SearchField
          field={find}
          text={state.search}
          why={why}
          said={found && p.said(found)}
          set={(text) => set({ search: text })}
        />
        <span class="actions">
          <button type="button" disabled={one.node < 1} onClick={() => setZoom(one)}>
            Zoom
          </button>
          <button
            type="button"
            disabled={zoom.node < 1 || !isShown(zoom)}
            onClick={() => setZoom({ tree, node: 0 })}
          >
            Unzoom
          </button>
          <button type="button" disabled={!name} onClick={sandwich}>
            Callers and callees
          </button>
          {p.sourceOf && (
            <button type="button" disabled={!source} onClick={showSource}>
              Source
            </button>
          )}
        </span>
      </div>
      <p class="caption">{p.caption}</p>
      {!tree.total && !above?.total ? (
        <p class="remark">Nothing to show: no stack in sight has any.</p>
      ) : above ? (
        <div class="sandwich">
          {flame(above, true, foundAbove, "Callers")}
          {flame(tree, false, found, "Callees")}
        </div>
      ) : (
        flame(tree, state.dir === "up", found, p.label)
      )}
    </div>
  );
}

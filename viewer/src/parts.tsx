// What several views have around their tables: a choice of a few, a search, a row's
// handle in a tree.

import type { Ref } from "preact";
import { clean } from "./units";

/** One of a few; the one that is chosen is pressed. */
export function Choice<T extends string>(p: {
  label: string;
  of: readonly { is: T; title: string }[];
  at: T;
  choose: (is: T) => void;
  className?: string;
}) {
  return (
    <span class={"choice " + (p.className ?? "")} role="group" aria-label={p.label}>
      {p.of.map(({ is, title }) => (
        <button key={is} type="button" aria-pressed={p.at === is} onClick={() => p.choose(is)}>
          {title}
        </button>
      ))}
    </span>
  );
}

/** Words that are their own titles. */
export function titled<T extends string>(words: readonly T[]): { is: T; title: string }[] {
  return words.map((word) => ({ is: word, title: word }));
}

/** A search by a regular expression, and what came of it: `why` it is none, or `said`. */
export function SearchField(p: {
  text: string;
  why: string;
  said?: string | null | false;
  set: (text: string) => void;
  field?: Ref<HTMLInputElement>;
}) {
  return (
    <>
      <label class="search">
        <span class="sr">Search</span>
        <input
          ref={p.field}
          type="search"
          placeholder="Search: regular expression"
          value={p.text}
          aria-invalid={p.why !== ""}
          onInput={(e) => p.set(e.currentTarget.value)}
        />
      </label>
      <span class="found" role="status">
        {p.why || p.said}
      </span>
    </>
  );
}

/** A name in a tree, as far in as it is deep, behind what opens and closes its row.
 * open: undefined where nothing is below it. */
export function TreeName(p: {
  depth: number; // from 1
  open: boolean | undefined;
  toggle: (open: boolean) => void;
  className?: string;
  title: string;
  name: string;
  mark?: string;
}) {
  const { open } = p;
  return (
    <span class="branch" style={{ paddingLeft: Math.min(p.depth - 1, 60) * 14 + "px" }}>
      <button
        type="button"
        tabIndex={-1}
        class="twisty"
        aria-hidden={open === undefined}
        aria-label={open ? "Close" : "Open"}
        disabled={open === undefined}
        onClick={(e) => {
          e.stopPropagation();
          p.toggle(!open);
        }}
      >
        {open === undefined ? "" : open ? "\u25be" : "\u25b8"}
      </button>
      <span class={"name " + (p.className ?? "")} title={clean(p.title)}>
        {clean(p.name)}
      </span>
      {p.mark !== undefined && <small>{p.mark}</small>}
    </span>
  );
}

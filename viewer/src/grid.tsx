// A table of any length: rows are made as they come into sight. It is one stop of the
// Tab key; arrows move its selection.

import type { ComponentChildren, JSX } from "preact";
import { useEffect, useId, useLayoutEffect, useRef, useState } from "preact/hooks";

export interface Column {
  title: string;
  className?: string;
}

export interface GridProps {
  label: string;
  columns: Column[];
  template: string; // grid-template-columns
  count: number;
  rowHeight?: number;
  selected: number;
  cells: (row: number) => ComponentChildren[];
  rowClass?: (row: number) => string;
  onSelect: (row: number) => void;
  onOpen?: (row: number) => void;
  /** Of a tree: depth from 1, and whether the row is open; undefined: it has no rows
   * below it. */
  level?: (row: number) => number;
  expanded?: (row: number) => boolean | undefined;
  onToggle?: (row: number, open: boolean) => void;
  className?: string;
  /** Of all rows, where some may be wider than the box. */
  rowWidth?: string;
}

const OVERSCAN = 12;

export function Grid(p: GridProps) {
  const height = p.rowHeight ?? 26;
  const box = useRef<HTMLDivElement>(null);
  const id = useId();
  const [span, setSpan] = useState({ top: 0, height: 600 });
  const isTree = p.level !== undefined;

  useLayoutEffect(() => {
    const element = box.current!;
    const measure = () => setSpan({ top: element.scrollTop, height: element.clientHeight });
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    // Where it begins: the selected row near the top.
    if (p.selected > 2) element.scrollTop = (p.selected - 1) * height;
    measure();
    return () => observer.disconnect();
  }, []);

  // The selected row comes into sight when it changes.
  useEffect(() => {
    const element = box.current!;
    const head = height;
    const at = p.selected * height;
    if (p.selected < 0) return;
    if (at < element.scrollTop) element.scrollTop = at;
    else if (at + height + head > element.scrollTop + element.clientHeight)
      element.scrollTop = at + height + head - element.clientHeight;
  }, [p.selected, p.count]);

  const first = Math.max(0, Math.floor(span.top / height) - OVERSCAN);
  const last = Math.min(p.count, Math.ceil((span.top + span.height) / height) + OVERSCAN);

  function move(to: number) {
    if (p.count) p.onSelect(Math.max(0, Math.min(p.count - 1, to)));
  }

  function key(event: JSX.TargetedKeyboardEvent<HTMLDivElement>) {
    if (event.ctrlKey || event.altKey || event.metaKey || event.target !== box.current) return;
    const page = Math.max(1, Math.floor(span.height / height) - 2);
    const open = p.expanded?.(p.selected);
    switch (event.key) {
      case "ArrowDown":
        move(p.selected + 1);
        break;
      case "ArrowUp":
        move(p.selected - 1);
        break;
      case "PageDown":
        move(p.selected + page);
        break;
      case "PageUp":
        move(p.selected - page);
        break;
      case "Home":
        move(0);
        break;
      case "End":
        move(p.count - 1);
        break;
      case "ArrowRight":
        if (open === false) p.onToggle?.(p.selected, true);
        else if (open) move(p.selected + 1);
        else return;
        break;
      case "ArrowLeft":
        if (open) p.onToggle?.(p.selected, false);
        else if (p.level) {
          let to = p.selected;
          while (to > 0 && p.level(to) >= p.level(p.selected)) to--;
          move(to);
        } else return;
        break;
      case "Enter":
      case " ":
        if (p.selected < 0 || !p.onOpen) return;
        p.onOpen(p.selected);
        break;
      default:
        return;
    }
    event.preventDefault();
  }

  const rows: JSX.Element[] = [];
  for (let row = first; row < last; row++) {
    const open = p.expanded?.(row);
    rows.push(
      <div
        key={row}
        id={id + "-" + row}
        role="row"
        class={"row " + (p.rowClass?.(row) ?? "") + (row === p.selected ? " selected" : "")}
        aria-rowindex={row + 2}
        aria-selected={row === p.selected}
        aria-level={p.level?.(row)}
        aria-expanded={open}
        style={{
          top: row * height + "px", height: height + "px", gridTemplateColumns: p.template,
          width: p.rowWidth,
        }}
        onClick={() => {
          p.onSelect(row);
          box.current!.focus({ preventScroll: true });
        }}
        onDblClick={() => p.onOpen?.(row)}
      >
        {p.cells(row).map((cell, i) => (
          <div role="gridcell" class={p.columns[i]?.className} key={i}>
            {cell}
          </div>
        ))}
      </div>,
    );
  }
  const shown = p.selected >= first && p.selected < last;
  return (
    <div
      ref={box}
      class={"grid " + (p.className ?? "")}
      role={isTree ? "treegrid" : "grid"}
      aria-label={p.label}
      aria-rowcount={p.count + 1}
      aria-activedescendant={shown ? id + "-" + p.selected : undefined}
      tabIndex={0}
      onScroll={() =>
        setSpan({ top: box.current!.scrollTop, height: box.current!.clientHeight })
      }
      onKeyDown={key}
    >
      <div
        role="row"
        class="row head"
        aria-rowindex={1}
        style={{ height: height + "px", gridTemplateColumns: p.template, width: p.rowWidth }}
      >
        {p.columns.map((column) => (
          <div role="columnheader" class={column.className} key={column.title}>
            {column.title}
          </div>
        ))}
      </div>
      <div role="rowgroup" class="rows" style={{ height: p.count * height + "px" }}>
        {rows}
      </div>
    </div>
  );
}

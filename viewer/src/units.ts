// Amounts for people, as cli/base/units.c writes them.

const UNITS = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

export function size(bytes: number): string {
  if (bytes < 0) return "-" + size(-bytes);
  if (bytes < 1024) return bytes + " B";
  let value = bytes / 1024;
  let unit = 0;
  while (value >= 1023.95 && unit + 1 < UNITS.length) {
    value /= 1024;
    unit++;
  }
  return value.toFixed(1) + " " + UNITS[unit];
}

export function count(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+(?!\d))/g, ",");
}

/** Of a row that processes are counted in: which. */
export function together(row: { counted: number }): string {
  return row.counted === 1
    ? "the only one of its program"
    : count(row.counted) + " processes together";
}

export function percent(part: number, whole: number): string {
  return (whole ? (part * 100) / whole : 0).toFixed(1) + " %";
}

export function duration(ns: number): string {
  const seconds = Math.round(ns / 1e9);
  if (ns < 1000) return Math.round(ns) + " ns";
  if (ns < 999950) return (ns / 1e3).toFixed(1) + " us";
  if (ns < 99950000) return (ns / 1e6).toFixed(1) + " ms";
  if (ns < 9999500000) return (ns / 1e9).toFixed(3) + " s";
  if (ns < 59950000000) return (ns / 1e9).toFixed(1) + " s";
  if (seconds < 3600) return Math.floor(seconds / 60) + " min " + (seconds % 60) + " s";
  return Math.floor(seconds / 3600) + " h " + Math.floor((seconds % 3600) / 60) + " min";
}

/** To the millisecond at least: bounds of epochs are not round. */
export function seconds(ns: number): string {
  return (ns / 1e9).toFixed(ns < 1e9 ? 6 : 3) + " s";
}

// Controls, and characters that turn text around or have no width: shown, not obeyed.
const UNSAFE =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb]/g;

/** A name or line that a program chose, safe to look at. */
export function clean(text: string): string {
  return text.replace(UNSAFE, (c) => {
    const code = c.codePointAt(0)!;
    return code < 256 ? "\\x" + code.toString(16).padStart(2, "0") : "\\u{" + code.toString(16) + "}";
  });
}

/** A source line: tabs become spaces, to multiples of eight columns. */
export function sourceLine(text: string): string {
  let at = 0;
  let out = "";
  let first = true;
  for (const part of text.split("\t")) {
    if (!first) {
      const pad = 8 - (at % 8);
      out += " ".repeat(pad);
      at += pad;
    }
    first = false;
    out += part;
    at += part.length;
  }
  return clean(out);
}

/** A word of a command to type, quoted if the shell needs it. */
export function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : "'" + word.replace(/'/g, "'\\''") + "'";
}

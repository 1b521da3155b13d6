// Colours for source lines: comments, texts, numbers, words of the language. A line at a
// time; what a block comment or long text leaves open goes on in the next.

import type { JSX } from "preact";

interface Language {
  line: string; // begins a comment to the end of the line
  block: [string, string] | null;
  quotes: string;
  long: string[]; // delimiters of texts over several lines
  words: Set<string>;
}

const words = (text: string) => new Set(text.split(" "));

const C = words(
  "alignas alignof auto bool break case catch char class concept const constexpr continue " +
    "decltype default delete do double else enum explicit export extern false float for " +
    "friend goto if inline int long mutable namespace new noexcept nullptr operator override " +
    "private protected public register requires restrict return short signed sizeof static " +
    "static_assert struct switch template this throw true try typedef typename union " +
    "unsigned using virtual void volatile wchar_t while size_t NULL final",
);
const RUST = words(
  "as async await break const continue crate dyn else enum extern false fn for if impl in " +
    "let loop match mod move mut pub ref return self Self static struct super trait true " +
    "type unsafe use where while",
);
const PYTHON = words(
  "and as assert async await break class continue def del elif else except False finally " +
    "for from global if import in is lambda None nonlocal not or pass raise return True try " +
    "while with yield",
);

function languageOf(file: string): Language {
  if (/\.pyx?$/.test(file))
    return { line: "#", block: null, quotes: "\"'", long: ['"""', "'''"], words: PYTHON };
  if (/\.rs$/.test(file))
    return { line: "//", block: ["/*", "*/"], quotes: '"', long: [], words: RUST };
  return { line: "//", block: ["/*", "*/"], quotes: "\"'", long: [], words: C };
}

export interface Highlighter {
  /** The next line, which must follow the one before, or `open` says what is open. */
  line(text: string): JSX.Element[];
}

export function highlighter(file: string): Highlighter {
  const language = languageOf(file);
  let open = ""; // what ends the comment or text that is open
  let openClass = "";

  function span(kind: string, text: string, out: JSX.Element[]) {
    if (text) out.push(<span class={kind}>{text}</span>);
  }

  function line(text: string): JSX.Element[] {
    const out: JSX.Element[] = [];
    let at = 0;
    let plain = "";
    const flush = () => {
      span("", plain, out);
      plain = "";
    };
    while (at < text.length) {
      const rest = text.slice(at, at + 3);
      if (open) {
        const end = text.indexOf(open, at);
        const to = end < 0 ? text.length : end + open.length;
        span(openClass, text.slice(at, to), out);
        if (end >= 0) open = "";
        at = to;
        continue;
      }
      const long = language.long.find((d) => rest.startsWith(d));
      const block = language.block && rest.startsWith(language.block[0]);
      if (long || block) {
        flush();
        open = long ?? language.block![1];
        openClass = long ? "hl-text" : "hl-comment";
        const start = long ?? language.block![0];
        span(openClass, start, out);
        at += start.length;
        continue;
      }
      if (rest.startsWith(language.line)) {
        flush();
        span("hl-comment", text.slice(at), out);
        break;
      }
      if (language.quotes.includes(text[at])) {
        const quote = text[at];
        let to = at + 1;
        while (to < text.length && text[to] !== quote) to += text[to] === "\\" ? 2 : 1;
        flush();
        span("hl-text", text.slice(at, to + 1), out);
        at = to + 1;
        continue;
      }
      const word = /^[A-Za-z_][A-Za-z0-9_]*/.exec(text.slice(at, at + 80));
      const number = /^[0-9][0-9A-Za-z_.]*/.exec(text.slice(at, at + 80));
      if (word && language.words.has(word[0])) {
        flush();
        span("hl-word", word[0], out);
      } else if (number) {
        flush();
        span("hl-number", number[0], out);
      } else plain += word ? word[0] : text[at];
      at += word ? word[0].length : number ? number[0].length : 1;
    }
    flush();
    return out;
  }
  return { line };
}

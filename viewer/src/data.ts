// Where a profile comes from. Its columns (cli/export/columns.h) are in the page itself,
// or are fetched one by one from `heapline view`, which answers questions beside.

export type Numbers = Uint8Array | Uint16Array | Uint32Array | Float64Array;

/** A column as it is kept: numbers of a form, or bytes; deflated. */
interface Stored {
  form: string;
  count: number;
  bytes: ReadableStream<Uint8Array>;
}

/** What a verb takes: `--by=line` is by: "line", a flag like `--all` is all: true. An
 * operand of the verb's own is operand: "0x1234". */
export type Options = Record<string, string | number | boolean | undefined>;

/** A profile's columns by name. Of two profiles the second's have names after "b.". */
export abstract class Data {
  /** Whether ask() has somebody to ask: a page in a file has not. */
  abstract readonly asks: boolean;

  constructor(protected readonly prefix: string) {}

  /** null: there is no such column. One can be found once. */
  protected abstract find(name: string): Promise<Stored | null>;

  /** What `heapline VERB --json` prints for this profile with these options. */
  abstract ask<T>(verb: string, options?: Options): Promise<T>;

  /** No numbers, if there is no such column. */
  async numbers(name: string): Promise<Numbers> {
    const one = await this.find(this.prefix + name);
    if (!one) return new Uint8Array(0);
    const width = { u8: 1, u16: 2, u32: 4, f64: 8 }[one.form];
    if (!width) throw new Error("a column has no known form");
    const { buffer } = await inflate(one, one.count * width);
    switch (width) {
      case 1:
        return new Uint8Array(buffer, 0, one.count);
      case 2:
        return new Uint16Array(buffer, 0, one.count);
      case 4:
        return new Uint32Array(buffer, 0, one.count);
      default:
        return new Float64Array(buffer, 0, one.count);
    }
  }

  private async text(name: string): Promise<string> {
    const one = await this.find(this.prefix + name);
    if (!one) throw new Error("the profile lacks " + name);
    const bytes = await inflate(one, one.count);
    return new TextDecoder().decode(bytes.subarray(0, one.count));
  }

  async json<T>(name: string): Promise<T> {
    return JSON.parse(await this.text(name)) as T;
  }

  async texts(name: string): Promise<string[]> {
    const all = (await this.text(name)).split("\0");
    all.pop();
    return all;
  }
}

async function inflate(one: Stored, bytes: number): Promise<Uint8Array<ArrayBuffer>> {
  // The types of the two streams differ in what buffers they allow.
  const inflater = new DecompressionStream("deflate-raw") as unknown as TransformStream<
    Uint8Array,
    Uint8Array
  >;
  const reader = one.bytes.pipeThrough(inflater).getReader();
  // A whole number of doubles, so that any form can look at it.
  const all = new Uint8Array(Math.ceil(bytes / 8) * 8);
  for (let at = 0; ; ) {
    const { done, value } = await reader.read();
    if (done) {
      if (at !== bytes) throw new Error("a column is not whole");
      return all;
    }
    if (at + value.length > bytes) throw new Error("a column is too long");
    all.set(value, at);
    at += value.length;
  }
}

// ---- in the page --------------------------------------------------------------------

const BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** Where the browser has no Uint8Array.fromBase64 yet. */
function decodeSlowly(text: string): Uint8Array {
  const values = new Uint8Array(128);
  for (let i = 0; i < 64; i++) values[BASE64.charCodeAt(i)] = i;
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  const bytes = new Uint8Array((text.length / 4) * 3);
  for (let i = 0, at = 0; i < text.length; i += 4) {
    const bits =
      (values[text.charCodeAt(i)] << 18) |
      (values[text.charCodeAt(i + 1)] << 12) |
      (values[text.charCodeAt(i + 2)] << 6) |
      values[text.charCodeAt(i + 3)];
    bytes[at++] = bits >> 16;
    bytes[at++] = bits >> 8;
    bytes[at++] = bits;
  }
  return bytes.subarray(0, bytes.length - padding);
}

function decode(text: string): Uint8Array {
  const fast = (Uint8Array as unknown as { fromBase64?: (t: string) => Uint8Array }).fromBase64;
  return fast ? fast.call(Uint8Array, text) : decodeSlowly(text);
}

/** Columns in elements of the page. */
class Inline extends Data {
  readonly asks = false;
  private parts = new Map<string, HTMLElement[]>();

  constructor(root: ParentNode, prefix: string) {
    super(prefix);
    for (const element of root.querySelectorAll<HTMLElement>("script[data-name]")) {
      const name = element.dataset.name!;
      const known = this.parts.get(name);
      if (known) known.push(element);
      else this.parts.set(name, [element]);
    }
  }

  protected async find(name: string): Promise<Stored | null> {
    const parts = this.parts.get(name);
    if (!parts) return null;
    const { form, count } = parts[0].dataset;
    const left = parts.values();
    const bytes = new ReadableStream<Uint8Array>({
      pull: (to) => {
        const { done, value } = left.next();
        if (done) return to.close();
        to.enqueue(decode(value.textContent!));
        value.remove(); // its text is let go
      },
    });
    return { form: form!, count: Number(count), bytes };
  }

  async ask<T>(verb: string): Promise<T> {
    throw new Error(`a page in a file cannot be asked for ${verb}`);
  }
}

// ---- from a server --------------------------------------------------------------------

/** "all." tells columns apart, and no profiles. */
function prefixOf(columns: string): string {
  return columns.endsWith("b.") ? "b." : "";
}

/** Columns of `heapline view`, below the page's own address, which has its token. */
class Served extends Data {
  readonly asks = true;

  protected async find(name: string): Promise<Stored | null> {
    const reply = await fetch("columns/" + encodeURIComponent(name));
    if (reply.status === 204) return null;
    if (!reply.ok) throw new Error((await reply.text()).trim());
    const form = reply.headers.get("X-Form") ?? "";
    const bytes = (await reply.blob()).stream();
    return { form, count: Number(reply.headers.get("X-Count")), bytes };
  }

  async ask<T>(verb: string, options: Options = {}): Promise<T> {
    const words = new URLSearchParams();
    for (const [name, value] of Object.entries(options))
      if (value !== undefined && value !== false)
        words.append(name, value === true ? "" : String(value));
    // A refusal is an answer like another: browsers would complain about its status.
    const headers = { "X-Status": "hidden" };
    const reply = await fetch(`api/${prefixOf(this.prefix)}${verb}?${words}`, { headers });
    if (!reply.ok || reply.headers.has("X-Status")) throw new Error((await reply.text()).trim());
    return (await reply.json()) as T;
  }
}

/** The data of a page. prefix: "b." for the second of two profiles. */
export function dataOf(page: Document, prefix = ""): Data {
  return page.documentElement.dataset.from === "server"
    ? new Served(prefix)
    : new Inline(page, prefix);
}

// The columns that the page carries (cli/export/columns.h): found, put together,
// inflated.

export type Numbers = Uint8Array | Uint16Array | Uint32Array | Float64Array;

interface Stored {
  form: string;
  count: number;
  parts: Element[];
}

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

export class Columns {
  private stored = new Map<string, Stored>();

  constructor(root: ParentNode) {
    for (const element of root.querySelectorAll("script[data-name]")) {
      const data = (element as HTMLElement).dataset;
      let one = this.stored.get(data.name!);
      if (!one) {
        one = { form: data.form!, count: Number(data.count), parts: [] };
        this.stored.set(data.name!, one);
      }
      one.parts.push(element);
    }
  }

  has(name: string): boolean {
    return this.stored.has(name);
  }

  /** The stored bytes of a column. A column can be taken once: its text is let go. */
  private async inflate(one: Stored, bytes: number): Promise<Uint8Array> {
    const stream = new DecompressionStream("deflate-raw");
    const writer = stream.writable.getWriter();
    const reader = stream.readable.getReader();
    const fed = (async () => {
      for (const part of one.parts) {
        await writer.write(decode(part.textContent!) as BufferSource);
        part.remove();
      }
      await writer.close();
    })();
    // A whole number of doubles, so that any form can look at it.
    const all = new Uint8Array(Math.ceil(bytes / 8) * 8);
    for (let at = 0; ; ) {
      const { done, value } = await reader.read();
      if (done) {
        if (at !== bytes) throw new Error("a column of the page is not whole");
        break;
      }
      if (at + value.length > bytes) throw new Error("a column of the page is too long");
      all.set(value, at);
      at += value.length;
    }
    await fed;
    return all;
  }

  async numbers(name: string): Promise<Numbers> {
    const one = this.stored.get(name);
    if (!one) return new Uint8Array(0);
    const width = { u8: 1, u16: 2, u32: 4, f64: 8 }[one.form];
    if (!width) throw new Error("a column of the page has no known form");
    const { buffer } = await this.inflate(one, one.count * width);
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
    const one = this.stored.get(name);
    if (!one) throw new Error("the page lacks " + name);
    const bytes = await this.inflate(one, one.count);
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

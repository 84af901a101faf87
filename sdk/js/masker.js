// Maskers: which fields to mask, and what becomes of their cells.
//
// JavaScript is slow inside the sandbox: what the host can do (`native`) never enters the plugin,
// and `scan.js` finds patterns in a whole column at native speed.

import { Served, half } from "./plugin.js";

export { Failure, Invalid } from "./plugin.js";

export const KEEP = { tag: "keep" };
export const CALL = { tag: "call" };
export const SUPPRESS = { tag: "suppress" };

/** An action that the host carries out, e.g. `native("keep-last", { n: 4 })`. */
export const native = (name, args = {}) => ({
  tag: "native",
  val: { name, args: Object.entries(args).map(([key, value]) => [key, String(value)]) },
});

/** Refuses the whole result; the reason is shown to the client. */
export const deny = (reason) => ({ tag: "deny", val: reason });

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The cells of one field. `wire` is the contract's own form, as `scan.js` takes it. */
export class Column {
  constructor(wire) {
    this.wire = wire;
    this.length = wire.ends.length;
  }

  isNull(row) {
    const { nulls } = this.wire;
    return nulls.length > 0 && (nulls[row >> 3] & (1 << (row & 7))) !== 0;
  }

  /** One cell's bytes; undefined is NULL. */
  bytes(row) {
    if (this.isNull(row)) return undefined;
    return this.wire.data.slice(row ? this.wire.ends[row - 1] : 0, this.wire.ends[row]);
  }

  /** One cell as text; undefined is NULL. */
  text(row) {
    const bytes = this.bytes(row);
    return bytes && decoder.decode(bytes);
  }
}

/** Makes the contract's column of cells: texts, bytes, or null. */
export function column(cells) {
  const parts = cells.map((cell) => (typeof cell === "string" ? encoder.encode(cell) : cell ?? new Uint8Array()));
  const ends = [];
  const nulls = new Uint8Array((cells.length + 7) >> 3);
  let length = 0;
  parts.forEach((part, row) => {
    length += part.length;
    ends.push(length);
    if (cells[row] === null || cells[row] === undefined) nulls[row >> 3] |= 1 << (row & 7);
  });
  const data = new Uint8Array(length);
  parts.forEach((part, row) => data.set(part, ends[row] - part.length));
  return { data, ends, nulls: nulls.some((byte) => byte) ? nulls : new Uint8Array() };
}

/** `changed` maps rows to their new cells: empty for none. */
function change(changed) {
  if (changed.size === 0) return { tag: "none" };
  const rows = [...changed.keys()].sort((a, b) => a - b);
  return { tag: "sparse", val: { rows, values: column(rows.map((row) => changed.get(row))) } };
}

/** Exports a class with `field(field)`, which returns an action, and `column(column)`, which
 * returns a Map of the rows that change and their new cells (text, bytes, or null for NULL). */
export function serve(make, description) {
  const served = new Served(make);
  const masker = {
    makePlan: (shape) => ({
      actions: served.call((plugin) => shape.fields.map((field) => plugin.field(field))),
      state: new Uint8Array(),
    }),
    loadPlan() {},
    dropPlan() {},
    mask: (_plan, _rows, columns) =>
      served.call((plugin) => columns.map((wire) => change(plugin.column(new Column(wire))))),
  };
  return { plugin: half(served, description), masker };
}

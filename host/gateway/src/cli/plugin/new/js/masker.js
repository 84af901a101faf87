// Hides badge numbers, found by the host at native speed, but for their end.

import { CALL, Invalid, serve } from "tidegate-sdk/masker.js";
import { Patterns } from "tidegate-sdk/scan.js";

const schema = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  type: "object",
  properties: { keep: { type: "integer", minimum: 0, maximum: 4, default: 2 } },
  additionalProperties: false,
};

const STAR = "*".charCodeAt(0);

class Badges {
  constructor(config) {
    this.keep = config.keep ?? 2;
    const fits = Number.isInteger(this.keep) && this.keep >= 0 && this.keep <= 4;
    if (!fits) throw new Invalid(["/keep", "a number from 0 to 4"]);
    this.badges = new Patterns("\\bB-[0-9]{6}\\b");
  }

  field() {
    return CALL;
  }

  column(column) {
    const changed = new Map();
    for (const { cell, start, end } of this.badges.find(column)) {
      const bytes = changed.get(cell) ?? column.bytes(cell);
      bytes.fill(STAR, start, end - this.keep);
      changed.set(cell, bytes);
    }
    return changed;
  }
}

export const { plugin, masker } = serve(Badges, {
  name: "{{name}}",
  version: "0.1.0",
  summary: "{{summary}}",
  schema,
});

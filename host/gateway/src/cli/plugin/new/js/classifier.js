// Remarks the use of watched tables.

import { Assessment, Invalid, relations, serve } from "tidegate-sdk/classifier.js";

const schema = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  type: "object",
  properties: { watched: { type: "array", items: { type: "string" }, minItems: 1 } },
  required: ["watched"],
  additionalProperties: false,
};

class Watch {
  constructor(config) {
    this.watched = config.watched ?? [];
    if (!this.watched.length) throw new Invalid(["/watched", "name at least one table"]);
  }

  classify({ facts }) {
    const assessment = new Assessment();
    for (const { name } of relations(facts)) {
      if (!this.watched.includes(name)) continue;
      assessment.find("{{name}}.watched", 60, `It uses the watched table ${name}.`);
      assessment.label("watched");
    }
    return assessment;
  }
}

export const { plugin, classifier } = serve(Watch, {
  name: "{{name}}",
  version: "0.1.0",
  summary: "{{summary}}",
  schema,
});

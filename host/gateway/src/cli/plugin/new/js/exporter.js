// Posts the journal's entries to an address.

import { Invalid, serve, want } from "tidegate-sdk/exporter.js";
import { good, request } from "tidegate-sdk/http.js";

const schema = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  type: "object",
  properties: {
    url: { type: "string", pattern: "^https?://" },
    token: { type: "string", pattern: "^secret://", writeOnly: true },
  },
  required: ["url", "token"],
  additionalProperties: false,
};

class Post {
  constructor(config) {
    const missing = ["url", "token"].filter((key) => !config[key]).map((key) => [`/${key}`, "is missing"]);
    if (missing.length) throw new Invalid(...missing);
    this.url = config.url;
    // The host puts the secret there.
    this.headers = { Authorization: `Bearer ${config.token}`, "Content-Type": "application/x-ndjson" };
  }

  async deliver(batch) {
    // The receiver tells doubles by this: a batch may come again.
    const headers = { ...this.headers, Batch: `${batch.log}/${batch.firstSeq}` };
    good(await request("POST", this.url, headers, batch.data));
    return batch.all;
  }

  async probe() {
    good(await request("POST", this.url, this.headers));
  }
}

export const { plugin, exporter } = serve(Post, {
  name: "{{name}}",
  version: "0.1.0",
  summary: "{{summary}}",
  schema,
  wants: [
    want("egress", "*", "To deliver to the address that is configured."),
    want("secret", "*", "To say who delivers."),
  ],
});

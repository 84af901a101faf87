// Posts questions to an address, and looks there for the answers.

import { Failure, Invalid, serve, ticket, update, want } from "tidegate-sdk/approver.js";
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

const POLL_MS = 1000;

class Ask {
  constructor(config) {
    const missing = ["url", "token"].filter((key) => !config[key]).map((key) => [`/${key}`, "is missing"]);
    if (missing.length) throw new Invalid(...missing);
    this.url = config.url.replace(/\/$/, "");
    // The host puts the secret there.
    this.headers = { Authorization: `Bearer ${config.token}`, "Content-Type": "application/json" };
  }

  async submit(ask) {
    const question = {
      id: ask.approvalId,
      requester: ask.requester.id,
      target: ask.target,
      title: ask.title,
      text: ask.bodyMarkdown,
      score: ask.score,
    };
    good(await request("PUT", `${this.url}/${ask.approvalId}`, this.headers, JSON.stringify(question)));
    return ticket(ask.approvalId, { pollAfterMs: POLL_MS });
  }

  async poll(approvalId) {
    const answer = good(await request("GET", `${this.url}/${approvalId}`, this.headers));
    const text = await answer.text();
    const { decision, by, comment, at_ms: atMs = 0 } = JSON.parse(text);
    if (decision !== "approved" && decision !== "denied") {
      return update(approvalId, "pending", { ticket: ticket(approvalId, { pollAfterMs: POLL_MS }) });
    }
    if (!by) throw new Failure("invalid-input", "the answer does not say who gave it");
    const evidence = new TextEncoder().encode(text);
    return update(approvalId, decision, { by, comment, atMs: BigInt(atMs), evidence });
  }

  callback() {
    throw new Failure("unsupported", "answers are fetched, not sent");
  }

  async withdraw(approvalId) {
    good(await request("DELETE", `${this.url}/${approvalId}`, this.headers));
  }
}

export const { plugin, approver } = serve(Ask, {
  name: "{{name}}",
  version: "0.1.0",
  summary: "{{summary}}",
  schema,
  wants: [
    want("egress", "*", "To ask at the address that is configured."),
    want("secret", "*", "To say who asks."),
  ],
});

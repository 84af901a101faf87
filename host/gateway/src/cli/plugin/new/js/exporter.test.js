import assert from "node:assert/strict";
import { test } from "node:test";

import { answer, batch, configured, issues, sent } from "tidegate-sdk/testing.js";

import * as exported from "./app.js";

const config = { url: "https://siem.example.com/in", token: "secret://token" };

test("what was taken is acknowledged", async () => {
  const { exporter } = configured(exported, config);
  answer(200);
  const acknowledged = await exporter.deliver(batch([{ kind: "op.intent" }, { kind: "op.end" }], 7n));
  assert.equal(acknowledged.throughSeq, 8n);
  const { method, url, headers } = sent();
  assert.deepEqual([method, url, headers.Batch], ["POST", config.url, "test/7"]);
});

test("what is refused is not", async () => {
  const { exporter } = configured(exported, config);
  answer(503);
  await assert.rejects(exporter.deliver(batch([{}])), { code: "unavailable" });
});

test("a missing address is refused", () => {
  assert.equal(issues(exported, { token: "secret://token" })[0][0], "/url");
});

import assert from "node:assert/strict";
import { test } from "node:test";

import { answer, configured, issues, sent } from "tidegate-sdk/testing.js";

import * as exported from "./app.js";

const config = { url: "https://desk.example.com/questions/", token: "secret://token" };
const ask = {
  approvalId: "a-1",
  requester: { id: "https://issuer.example|agent" },
  target: "customers",
  title: "DELETE FROM orders",
  bodyMarkdown: "",
  score: 80,
};

test("a question is posted and its answer found", async () => {
  const { approver } = configured(exported, config);
  answer(201);
  const ticket = await approver.submit(ask);
  const { method, url, body } = sent();
  assert.deepEqual([method, url], ["PUT", "https://desk.example.com/questions/a-1"]);
  assert.equal(JSON.parse(body).score, 80);
  assert.equal(ticket.pollAfterMs, 1000);
  answer(200, "{}");
  assert.equal((await approver.poll("a-1", ticket)).decision.tag, "pending");
  answer(200, '{"decision": "approved", "by": "bob"}');
  assert.equal((await approver.poll("a-1", ticket)).decision.val.by, "bob");
});

test("a missing address is refused", () => {
  assert.equal(issues(exported, { token: "secret://token" })[0][0], "/url");
});

import assert from "node:assert/strict";
import { test } from "node:test";

import { issues, mask } from "tidegate-sdk/testing.js";

import * as exported from "./app.js";

test("the end stays", () => {
  const masked = mask(exported, {}, ["badge B-123456.", "none", null]);
  assert.deepEqual(masked, ["badge ******56.", "none", null]);
});

test("two in one cell", () => {
  assert.deepEqual(mask(exported, { keep: 0 }, ["B-111111 B-222222"]), ["******** ********"]);
});

test("a misspelt key is refused", () => {
  assert.equal(issues(exported, { keeep: 2 })[0][0], "/keeep");
});

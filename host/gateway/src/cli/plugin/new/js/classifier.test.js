import assert from "node:assert/strict";
import { test } from "node:test";

import { assess, issues } from "tidegate-sdk/testing.js";

import * as exported from "./app.js";

const config = { watched: ["salaries"] };
const reading = (name) => ({ statements: [{ relations: [{ schema: null, name, access: "read", tags: [] }] }] });

test("a watched table is remarked", () => {
  assert.equal(assess(exported, config, "select", reading("salaries")).score, 60);
});

test("any other is not", () => {
  assert.equal(assess(exported, config, "select", reading("orders")).score, 0);
});

test("a misspelt key is refused", () => {
  assert.equal(issues(exported, { watch: [] })[0][0], "/watch");
});

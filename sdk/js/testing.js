// Plays the host in a plugin's native tests:
//
//     node --import tidegate-sdk/testing.js --test
//
// What a component imports of the host is not there under Node; the doubles below stand in for it.

import { register } from "node:module";

import { Column, column } from "./masker.js";

const requests = [];
const answers = [];

/** What the doubles of the host look into. Tests share one process with them. */
globalThis.tidegateHost = {
  scan: {
    sets: [],
    compile(patterns) {
      return this.sets.push(patterns) - 1;
    },
    find(set, wire) {
      const cells = new Column(wire);
      const hits = [];
      for (let cell = 0; cell < cells.length; cell += 1) {
        // One character a byte, so that places are those of bytes.
        const text = String.fromCharCode(...(cells.bytes(cell) ?? []));
        this.sets[set].forEach((source, pattern) => {
          for (const match of text.matchAll(new RegExp(source, "g"))) {
            if (match[0]) hits.push({ cell, pattern, start: match.index, end: match.index + match[0].length });
          }
        });
      }
      return hits.sort((a, b) => a.cell - b.cell || a.start - b.start || a.pattern - b.pattern);
    },
  },
  log: { log() {} },
  metrics: { add() {} },
  clock: { leftUs: () => 1_000_000 },
};

/** Answers of `fetch` are those that a test sets. */
globalThis.fetch = async (url, options) => {
  requests.push({ url, ...options });
  if (!answers.length) throw new Error(`no answer is set for ${options.method} ${url}`);
  return answers.shift();
};

const functions = {
  scan: ["compile", "find"],
  log: ["log"],
  metrics: ["add"],
  clock: ["leftUs"],
};

const hooks = `
  const functions = ${JSON.stringify(functions)};
  const source = (name) => functions[name]
    .map((own) => "export const " + own + " = (...a) => globalThis.tidegateHost." + name + "." + own + "(...a);")
    .join("\\n");
  export function resolve(specifier, context, next) {
    const own = /^tidegate:host\\/([a-z-]+)@/.exec(specifier);
    if (own) return { url: "data:text/javascript," + encodeURIComponent(source(own[1])), shortCircuit: true };
    return next(specifier, context);
  }
`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`);

/** Configures what `serve` returned; returns it. */
export function configured(exported, config) {
  const found = issues(exported, config);
  if (found.length) throw new Error(`the configuration is refused: ${JSON.stringify(found)}`);
  return exported;
}

/** Returns what is wrong with a configuration, as pairs of pointer and message. */
export function issues(exported, config) {
  if (!exported.plugin.describe().name) throw new Error("the description has no name");
  try {
    exported.plugin.configure(JSON.stringify(config));
  } catch (refused) {
    if (!Array.isArray(refused)) throw refused;
    return refused.map(({ pointer, message }) => [pointer, message]);
  }
  return [];
}

/** Has a classifier judge a statement; returns its assessment. */
export function assess(exported, config, statement, facts = { statements: [] }, protocol = "postgres") {
  const principal = { id: "https://issuer.example|agent", kind: "agent", groups: [], delegation: [] };
  const request = { principal, target: "test", protocol, statement, statementCut: false, attrs: [] };
  return configured(exported, config).classifier.classify({ ...request, facts: JSON.stringify(facts) });
}

/** Has a masker plan one field and mask its cells (texts or null); returns them. */
export function mask(exported, config, cells, { tags = [], name = "field" } = {}) {
  const { masker } = configured(exported, config);
  const field = { name, origin: "", nativeType: "text", format: "utf8", tags };
  const [action] = masker.makePlan({ kind: "table", fields: [field], attrs: [] }).actions;
  if (action.tag === "keep") return [...cells];
  if (action.tag !== "call") throw new Error(`the host masks it: ${JSON.stringify(action)}`);
  const [changed] = masker.mask(1, cells.length, [column(cells)]);
  const masked = [...cells];
  if (changed.tag === "sparse") {
    const values = new Column(changed.val.values);
    changed.val.rows.forEach((row, at) => {
      masked[row] = values.text(at) ?? null;
    });
  }
  return masked;
}

/** Makes a batch for an exporter of these entries. */
export function batch(entries, firstSeq = 1n) {
  const lines = entries.map((entry) => new TextEncoder().encode(`${JSON.stringify(entry)}\n`));
  const { data, ends } = column(lines);
  return { log: "test", firstSeq, encoding: "tidegate+ndjson/1", data, ends, attempt: 0 };
}

/** Sets the answer to the next request. */
export function answer(status, body = "", headers = {}) {
  answers.push(new Response(body, { status, headers }));
}

/** Takes the last request that was sent. */
export const sent = () => requests.pop();

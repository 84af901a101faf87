// Classifiers: what a plugin thinks of an operation before it runs.

import { Served, half } from "./plugin.js";

export { Failure, Invalid } from "./plugin.js";

/** What is thought of an operation; harmless until something is found. */
export class Assessment {
  score = 0;
  labels = new Set();
  findings = [];

  /** Adds a finding: a stable id, its risk from 0 to 100, one sentence for a human. */
  find(id, score, message) {
    this.findings.push({ id, score, message });
    this.score = Math.max(this.score, score);
  }

  /** Adds labels, short words for policies. */
  label(...labels) {
    labels.forEach((label) => this.labels.add(label));
  }
}

/** Every relation that is named anywhere in the facts. */
export const relations = (facts) => (facts.statements ?? []).flatMap((statement) => statement.relations ?? []);

/** Exports a class with `classify(request)`, which returns an {@link Assessment}. The request is
 * the contract's, with its facts read from JSON. The description has `name`, `version`, `summary`,
 * and may have `schema`, `wants`, `metrics`. */
export function serve(make, description) {
  const served = new Served(make);
  const classify = (request) => {
    const facts = JSON.parse(request.facts);
    const assessment = served.call((plugin) => plugin.classify({ ...request, facts }));
    const { score, findings } = assessment;
    return { score, labels: [...assessment.labels].sort(), findings };
  };
  return { plugin: half(served, description), classifier: { classify } };
}

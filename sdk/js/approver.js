// Approvers: a question to the people who may answer it, and their answer back.

import { Served, half } from "./plugin.js";

export { Failure, Invalid, want } from "./plugin.js";

/** Where a question went: the outside system's id for it, and when to ask again. */
export const ticket = (externalId, { url, pollAfterMs, state = new Uint8Array() } = {}) => ({
  externalId,
  url,
  pollAfterMs,
  state,
});

/** What is known of a question: "pending", "approved", "denied", "expired" or "withdrawn"; the two
 * that decide say who did. */
export function update(approvalId, decision, { by = "", atMs = 0n, comment = "", evidence, ticket } = {}) {
  const vote = { by, atMs, comment, evidence: evidence ?? new Uint8Array() };
  const decides = decision === "approved" || decision === "denied";
  return { approvalId, decision: decides ? { tag: decision, val: vote } : { tag: decision }, ticket };
}

/** Exports a class with `submit(ask)`, which returns a {@link ticket}, `poll(approvalId, ticket)`,
 * which returns an {@link update}, `callback(message)`, which returns `[updates, reply]`, and
 * `withdraw(approvalId, ticket, reason)`. All may be async. */
export function serve(make, description) {
  const served = new Served(make);
  const approver = {
    submit: (ask) => served.call((plugin) => plugin.submit(ask)),
    poll: (approvalId, ticket) => served.call((plugin) => plugin.poll(approvalId, ticket)),
    callback: (message) => served.call((plugin) => plugin.callback(message)),
    async withdraw(approvalId, ticket, reason) {
      await served.call((plugin) => plugin.withdraw(approvalId, ticket, reason));
    },
  };
  return { plugin: half(served, description), approver };
}

// Outgoing HTTP, for approvers and exporters: `fetch`, and what the host does about an answer.
//
// The host connects to granted origins only, follows no redirect, and puts secrets in the place
// of `secret://name` in header values. Retries are the host's: let a failure pass.

import { Failure } from "./plugin.js";

/** Sends a request; returns the answer as `fetch` does, or throws a {@link Failure}. */
export async function request(method, url, headers = {}, body = undefined) {
  try {
    return await fetch(url, { method, headers, body });
  } catch (error) {
    throw new Failure("unavailable", `no answer: ${error.message}`);
  }
}

/** Throws what the host does about a bad status; returns the answer if it is good. */
export function good(answer) {
  if (answer.ok) return answer;
  const message = `it answered ${answer.status}`;
  if (answer.status === 401 || answer.status === 403) throw new Failure("unauthorized", message);
  if (answer.status === 429) {
    const seconds = Number.parseInt(answer.headers.get("retry-after") ?? "", 10);
    throw new Failure("rate-limited", message, Number.isNaN(seconds) ? undefined : seconds * 1000);
  }
  throw new Failure(answer.status >= 500 ? "unavailable" : "invalid-input", message);
}

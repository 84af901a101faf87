// The use of secrets without seeing them, and a store that outlives the instance. For approvers
// and exporters.

import * as secrets from "tidegate:host/secrets@0.1.0";
import * as kv from "tidegate:host/kv@0.1.0";

/** The HMAC-SHA-256 of data under a granted secret. */
export const hmacSha256 = (name, data) => secrets.hmacSha256(name, data);

/** Whether a candidate is the secret, in constant time. */
export const equals = (name, candidate) => secrets.equals(name, candidate);

/** The plugin's own storage; it lives as long as the gateway. */
export const store = {
  get: (key) => kv.get(key),
  put: (key, value) => kv.put(key, value),
  delete: (key) => kv.delete(key),
};

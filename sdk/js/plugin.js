// What every plugin has, whatever its kind: a description, a configuration, failures.

/** Something is wrong with the configuration: pairs of a JSON pointer (RFC 6901; empty for the
 * whole) and what is wrong and what would be right. Never the value of a secret. */
export class Invalid extends Error {
  constructor(...issues) {
    super(issues.map(([pointer, message]) => `${pointer}: ${message}`).join("; "));
    this.issues = issues;
  }
}

/** A failure in order: the plugin lives on. `code` is one of the contract's, by what the host does
 * about it: "unavailable" and "rate-limited" are asked again, "invalid-config" and "unauthorized"
 * want an operator, "invalid-input" and "unsupported" are given up, "internal" is the plugin's own. */
export class Failure extends Error {
  constructor(code, message, retryAfterMs) {
    super(message);
    this.code = code;
    this.retryAfterMs = retryAfterMs;
  }
}

/** Something to reach: its kind (egress, secret, kv, log), its value ("*" where the configuration
 * decides) and why, in one sentence for the operator. */
export const want = (kind, value, reason) => ({ kind, value, reason });

/** One instance's plugin: nothing until it is configured. */
export class Served {
  constructor(make) {
    this.make = make;
    this.made = undefined;
  }

  /** Runs `act` on the plugin; a failure in order becomes the contract's. */
  call(act) {
    if (!this.made) throw { code: "internal", message: "not configured", retryAfterMs: undefined };
    try {
      const made = act(this.made);
      return made instanceof Promise ? made.catch(thrown) : made;
    } catch (error) {
      return thrown(error);
    }
  }
}

function thrown(error) {
  if (!(error instanceof Failure)) throw error;
  throw { code: error.code, message: error.message, retryAfterMs: error.retryAfterMs };
}

/** Returns issues for keys that the schema does not know, on the first level. */
function unknown(config, schema) {
  if (schema.additionalProperties !== false) return [];
  const known = Object.keys(schema.properties ?? {});
  const misspelt = Object.keys(config).filter((key) => !known.includes(key));
  return misspelt.map((key) => [`/${key}`, `not a key; known are ${known.join(", ")}`]);
}

/** Makes the export that every plugin has. */
export function half(served, description) {
  const { name, version, summary, wants = [], metrics = [] } = description;
  const schema = description.schema ?? { type: "object", additionalProperties: false };
  return {
    describe: () => ({
      name,
      version,
      summary,
      configSchema: JSON.stringify(schema),
      wants,
      metrics,
      attrs: [],
    }),
    configure(json) {
      try {
        const config = JSON.parse(json);
        const issues = unknown(config, schema);
        if (issues.length) throw new Invalid(...issues);
        served.made = new served.make(config);
      } catch (error) {
        if (!(error instanceof Invalid)) throw error;
        throw error.issues.map(([pointer, message]) => ({ pointer, message }));
      }
    },
  };
}

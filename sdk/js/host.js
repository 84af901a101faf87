// The host's log, metrics and clock. For every kind.

import * as logging from "tidegate:host/log@0.1.0";
import * as metrics from "tidegate:host/metrics@0.1.0";
import * as clock from "tidegate:host/clock@0.1.0";

/** Writes to the operator's log: "debug", "info", "warn" or "error". */
export const log = (level, message) => logging.log(level, message);

/** Adds to a counter that the description names. */
export const add = (metric, delta = 1) => metrics.add(metric, delta);

/** The microseconds that are left of this call. */
export const leftUs = () => clock.leftUs();

// Exporters: the journal's entries on their way out.

import { Served, half } from "./plugin.js";

export { Failure, Invalid, want } from "./plugin.js";

/** Exports a class with `deliver(batch)`, which returns the number of the last entry that was
 * taken; and `probe()`. Both may be async. A batch is the contract's, with `all` as the number of
 * its last entry; numbers are BigInt. */
export function serve(make, description) {
  const served = new Served(make);
  const exporter = {
    async deliver(batch) {
      const all = batch.firstSeq + BigInt(batch.ends.length - 1);
      const throughSeq = await served.call((plugin) => plugin.deliver({ ...batch, all }));
      return { throughSeq, rejects: [] };
    },
    async probe() {
      await served.call((plugin) => plugin.probe());
    },
  };
  return { plugin: half(served, description), exporter };
}

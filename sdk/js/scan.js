// The host's search for patterns, at native speed. For maskers and classifiers.

import * as scan from "tidegate:host/scan@0.1.0";

/** Regular expressions (syntax of the Rust crate `regex`) that the host runs over a column. */
export class Patterns {
  constructor(...patterns) {
    this.patterns = patterns;
    this.number = undefined;
  }

  /** Returns the matches, each with `cell`, `pattern`, `start` and `end`, sorted by cell and start. */
  find(column) {
    this.number ??= scan.compile(this.patterns);
    return scan.find(this.number, column.wire);
  }
}

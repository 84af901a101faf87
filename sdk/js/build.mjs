// Makes a component of a plugin: node build.mjs SOURCE WIT WORLD OUTPUT
//
// The modules become one, since the engine inside the component knows no packages, and only what
// the kind may import is left of the engine's own needs.

import { writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

import { componentize } from "@bytecodealliance/componentize-js";
import { build } from "esbuild";

const [source, witPath, worldName, output] = process.argv.slice(2);
const bundle = join(dirname(output), "bundle.js");
await build({
  entryPoints: [source],
  outfile: bundle,
  bundle: true,
  format: "esm",
  target: "es2022",
  external: ["tidegate:*", "wasi:*"],
  logLevel: "error",
});
// A masker and a classifier compute and nothing else.
const sends = worldName.endsWith("approver") || worldName.endsWith("exporter");
const disableFeatures = ["stdio", "random", "clocks", "fetch-event", ...(sends ? [] : ["http"])];
const { component } = await componentize({ sourcePath: bundle, witPath, worldName, disableFeatures });
await writeFile(output, component);

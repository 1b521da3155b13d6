// Makes bundle/viewer.js and bundle/viewer.css of src/. The same sources and lock give
// the same bytes.
import { build } from "esbuild";
import { fileURLToPath } from "node:url";
import { dirname } from "node:path";

await build({
  absWorkingDir: dirname(fileURLToPath(import.meta.url)),
  entryPoints: ["src/viewer.tsx"],
  bundle: true,
  minify: true,
  charset: "ascii",
  format: "iife",
  target: "es2021",
  jsx: "automatic",
  jsxImportSource: "preact",
  legalComments: "none",
  outdir: "bundle",
  logLevel: "warning",
});

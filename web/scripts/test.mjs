// Bundle the unit tests and run them with Node's own test runner.

import { spawn } from "node:child_process";
import { readdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const web = dirname(dirname(fileURLToPath(import.meta.url)));
const out = join(web, "build", "tests");
const wanted = process.argv.slice(2);
const entries = (await readdir(join(web, "tests")))
  .filter((name) => name.endsWith(".test.ts"))
  .filter((name) => wanted.length === 0 || wanted.some((part) => name.includes(part)));

await rm(out, { recursive: true, force: true });
await build({
  entryPoints: entries.map((name) => join(web, "tests", name)),
  outdir: out,
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node20",
  jsx: "automatic",
  jsxImportSource: "preact",
  sourcemap: "inline",
  outExtension: { ".js": ".mjs" },
  logLevel: "warning",
});
const files = entries.map((name) => join(out, name.replace(/\.ts$/, ".mjs")));
const run = spawn(process.execPath, ["--enable-source-maps", "--test", ...files], {
  stdio: "inherit",
});
run.on("exit", (code) => process.exit(code ?? 1));

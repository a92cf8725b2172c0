// Send a fixture to a viewer: `node scripts/send.mjs http://127.0.0.1:4318`.
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";

const web = dirname(dirname(fileURLToPath(import.meta.url)));
const outfile = join(web, "build", "send.mjs");
await build({
  stdin: {
    contents: `export * from "./fixtures/shop.ts"; export * from "./fixtures/otlp.ts";`,
    resolveDir: web,
  },
  outfile,
  bundle: true,
  platform: "node",
  format: "esm",
  logLevel: "warning",
});
const { order, otlpRequests } = await import(pathToFileURL(outfile));
const endpoint = process.argv[2] ?? "http://127.0.0.1:4318";
const trace = "4bf92f3577b34da6a3ce929d0e0e4736";
const start = BigInt(Date.now() - 5000) * 1_000_000n;
for (const body of otlpRequests(order(), trace, start)) {
  const response = await fetch(`${endpoint}/v1/traces`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
}
console.log(trace);

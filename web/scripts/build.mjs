// Build the page into the Python package: hashed assets, index.html, the template of the one-file
// export, and the licences of what is bundled.
import { createHash } from "node:crypto";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { collectLicences } from "./licences.mjs";

const web = dirname(dirname(fileURLToPath(import.meta.url)));
const argument = process.argv.find((value) => value.startsWith("--out="));
const out = argument ? argument.slice(6) : join(web, "..", "src", "tracekit", "_viewer", "page");

const options = {
  bundle: true,
  minify: true,
  format: "esm",
  target: ["es2022"],
  jsx: "automatic",
  jsxImportSource: "preact",
  absWorkingDir: web,
  legalComments: "none",
  metafile: true,
  write: false,
  logLevel: "warning",
};

/** Bundle one entry point and return its text and its inputs. */
async function bundle(entry, define = {}) {
  const result = await build({
    ...options,
    entryPoints: [entry],
    outdir: "build",
    define,
    loader: { ".svg": "text" },
  });
  return { text: result.outputFiles[0].text, inputs: Object.keys(result.metafile.inputs) };
}

function hashed(stem, extension, text) {
  const digest = createHash("sha256").update(text).digest("hex").slice(0, 10);
  return `${stem}-${digest}.${extension}`;
}

/** Text that stands inside a script or style element, where its end tag must not occur. */
function inElement(text) {
  return text.replace(/<\/(script|style)/gi, "<\\/$1");
}

const style = await bundle("src/style/index.css");
const icon = await readFile(join(web, "src/icon.svg"), "utf8");
const worker = await bundle("src/worker/worker.ts");
const workerName = hashed("worker", "js", worker.text);
const main = await bundle("src/main.tsx", {
  __WORKER__: JSON.stringify(`/assets/${workerName}`),
});

const assets = new Map([
  [workerName, worker.text],
  [hashed("style", "css", style.text), style.text],
  [hashed("main", "js", main.text), main.text],
  [hashed("icon", "svg", icon), icon],
]);
const [, styleName, mainName, iconName] = [...assets.keys()];

const index = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>tracekit</title>
<link rel="icon" type="image/svg+xml" href="/assets/${iconName}">
<link rel="stylesheet" href="/assets/${styleName}">
<script type="module" src="/assets/${mainName}"></script>
</head>
<body><div id="app"></div><noscript>The viewer's page needs JavaScript.</noscript></body>
</html>
`;

// The export opens from disk, where a module or a worker cannot be loaded from a file of its own.
const standaloneMain = await bundle("src/main.tsx", { __WORKER__: '"inline"' });
const standalone = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline' blob:; style-src 'unsafe-inline'; img-src data:; worker-src blob:">
<title>tracekit</title>
<link rel="icon" href="data:,">
<style>${inElement(style.text)}</style>
</head>
<body><div id="app"></div>
<script type="application/octet-stream" id="tracekit-worker">${inElement(worker.text)}</script>
<script type="application/octet-stream" id="tracekit-data">@@TRACEKIT_DATA@@</script>
<script type="module">${inElement(standaloneMain.text)}</script>
</body>
</html>
`;

await rm(out, { recursive: true, force: true });
await mkdir(join(out, "assets"), { recursive: true });
for (const [name, text] of assets) {
  await writeFile(join(out, "assets", name), text);
}
await writeFile(join(out, "index.html"), index);
await writeFile(join(out, "standalone.html"), standalone);
await writeFile(
  join(out, "THIRD_PARTY.txt"),
  await collectLicences(web, [...main.inputs, ...worker.inputs, ...style.inputs]),
);
const kilobytes = Math.round(
  [...assets.values()].reduce((sum, text) => sum + text.length, 0) / 1024,
);
console.log(`The page is built: ${assets.size} assets, ${kilobytes} kB, in ${out}`);

// The licences of the npm packages whose code is inside a bundle.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

const PACKAGE = /node_modules\/((?:@[^/]+\/)?[^/]+)\//;

/** Return the text of THIRD_PARTY.txt for the given inputs of esbuild. */
export async function collectLicences(web, inputs) {
  const names = new Set();
  for (const input of inputs) {
    const found = PACKAGE.exec(input);
    if (found) names.add(found[1]);
  }
  const parts = ["The viewer's page contains code of these packages.\n"];
  for (const name of [...names].sort()) {
    const folder = join(web, "node_modules", name);
    const about = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
    const file = (await readdir(folder)).find((entry) => /^licen[cs]e/i.test(entry));
    if (file === undefined) throw new Error(`${name} has no licence file: do not bundle it`);
    const text = await readFile(join(folder, file), "utf8");
    parts.push(
      `${"-".repeat(78)}\n${name} ${about.version} (${about.license})\n\n${text.trim()}\n`,
    );
  }
  return parts.join("\n");
}

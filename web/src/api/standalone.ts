/** The data of the one-file export, which stands in the page itself. */
import type { SpanDetail, TraceSummary } from "./types.ts";

export interface StandaloneFile {
  /** The binary skeleton in base64. */
  skeleton: string;
  trace: TraceSummary;
  spans: Record<string, SpanDetail>;
}

let loading: Promise<StandaloneFile | undefined> | undefined;

/** Whether the page is a file that somebody exported, without a server behind it. */
export const isStandalone =
  typeof document !== "undefined" && document.getElementById("tracekit-data") !== null;

/** Return the bytes that a base64 text stands for. */
export function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  const binary = atob(text.trim());
  const bytes = new Uint8Array(binary.length);
  for (let index = 0; index < binary.length; index++) bytes[index] = binary.charCodeAt(index);
  return bytes;
}

async function read(text: string): Promise<StandaloneFile> {
  const stream = new Blob([fromBase64(text)]).stream().pipeThrough(new DecompressionStream("gzip"));
  return (await new Response(stream).json()) as StandaloneFile;
}

/** Return the file's data, or undefined where the page has a server. */
export function standalone(): Promise<StandaloneFile | undefined> {
  loading ??= isStandalone
    ? read(document.getElementById("tracekit-data")!.textContent ?? "")
    : Promise.resolve(undefined);
  return loading;
}

/** Taking in traces that arrived. */
import type { TraceSummary } from "../api/types.ts";

/** Return traces with a newer first page put before them, each once. */
export function withNewer(before: TraceSummary[], page: TraceSummary[]): TraceSummary[] {
  const ids = new Set(page.map(({ id }) => id));
  const last = page[page.length - 1];
  if (last === undefined) return before;
  // What is newer than the end of the page and not in it does not match any more.
  const older = before.filter(
    (trace) => !ids.has(trace.id) && BigInt(trace.start) <= BigInt(last.start),
  );
  return [...page, ...older];
}

/** Whether a newer first page reaches down to the traces before it: if not, some are missing. */
export function isContinued(before: TraceSummary[], page: TraceSummary[]): boolean {
  if (before.length === 0) return true;
  const ids = new Set(before.map(({ id }) => id));
  return page.some(({ id }) => ids.has(id));
}

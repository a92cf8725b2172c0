/** Search by name, for a trace that has no server behind it. */
import type { Skeleton } from "./skeleton.ts";

/** Return 1 for every row whose name, service or scope contains each word of a text. */
export function textMatches(skeleton: Skeleton, text: string): Uint8Array {
  const marked = new Uint8Array(skeleton.spans);
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return marked;
  const lower = (values: string[]): string[] => values.map((value) => value.toLowerCase());
  const names = lower(skeleton.names);
  const services = lower(skeleton.services);
  const scopes = lower(skeleton.scopes.map(({ name }) => name));
  for (let row = 0; row < skeleton.spans; row++) {
    const name = names[skeleton.name[row]!] ?? "";
    const service = services[skeleton.service[row]!] ?? "";
    const scope = scopes[skeleton.scope[row]!] ?? "";
    const found = words.every(
      (word) => name.includes(word) || service.includes(word) || scope.includes(word),
    );
    if (found) marked[row] = 1;
  }
  return marked;
}

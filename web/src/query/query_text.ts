/** Parts of a query as text: adding, removing and finding them. */

/** Return a value as the query language takes it: quoted where it has to be. */
export function quoteValue(value: string): string {
  return /^[\p{L}\p{N}_./@-]+$/u.test(value) ? value : `"${value.replace(/[\\"*]/g, "\\$&")}"`;
}

/** Return a term such as `service:shop`. */
export function term(key: string, value: string): string {
  return `${key}:${quoteValue(value)}`;
}

/** Return the terms of a query that stand at its top, quotes respected. */
export function splitTerms(query: string): string[] {
  return query.match(/(?:[^\s"]|"(?:[^"\\]|\\.)*"?)+/g) ?? [];
}

export function hasTerm(query: string, wanted: string): boolean {
  return splitTerms(query).includes(wanted);
}

/** Return the query with the terms that begin with a text replaced by others. */
export function replaceTerms(query: string, begin: RegExp, terms: string[]): string {
  return [...splitTerms(query).filter((one) => !begin.test(one)), ...terms].join(" ");
}

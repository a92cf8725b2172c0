/** Requests to the server that the page came from. */
import { standalone } from "./standalone.ts";
import type { Directive, DirectiveMode, SearchAnswer, SpanDetail, TraceSummary } from "./types.ts";

/** An answer that is an error, with what the server says about it. */
export class ApiError extends Error {
  readonly status: number;
  /** Where in a query the error is, if that is known. */
  readonly place: [start: number, end: number] | undefined;

  constructor(status: number, message: string, place?: [number, number]) {
    super(message);
    this.status = status;
    this.place = place;
  }
}

/** Return the JSON that the server answers to a GET. */
export async function getJson<T>(path: string, signal?: AbortSignal): Promise<T> {
  const response = await fetch(path, {
    headers: { Accept: "application/json" },
    signal: signal ?? null,
  });
  if (!response.ok) throw await errorOf(response);
  return (await response.json()) as T;
}

async function errorOf(response: Response): Promise<ApiError> {
  try {
    const { error } = (await response.json()) as {
      error: { message: string; start?: number; end?: number };
    };
    const place: [number, number] | undefined =
      error.start === undefined ? undefined : [error.start, error.end ?? error.start];
    return new ApiError(response.status, error.message, place);
  } catch {
    return new ApiError(response.status, `The server answered ${response.status}.`);
  }
}

export async function getTrace(trace: string, signal?: AbortSignal): Promise<TraceSummary> {
  return (await standalone())?.trace ?? getJson(`/api/traces/${trace}`, signal);
}

/** Return all of a span; its start, in nanoseconds, tells spans of one id apart. */
export async function getSpan(
  trace: string,
  span: string,
  start: bigint,
  signal?: AbortSignal,
): Promise<SpanDetail> {
  const file = await standalone();
  if (file !== undefined) {
    const found = file.spans[span];
    if (found === undefined) throw new ApiError(404, "The file has no details of this span.");
    return found;
  }
  return getJson(`/api/traces/${trace}/spans/${span}?start=${start}`, signal);
}

/** Return the rows of a trace that match a query, or undefined where there is no server. */
export async function searchTrace(
  trace: string,
  query: string,
  signal?: AbortSignal,
): Promise<SearchAnswer | undefined> {
  if ((await standalone()) !== undefined) return undefined;
  return getJson(`/api/traces/${trace}/search?query=${encodeURIComponent(query)}`, signal);
}

export function getDirective(
  trace: string,
  span: string,
  mode: DirectiveMode,
  signal?: AbortSignal,
): Promise<Directive> {
  return getJson(`/api/directive?trace=${trace}&span=${span}&mode=${mode}`, signal);
}

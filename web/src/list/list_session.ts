/** The state of the list: the query, the order, and the traces found so far. */
import { batch, computed, signal } from "@preact/signals";
import { getJson } from "../api/client.ts";
import { listenToTraces, type TracesEvent } from "../api/live.ts";
import type { TraceSummary } from "../api/types.ts";
import { listAddress, parameters, setParameters } from "../shell/router.ts";
import { isContinued, withNewer } from "./newer.ts";

export type SortKey = "time" | "duration" | "spans" | "errors";

interface TracePage {
  traces: TraceSummary[];
  cursor: string | null;
  looked_at: number;
  total: number;
  done: boolean;
}

const PAGE = 200;
/** A search that stopped at its deadline goes on by itself until there is something to read. */
const ENOUGH_ROWS = 40;
const MOST_ROUNDS = 10;
const MOST_TAKEN_IN = 500;
const REFRESH_MS = 400;

export class ListSession {
  readonly query = computed(() => parameters.value.get("query") ?? "");
  readonly sort = computed<SortKey>(() => {
    const found = parameters.value.get("sort");
    return found === "duration" || found === "spans" || found === "errors" ? found : "time";
  });
  readonly order = computed(() => (parameters.value.get("order") === "asc" ? "asc" : "desc"));
  readonly start = computed(() => parameters.value.get("start"));
  readonly end = computed(() => parameters.value.get("end"));

  readonly traces = signal<TraceSummary[]>([]);
  readonly total = signal(0);
  readonly lookedAt = signal(0);
  readonly isDone = signal(true);
  readonly cursor = signal<string | null>(null);
  readonly isLoading = signal(false);
  readonly isLoaded = signal(false);
  readonly failure = signal<Error | null>(null);
  /** Traces that arrived and are not in the list. */
  readonly waiting = signal(0);
  readonly isLive = signal(true);
  /** Rises when the list was asked for anew, so that what stands beside it follows. */
  readonly version = signal(0);
  /** The place of the row under the cursor, or -1. */
  readonly selected = signal(-1);
  readonly isAtTop = signal(true);
  /** Rises when the list has to scroll to its top. */
  readonly toTop = signal(0);
  /** Where the list was scrolled to, in pixels. */
  scrollTop = 0;

  private abort = new AbortController();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private loadedFor = "";
  private isShown = false;

  constructor() {
    listenToTraces((event) => this.onTraces(event));
  }

  /** The parameters that the list, the points and the facets have in common. */
  filter(): URLSearchParams {
    const search = new URLSearchParams();
    for (const [key, value] of [
      ["query", this.query.value],
      ["start", this.start.value],
      ["end", this.end.value],
    ] as const) {
      if (value) search.set(key, value);
    }
    return search;
  }

  private address(cursor: string | null, limit = PAGE): string {
    const search = this.filter();
    search.set("sort", this.sort.value);
    search.set("order", this.order.value);
    search.set("limit", String(limit));
    if (cursor) search.set("cursor", cursor);
    return `/api/traces?${search}`;
  }

  /** The page shows the list; it is asked for where its state is another one than before. */
  show(): void {
    this.isShown = true;
    listAddress.value = location.pathname + location.search;
    if (this.loadedFor !== this.address(null) || this.failure.peek() !== null) void this.load();
    else this.takeInIfIdle();
  }

  /** Another page is shown: the list stays as it is, and the URL is not its own. */
  hide(): void {
    this.isShown = false;
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  /** Ask for the list anew. */
  async load(): Promise<void> {
    this.loadedFor = this.address(null);
    this.abort.abort();
    this.abort = new AbortController();
    batch(() => {
      this.isLoading.value = true;
      this.failure.value = null;
      this.waiting.value = 0;
      this.selected.value = -1;
    });
    await this.fetch(null, []);
  }

  private async fetch(cursor: string | null, before: TraceSummary[]): Promise<void> {
    const { signal: aborted } = this.abort;
    let next = cursor;
    let traces = before;
    let looked = cursor === null ? 0 : this.lookedAt.peek();
    try {
      for (let round = 0; round < MOST_ROUNDS; round++) {
        const page = await getJson<TracePage>(this.address(next), aborted);
        traces = [...traces, ...page.traces];
        looked += page.looked_at;
        next = page.cursor;
        batch(() => {
          this.traces.value = traces;
          this.total.value = page.total;
          this.lookedAt.value = looked;
          this.isDone.value = page.done;
          this.cursor.value = next;
          this.isLoaded.value = true;
          // What stands beside the list is asked for after it, and only where the query is right.
          if (cursor === null && round === 0) this.version.value = this.version.peek() + 1;
        });
        if (page.done || next === null || traces.length >= before.length + ENOUGH_ROWS) break;
      }
    } catch (error) {
      if (aborted.aborted) return;
      batch(() => {
        this.failure.value = error as Error;
      });
    }
    this.isLoading.value = false;
  }

  /** Go on where the list ends, or where the search stopped. */
  async more(): Promise<void> {
    const cursor = this.cursor.peek();
    if (cursor === null || this.isLoading.peek()) return;
    this.isLoading.value = true;
    await this.fetch(cursor, this.traces.peek());
  }

  private onTraces({ new: count }: TracesEvent): void {
    if (this.failure.peek() !== null) return;
    this.waiting.value = this.waiting.peek() + count;
    this.takeInIfIdle();
  }

  private takeInIfIdle(): void {
    const isReading = !this.isAtTop.peek() || this.selected.peek() >= 0;
    if (!this.isShown || !this.isLive.peek() || isReading || this.timer !== undefined) return;
    this.timer = setTimeout(() => {
      this.timer = undefined;
      void this.takeIn();
    }, REFRESH_MS);
  }

  /** Take in what has arrived, and go to the top, where it is. */
  async takeIn(): Promise<void> {
    this.selected.value = -1;
    this.toTop.value = this.toTop.peek() + 1;
    if (this.sort.peek() !== "time" || this.order.peek() !== "desc") {
      await this.load();
      return;
    }
    try {
      // A trace arrives when its spans end, so it may stand below others: the page is not small.
      const limit = Math.max(PAGE, Math.min(MOST_TAKEN_IN, this.traces.peek().length));
      const page = await getJson<TracePage>(this.address(null, limit), this.abort.signal);
      batch(() => {
        const before = this.traces.peek();
        const continued = page.cursor === null || isContinued(before, page.traces);
        this.traces.value = continued ? withNewer(before, page.traces) : page.traces;
        this.total.value = page.total;
        this.waiting.value = 0;
        this.isLoaded.value = true;
        if (before.length === 0 || !continued) {
          this.cursor.value = page.cursor;
          this.lookedAt.value = page.looked_at;
          this.isDone.value = page.done;
        }
        this.version.value = this.version.peek() + 1;
      });
    } catch {
      // the next event tries again; a server that is gone is shown by the connection
    }
  }

  setQuery(query: string): void {
    setParameters({ query: query.trim() }, true);
  }

  /** Order by a column; the same column again turns the order round. */
  sortBy(key: SortKey): void {
    const turned = this.sort.peek() === key && this.order.peek() === "desc" ? "asc" : null;
    setParameters({ sort: key === "time" ? null : key, order: turned });
  }

  setRange(start: bigint | null, end: bigint | null): void {
    const text = (value: bigint | null): string | null => (value === null ? null : String(value));
    setParameters({ start: text(start), end: text(end) }, true);
  }
}

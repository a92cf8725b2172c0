/** The search within a trace: the server finds the rows, the worker marks them. */
import { batch, signal } from "@preact/signals";
import { searchTrace } from "../api/client.ts";
import type { TraceWorker } from "../worker/client.ts";
import type { Matches } from "../worker/protocol.ts";

export interface SearchState {
  state: "none" | "busy" | "done" | "error";
  /** Why the search failed, with the place in the query where that is known. */
  failure?: Error;
  /** How many spans have been looked at, of how many, where that is not all. */
  looked?: [number, number] | undefined;
}

export class TraceSearch {
  readonly query = signal("");
  readonly state = signal<SearchState>({ state: "none" });
  readonly matches = signal<Matches | null>(null);
  private number = 0;

  constructor(
    private readonly trace: string,
    private readonly worker: TraceWorker,
    private readonly abort: AbortSignal,
  ) {}

  /** Search; an empty query ends the search. Whether this was still the latest search at its end. */
  async find(query: string): Promise<boolean> {
    const number = ++this.number;
    this.query.value = query;
    if (query.trim() === "") {
      await this.worker.call("match", null);
      batch(() => {
        this.state.value = { state: "none" };
        this.matches.value = null;
      });
      return true;
    }
    this.state.value = { ...this.state.peek(), state: "busy" };
    try {
      const found = await searchTrace(this.trace, query, this.abort);
      if (number !== this.number) return false;
      const request = found === undefined ? { text: query } : { rows: found.rows };
      const matches = await this.worker.call("match", request);
      if (number !== this.number) return false;
      const isWhole = found === undefined || found.done;
      batch(() => {
        this.matches.value = matches;
        this.state.value = {
          state: "done",
          looked: isWhole ? undefined : [found.looked_at, found.total],
        };
      });
      return true;
    } catch (error) {
      if (number !== this.number) return false;
      this.state.value = { state: "error", failure: error as Error };
      return false;
    }
  }
}

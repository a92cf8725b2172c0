/** The list of traces. */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { getJson } from "../api/client.ts";
import type { TraceSummary } from "../api/types.ts";
import { formatDuration } from "../format/numbers.ts";
import { Mark, TopBar } from "../shell/top_bar.tsx";

export function ListPage() {
  const traces = useSignal<TraceSummary[]>([]);
  useEffect(() => {
    void getJson<{ traces: TraceSummary[] }>("/api/traces").then((answer) => {
      traces.value = answer.traces;
    });
  }, []);
  return (
    <div class="page">
      <TopBar>
        <span class="brand">
          <Mark /> tracekit
        </span>
        <span class="spring" />
      </TopBar>
      <main>
        <ul>
          {traces.value.map((trace) => (
            <li key={trace.id}>
              <a href={`/trace/${trace.id}`}>
                {trace.root} {formatDuration(trace.duration)}
              </a>
            </li>
          ))}
        </ul>
      </main>
    </div>
  );
}

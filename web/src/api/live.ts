/** What arrives at the viewer, as it arrives: one connection for the whole page. */
import { signal } from "@preact/signals";
import { isStandalone } from "./standalone.ts";
import type { ServerStatus } from "./types.ts";

export interface TracesEvent {
  /** Traces that are new since the event before. */
  new: number;
  /** Traces that changed, the newest first, at most a hundred. */
  ids: string[];
  spans: number;
  traces: number;
  dropped: ServerStatus["dropped"];
}

export type TracesListener = (event: TracesEvent) => void;

/** The last status that the server sent. */
export const serverStatus = signal<ServerStatus | null>(null);
/** Whether the server answers; the browser connects again by itself. */
export const connection = signal<"off" | "open" | "lost">("off");

const listeners = new Set<TracesListener>();
let source: EventSource | undefined;

function connect(): EventSource {
  const made = new EventSource("/api/live");
  made.onopen = () => {
    connection.value = "open";
  };
  made.onerror = () => {
    connection.value = "lost";
  };
  made.addEventListener("status", (event) => {
    serverStatus.value = JSON.parse(event.data) as ServerStatus;
  });
  made.addEventListener("traces", (event) => {
    const traces = JSON.parse(event.data) as TracesEvent;
    for (const listener of listeners) listener(traces);
  });
  return made;
}

/** Listen to what arrives; returns what ends that. The connection lasts as long as somebody listens. */
export function listenToTraces(listener: TracesListener): () => void {
  if (isStandalone) return () => undefined;
  listeners.add(listener);
  source ??= connect();
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    source?.close();
    source = undefined;
    connection.value = "off";
  };
}

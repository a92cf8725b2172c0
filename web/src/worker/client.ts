/** The page's side of the worker. */
import { ApiError } from "../api/client.ts";
import type { AnswerMessage, CallName, WorkerCalls } from "./protocol.ts";

declare const __WORKER__: string;

interface Waiting {
  resolve: (value: never) => void;
  reject: (error: Error) => void;
}

/** Return the address of the worker's script; in a file opened from disk it is in the page. */
function workerUrl(): string {
  if (__WORKER__ !== "inline") return __WORKER__;
  const text = document.getElementById("tracekit-worker")?.textContent ?? "";
  return URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
}

let spare: Worker | undefined;

/** Start a worker before it is needed, so that a trace does not wait for it. */
export function prepareWorker(): void {
  spare ??= new Worker(workerUrl());
}

function takeWorker(): Worker {
  const taken = spare ?? new Worker(workerUrl());
  spare = undefined;
  return taken;
}

/** One worker, which holds one trace. */
export class TraceWorker {
  private readonly worker = takeWorker();
  private readonly waiting = new Map<number, Waiting>();
  private number = 0;

  constructor() {
    this.worker.onmessage = ({ data }: MessageEvent<AnswerMessage>) => {
      const waiting = this.waiting.get(data.number);
      this.waiting.delete(data.number);
      if ("error" in data) waiting?.reject(new ApiError(data.status ?? 0, data.error));
      else waiting?.resolve(data.answer as never);
    };
    this.worker.onerror = (event) => {
      for (const { reject } of this.waiting.values()) reject(new Error(event.message));
      this.waiting.clear();
    };
  }

  call<C extends CallName>(
    call: C,
    request: WorkerCalls[C]["request"],
  ): Promise<WorkerCalls[C]["answer"]> {
    const number = ++this.number;
    return new Promise((resolve, reject) => {
      this.waiting.set(number, { resolve: resolve as (value: never) => void, reject });
      this.worker.postMessage({ number, call, request });
    });
  }

  close(): void {
    this.worker.terminate();
  }
}

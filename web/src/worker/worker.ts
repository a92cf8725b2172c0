/** The worker: loads a trace and computes what the page asks for. */
import { TraceComputation } from "./computation.ts";
import type { AnswerMessage, CallName, RequestMessage, WorkerCalls } from "./protocol.ts";

interface WorkerScope {
  onmessage: ((event: MessageEvent<RequestMessage>) => void) | null;
  postMessage(message: AnswerMessage, transfer?: Transferable[]): void;
}

const scope = self as unknown as WorkerScope;
let trace: TraceComputation | undefined;

class HttpError extends Error {
  readonly status: number;
  constructor(status: number) {
    super(`The server answered ${status}.`);
    this.status = status;
  }
}

async function load(request: WorkerCalls["open"]["request"]): Promise<ArrayBuffer> {
  if (request.skeleton !== undefined) return request.skeleton;
  const response = await fetch(request.url ?? "");
  if (!response.ok) throw new HttpError(response.status);
  return response.arrayBuffer();
}

/** Return a copy of every array in an answer, so that this side keeps its own, and their buffers. */
function copyForTransfer<T>(value: T, buffers: Transferable[]): T {
  if (ArrayBuffer.isView(value)) {
    const copy = (value as unknown as Uint8Array).slice();
    buffers.push(copy.buffer as ArrayBuffer);
    return copy as unknown as T;
  }
  if (value instanceof ArrayBuffer) {
    const copy = value.slice(0);
    buffers.push(copy);
    return copy as T;
  }
  if (value !== null && typeof value === "object" && !Array.isArray(value)) {
    const copied: Record<string, unknown> = {};
    for (const [key, part] of Object.entries(value)) copied[key] = copyForTransfer(part, buffers);
    return copied as T;
  }
  return value;
}

async function answer(call: CallName, request: unknown): Promise<unknown> {
  if (call === "open") {
    const buffer = await load(request as WorkerCalls["open"]["request"]);
    trace = new TraceComputation(buffer);
    return trace.data(buffer);
  }
  if (trace === undefined) throw new Error("No trace is open.");
  switch (call) {
    case "rows":
      return trace.rows(request as WorkerCalls["rows"]["request"]);
    case "match":
      return trace.match(request as WorkerCalls["match"]["request"]);
    case "minimap":
      return trace.minimap();
    case "path":
      return trace.path();
    case "names":
      return trace.names();
    case "lanes":
      return trace.lanes();
  }
}

scope.onmessage = async ({ data: { number, call, request } }) => {
  try {
    const buffers: Transferable[] = [];
    const copied = copyForTransfer(await answer(call, request), buffers);
    scope.postMessage({ number, answer: copied }, buffers);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const status = error instanceof HttpError ? { status: error.status } : {};
    scope.postMessage({ number, error: message, ...status });
  }
};

/** What the server answers. Times are nanoseconds as text, durations nanoseconds as numbers. */

export interface TraceSummary {
  id: string;
  start: string;
  duration: number;
  service: string;
  root: string;
  spans: number;
  errors: number;
  services: string[];
  depth?: number;
  dropped_spans?: number;
  /** Spans that have not ended. */
  open?: number;
  logs?: number;
  complete?: boolean;
  status?: string;
}

export type ValueType =
  | "string"
  | "int"
  | "double"
  | "bool"
  | "bytes"
  | "array"
  | "kvlist"
  | "empty";

export interface Attribute {
  key: string;
  type: ValueType;
  value: unknown;
}

export interface SpanEvent {
  name: string;
  time: string;
  attributes: Attribute[];
}

export interface SpanLink {
  trace: string;
  span: string;
  attributes: Attribute[];
  stored: boolean;
}

export interface LogRecord {
  time: string;
  severity: string;
  body: { type: ValueType; value: unknown };
  attributes: Attribute[];
}

export interface SpanDetail {
  id: string;
  parent: string | null;
  name: string;
  kind: number;
  status: { code: number; message: string };
  start: string;
  duration: number | null;
  flags: number;
  trace_state: string;
  attributes: Attribute[];
  events: SpanEvent[];
  links: SpanLink[];
  resource: Attribute[];
  scope: { name: string; version: string; attributes: Attribute[] };
  logs: LogRecord[];
  dropped: { attributes: number; events: number; links: number };
}

export interface SearchAnswer {
  rows: number[];
  looked_at: number;
  total: number;
  done: boolean;
}

export type DirectiveMode = "silence" | "deepen" | "request";

export interface Directive {
  directive: string;
  environment: string;
  filter: string;
  set_filter: string;
  removes: number;
  of: number;
  explanation: string;
}

export interface ServerStatus {
  version: string;
  spans: number;
  traces: number;
  bytes: number;
  limits: { spans: number; bytes: number; value_bytes: number };
  dropped: { spans: number; traces: number; before: string | null };
  malformed: number;
  /** Why the last commit failed. */
  problem: string | null;
  metrics_not_kept: number;
  queue: { bytes: number; limit: number };
  files: {
    path: string;
    size: number;
    read: number;
    lines: number;
    bad_lines: number;
    first_bad_line: number | null;
    state: string;
  }[];
  endpoints: { grpc: string | null; http: string | null };
}

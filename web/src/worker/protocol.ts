/** Messages between the page and its worker. */
import type { CriticalPath } from "../model/critical_path.ts";
import type { VisibleRows } from "../model/folding.ts";
import type { Lanes } from "../model/lanes.ts";
import type { MinimapPicture } from "../model/minimap.ts";
import type { NameRow } from "../model/names.ts";
import type { Siblings } from "../model/siblings.ts";
import type { Tree } from "../model/tree.ts";

/** All that drawing needs; the arrays belong to the page. */
export interface TraceData {
  skeleton: ArrayBuffer;
  /** The end of the trace in nanoseconds since its start. */
  end: number;
  ends: Float64Array;
  self: Float64Array;
  tree: Tree;
  siblings: Siblings;
  /** Rows that failed, in the order of the tree. */
  errors: Int32Array;
  firstDepth: number;
}

export interface FoldMessage {
  depth: number;
  toggled: Int32Array;
  group: boolean;
  only: boolean;
}

export interface Matches {
  /** 1 for a row that matches. */
  marked: Uint8Array;
  /** The rows that match, in the order of the tree. */
  inOrder: Int32Array;
}

/** What can be asked of the worker, and what it answers. */
export interface WorkerCalls {
  open: { request: { url?: string; skeleton?: ArrayBuffer }; answer: TraceData };
  rows: { request: FoldMessage; answer: VisibleRows };
  match: { request: { rows?: number[]; text?: string } | null; answer: Matches | null };
  minimap: { request: null; answer: MinimapPicture };
  path: { request: null; answer: CriticalPath };
  names: { request: null; answer: NameRow[] };
  lanes: { request: null; answer: Lanes };
}

export type CallName = keyof WorkerCalls;

export interface RequestMessage {
  number: number;
  call: CallName;
  request: unknown;
}

export type AnswerMessage =
  | { number: number; answer: unknown }
  | { number: number; error: string; status?: number };

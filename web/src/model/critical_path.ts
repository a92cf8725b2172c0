/**
 * The critical path: for every moment of a trace, the span that the end of its root waited for.
 *
 * The walk goes backwards from the end of a span. The child that ended last before that moment is
 * what the span waited for; the path goes on at the start of that child. Children that ran at the
 * same time, and ended after it had started, did not hold anything up. Two rules complete it:
 *
 * - A child that outlives its parent was not waited for, and is not on the path. The exception is
 *   the SERVER span below a CLIENT span: a client waits for its answer, so a later end is a clock's
 *   difference, and the child is cut at its parent's end.
 * - Roots and spans whose parent is missing are the children of the trace itself.
 */
import { KIND_CLIENT, KIND_SERVER, type Skeleton } from "./skeleton.ts";
import type { Tree } from "./tree.ts";

/** Segments of the path in the order of the tree, those of one span by time. */
export interface CriticalPath {
  row: Int32Array;
  from: Float64Array;
  to: Float64Array;
  /** Nanoseconds on the path, of every span. */
  time: Float64Array;
}

interface Frame {
  row: number;
  /** Children that the span may have waited for, the last end first. */
  candidates: Int32Array;
  next: number;
  /** The path of this span reaches from `from` to `at`; it moves backwards. */
  from: number;
  at: number;
}

/** Return the critical path of a trace. */
export function criticalPath(skeleton: Skeleton, ends: Float64Array, tree: Tree): CriticalPath {
  const starts = skeleton.startTime;
  const { childStart, children, roots } = tree;
  const rows: number[] = [];
  const froms: number[] = [];
  const tos: number[] = [];
  const endWithin = (child: number, parent: number, end: number): number => {
    const isAnswer =
      parent >= 0 && skeleton.kind[parent] === KIND_CLIENT && skeleton.kind[child] === KIND_SERVER;
    return isAnswer ? Math.min(ends[child]!, end) : ends[child]!;
  };
  const frame = (row: number, from: number, at: number): Frame => {
    const all = row < 0 ? roots.slice() : children.slice(childStart[row], childStart[row + 1]);
    const limit = row < 0 ? at : ends[row]!;
    const end = (child: number): number => endWithin(child, row, limit);
    const candidates = all.filter((child) => end(child) <= at && end(child) > from).reverse();
    // Children that ran one after the other are in that order already, and there may be a million.
    const sorted = candidates.every(
      (child, index) => index === 0 || end(child) <= end(candidates[index - 1]!),
    );
    if (!sorted) candidates.sort((a, b) => end(b) - end(a) || starts[b]! - starts[a]!);
    return { row, candidates, next: 0, from, at };
  };
  const segment = (row: number, from: number, to: number): void => {
    if (row < 0 || to <= from) return;
    rows.push(row);
    froms.push(from);
    tos.push(to);
  };

  let last = 0;
  for (const root of roots) last = Math.max(last, ends[root]!);
  const stack: Frame[] = [frame(-1, Number.NEGATIVE_INFINITY, last)];
  while (stack.length > 0) {
    const top = stack[stack.length - 1]!;
    const child = top.next < top.candidates.length ? top.candidates[top.next++]! : undefined;
    if (child === undefined || top.at <= top.from) {
      segment(top.row, top.from, top.at);
      stack.pop();
      continue;
    }
    const end = endWithin(child, top.row, top.row < 0 ? top.at : ends[top.row]!);
    if (end > top.at) continue; // it ran beside the child that the path went through
    const from = Math.max(starts[child]!, top.from);
    if (end <= from) continue; // without a duration within the span, it held nothing up
    segment(top.row, end, top.at);
    top.at = from;
    stack.push(frame(child, from, end));
  }
  return inTreeOrder(rows, froms, tos, tree.place, skeleton.spans);
}

function inTreeOrder(
  rows: number[],
  froms: number[],
  tos: number[],
  place: Int32Array,
  count: number,
): CriticalPath {
  const sorted = rows
    .map((_, index) => index)
    .sort((a, b) => place[rows[a]!]! - place[rows[b]!]! || froms[a]! - froms[b]!);
  const time = new Float64Array(count);
  rows.forEach((row, index) => {
    time[row]! += tos[index]! - froms[index]!;
  });
  return {
    row: Int32Array.from(sorted, (index) => rows[index]!),
    from: Float64Array.from(sorted, (index) => froms[index]!),
    to: Float64Array.from(sorted, (index) => tos[index]!),
    time,
  };
}

/**
 * Return the parts of the path within a range of the tree's order, by time.
 *
 * For one span, that is its place alone; for a folded subtree, its whole range: the path leads
 * through one span at a time, so the parts do not overlap.
 */
export function pathWithin(
  path: CriticalPath,
  place: Int32Array,
  first: number,
  end: number,
): [from: number, to: number][] {
  let low = 0;
  let high = path.row.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (place[path.row[middle]!]! < first) low = middle + 1;
    else high = middle;
  }
  const parts: [number, number][] = [];
  for (let at = low; at < path.row.length && place[path.row[at]!]! < end; at++) {
    parts.push([path.from[at]!, path.to[at]!]);
  }
  parts.sort((a, b) => a[0] - b[0]);
  const joined: [number, number][] = [];
  for (const part of parts) {
    const before = joined[joined.length - 1];
    if (before !== undefined && part[0] <= before[1]) before[1] = Math.max(before[1], part[1]);
    else joined.push(part);
  }
  return joined;
}

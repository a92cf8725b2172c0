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
  /** Children by their end, those that have not been looked at: `children[first … next - 1]`. */
  children: Int32Array;
  first: number;
  next: number;
  /** The path of this span reaches from `from` to `at`; it moves backwards. */
  from: number;
  at: number;
  /** A SERVER child is cut here, if the span is a CLIENT. */
  cut: number;
}

/** Return the critical path of a trace. */
export function criticalPath(skeleton: Skeleton, ends: Float64Array, tree: Tree): CriticalPath {
  const { startTime: starts, kind } = skeleton;
  const segments = new Segments(skeleton.spans);
  const endOf = (child: number, cut: number): number => {
    const end = ends[child]!;
    return end > cut && kind[child] === KIND_SERVER ? cut : end;
  };
  const frame = (row: number, from: number, at: number): Frame => {
    const list = row < 0 ? tree.roots : tree.children;
    const first = row < 0 ? 0 : tree.childStart[row]!;
    const next = row < 0 ? list.length : tree.childStart[row + 1]!;
    const isClient = row >= 0 && kind[row] === KIND_CLIENT;
    const cut = isClient ? ends[row]! : Number.POSITIVE_INFINITY;
    // Children that ran one after the other are in that order already, and there may be a million.
    for (let index = first + 1; index < next; index++) {
      if (endOf(list[index]!, cut) >= endOf(list[index - 1]!, cut)) continue;
      const children = list.slice(first, next);
      children.sort((a, b) => endOf(a, cut) - endOf(b, cut) || starts[a]! - starts[b]!);
      return { row, children, first: 0, next: children.length, from, at, cut };
    }
    return { row, children: list, first, next, from, at, cut };
  };

  let last = 0;
  for (const root of tree.roots) last = Math.max(last, ends[root]!);
  const stack: Frame[] = [frame(-1, Number.NEGATIVE_INFINITY, last)];
  while (stack.length > 0) {
    const top = stack[stack.length - 1]!;
    if (top.next === top.first || top.at <= top.from) {
      segments.add(top.row, top.from, top.at);
      stack.pop();
      continue;
    }
    const child = top.children[--top.next]!;
    const end = endOf(child, top.cut);
    // A child that ends later outlives its parent, or ran beside the child that the path took.
    if (end > top.at) continue;
    const from = Math.max(starts[child]!, top.from);
    if (end <= from) continue; // without a duration within the span, it held nothing up
    segments.add(top.row, end, top.at);
    top.at = from;
    if (tree.childStart[child] === tree.childStart[child + 1]) segments.add(child, from, end);
    else stack.push(frame(child, from, end));
  }
  return segments.inTreeOrder(tree);
}

/** Segments as they are found: those of one span from its end to its start. */
class Segments {
  private readonly rows: number[] = [];
  private readonly froms: number[] = [];
  private readonly tos: number[] = [];
  private readonly counts: Uint32Array;

  constructor(private readonly spans: number) {
    this.counts = new Uint32Array(spans);
  }

  add(row: number, from: number, to: number): void {
    if (row < 0 || to <= from) return;
    this.rows.push(row);
    this.froms.push(from);
    this.tos.push(to);
    this.counts[row]!++;
  }

  inTreeOrder({ order }: Tree): CriticalPath {
    const size = this.rows.length;
    // The place after the last segment of every span; filling goes backwards from it.
    const next = new Uint32Array(this.spans);
    let total = 0;
    for (const row of order) {
      total += this.counts[row]!;
      next[row] = total;
    }
    const path: CriticalPath = {
      row: new Int32Array(size),
      from: new Float64Array(size),
      to: new Float64Array(size),
      time: new Float64Array(this.spans),
    };
    for (let index = 0; index < size; index++) {
      const row = this.rows[index]!;
      const at = --next[row]!;
      path.row[at] = row;
      path.from[at] = this.froms[index]!;
      path.to[at] = this.tos[index]!;
      path.time[row]! += path.to[at]! - path.from[at]!;
    }
    return path;
  }
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

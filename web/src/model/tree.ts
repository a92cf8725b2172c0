/**
 * The tree of a trace, from the parent of every span.
 *
 * Spans whose parent is missing stand at the top. A cycle is cut at its first span. A parent may
 * start, and may have been stored, after its child.
 */
import type { Skeleton } from "./skeleton.ts";

/** What is noticed about a span's place; it is shown, and no time is changed. */
export const Mark = {
  /** The parent is not stored. */
  orphan: 1,
  /** Its chain of parents leads back to itself; it was cut here. */
  cycle: 2,
  /** It ends after its parent. */
  outlivesParent: 4,
  /** It starts before its parent: the clocks differ. */
  startsEarly: 8,
} as const;

export interface Tree {
  /** The parent's row, or -1 at the top. */
  parent: Int32Array;
  /** Children of row r are `children[childStart[r] … childStart[r + 1] - 1]`, by start. */
  childStart: Uint32Array;
  children: Int32Array;
  roots: Int32Array;
  /** All rows, parents before their children. */
  order: Int32Array;
  /** The place of a row in `order`. */
  place: Int32Array;
  /** The place after the last descendant of a row. */
  subtreeEnd: Int32Array;
  depth: Uint32Array;
  marks: Uint8Array;
  deepest: number;
}

/** Return the parents with every cycle cut, and mark where that was. */
function cutCycles(parents: Int32Array, marks: Uint8Array): Int32Array {
  const count = parents.length;
  const parent = new Int32Array(count);
  for (let row = 0; row < count; row++) {
    const value = parents[row]!;
    parent[row] = value >= 0 && value < count ? value : -1;
  }
  const visit = new Uint32Array(count); // 0: not yet; otherwise the number of the walk
  for (let row = 0; row < count; row++) {
    let at = row;
    while (at >= 0 && visit[at] === 0) {
      visit[at] = row + 1;
      at = parent[at]!;
    }
    if (at < 0 || visit[at] !== row + 1) continue;
    // The walk met itself: cut at the row that started first, the smallest.
    let first = at;
    for (let next = parent[at]!; next !== at; next = parent[next]!) first = Math.min(first, next);
    parent[first] = -1;
    marks[first]! |= Mark.cycle;
  }
  return parent;
}

/** Return the tree of a skeleton, whose rows are in the order of their start. */
export function buildTree(skeleton: Skeleton, ends: Float64Array): Tree {
  const count = skeleton.spans;
  const marks = new Uint8Array(count);
  const parent = cutCycles(skeleton.parent, marks);
  const childStart = new Uint32Array(count + 1);
  let rootCount = 0;
  for (let row = 0; row < count; row++) {
    const above = parent[row]!;
    if (above >= 0) childStart[above + 1]!++;
    else rootCount++;
    if (above < 0 && skeleton.parent[row]! < -1) marks[row]! |= Mark.orphan;
  }
  for (let row = 0; row < count; row++) childStart[row + 1]! += childStart[row]!;
  const next = childStart.slice(0, count);
  const children = new Int32Array(count - rootCount);
  const roots = new Int32Array(rootCount);
  let rootAt = 0;
  for (let row = 0; row < count; row++) {
    const above = parent[row]!;
    if (above < 0) {
      roots[rootAt++] = row;
      continue;
    }
    children[next[above]!++] = row;
    if (ends[row]! > ends[above]!) marks[row]! |= Mark.outlivesParent;
    if (skeleton.startTime[row]! < skeleton.startTime[above]!) marks[row]! |= Mark.startsEarly;
  }
  return {
    parent,
    childStart,
    children,
    roots,
    marks,
    ...walk(parent, childStart, children, roots),
  };
}

type Walk = Pick<Tree, "order" | "place" | "subtreeEnd" | "depth" | "deepest">;

/** Return the order of a depth-first walk. It does not recurse: traces may be as deep as they are long. */
function walk(
  parent: Int32Array,
  childStart: Uint32Array,
  children: Int32Array,
  roots: Int32Array,
): Walk {
  const count = parent.length;
  const order = new Int32Array(count);
  const place = new Int32Array(count);
  const subtreeEnd = new Int32Array(count);
  const depth = new Uint32Array(count);
  const stack = new Int32Array(count);
  let deepest = 0;
  let size = 0;
  let at = 0;
  for (let index = roots.length - 1; index >= 0; index--) stack[size++] = roots[index]!;
  while (size > 0) {
    const row = stack[--size]!;
    order[at] = row;
    place[row] = at++;
    const above = parent[row]!;
    const level = above < 0 ? 0 : depth[above]! + 1;
    depth[row] = level;
    if (level > deepest) deepest = level;
    for (let child = childStart[row + 1]! - 1; child >= childStart[row]!; child--) {
      stack[size++] = children[child]!;
    }
  }
  for (let index = count - 1; index >= 0; index--) {
    const row = order[index]!;
    if (subtreeEnd[row] === 0) subtreeEnd[row] = index + 1;
    const above = parent[row]!;
    if (above >= 0 && subtreeEnd[above] === 0) subtreeEnd[above] = subtreeEnd[row]!;
  }
  return { order, place, subtreeEnd, depth, deepest };
}

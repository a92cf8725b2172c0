/**
 * Which rows are open, and the list of visible rows that follows from it.
 *
 * A row of the list is a span (its number) or a group of repeated siblings (`groupItem(g)`, a
 * negative number).
 */
import type { Siblings } from "./siblings.ts";
import type { Tree } from "./tree.ts";

/** The most rows that a trace unfolds to by itself, and the deepest level of them. */
const FIRST_ROWS = 2_000;
const FIRST_DEPTH = 30;

export interface FoldState {
  /** Spans above this depth are open, unless toggled. */
  depth: number;
  /** Items that are the other way round than the depth says; for groups: open. */
  toggled: ReadonlySet<number>;
  /** Whether repeated siblings are shown as one row. */
  group: boolean;
  /** Show these rows and their ancestors alone. */
  only?: Uint8Array | undefined;
}

export interface VisibleRows {
  item: Int32Array;
  /** The level of a row on the screen: a group adds one. */
  depth: Uint32Array;
  /** The place in this list of the row above it in the tree, or -1. */
  parent: Int32Array;
  /** 1 for the last row below its parent. */
  last: Uint8Array;
}

export function groupItem(group: number): number {
  return -1 - group;
}

export function isGroup(item: number): boolean {
  return item < 0;
}

export function groupOf(item: number): number {
  return -1 - item;
}

/** Whether an item shows what is below it. */
export function isOpen(item: number, depth: ArrayLike<number>, state: FoldState): boolean {
  const toggled = state.toggled.has(item);
  if (isGroup(item)) return toggled;
  return depth[item]! < state.depth !== toggled;
}

/** Return the depth to which a trace is unfolded at first. */
export function firstDepth(tree: Tree, siblings: Siblings): number {
  const counts = new Uint32Array(Math.min(tree.deepest, FIRST_DEPTH) + 1);
  const hidden = new Uint8Array(tree.depth.length);
  for (const row of tree.order) {
    const above = tree.parent[row]!;
    const group = siblings.of[row]!;
    const inGroup = group >= 0 && siblings.members[siblings.memberStart[group]!] !== row;
    const inHidden = above >= 0 && (hidden[above] === 1 || siblings.of[above]! >= 0);
    if (inGroup || inHidden) hidden[row] = 1;
    else if (tree.depth[row]! < counts.length) counts[tree.depth[row]!]!++;
  }
  let rows = 0;
  for (let depth = 0; depth < counts.length; depth++) {
    rows += counts[depth]!;
    if (rows > FIRST_ROWS) return Math.max(1, depth - 1);
  }
  return counts.length;
}

interface Level {
  list: Int32Array;
  at: number;
  end: number;
  depth: number;
  parent: number;
  last: number;
  isGroup: boolean;
}

/** Return the rows to keep so that every match has its ancestors above it. */
export function withAncestors(matches: Uint8Array, tree: Tree): Uint8Array {
  const keep = matches.slice();
  for (let index = tree.order.length - 1; index >= 0; index--) {
    const row = tree.order[index]!;
    const above = tree.parent[row]!;
    if (keep[row] !== 0 && above >= 0 && keep[above] === 0) keep[above] = 2;
  }
  return keep;
}

/** Return the visible rows of a trace. */
export function visibleRows(tree: Tree, siblings: Siblings, state: FoldState): VisibleRows {
  const most = tree.order.length + siblings.memberStart.length - 1;
  const item = new Int32Array(most);
  const depths = new Uint32Array(most);
  const parent = new Int32Array(most);
  const last = new Uint8Array(most);
  const { only } = state;
  const group = state.group && only === undefined;
  let size = 0;
  const emit = (what: number, level: Level): number => {
    item[size] = what;
    depths[size] = level.depth;
    parent[size] = level.parent;
    level.last = size;
    return size++;
  };
  const below = (list: Int32Array, at: number, end: number, above: Level | null, row: number) => ({
    list,
    at,
    end,
    depth: above === null ? 0 : above.depth + 1,
    parent: row,
    last: -1,
    isGroup: false,
  });
  const stack: Level[] = [below(tree.roots, 0, tree.roots.length, null, -1)];
  while (stack.length > 0) {
    const level = stack[stack.length - 1]!;
    if (level.at >= level.end) {
      if (level.last >= 0) last[level.last] = 1;
      stack.pop();
      continue;
    }
    const row = level.list[level.at++]!;
    if (only !== undefined && only[row] === 0) continue;
    const number = group && !level.isGroup ? siblings.of[row]! : -1;
    if (number >= 0) {
      const first = siblings.memberStart[number]!;
      if (siblings.members[first] !== row) continue;
      const shown = emit(groupItem(number), level);
      if (isOpen(groupItem(number), tree.depth, state)) {
        const end = siblings.memberStart[number + 1]!;
        stack.push({ ...below(siblings.members, first, end, level, shown), isGroup: true });
      }
      continue;
    }
    const shown = emit(row, level);
    const start = tree.childStart[row]!;
    const end = tree.childStart[row + 1]!;
    if (end > start && isOpen(row, tree.depth, state)) {
      stack.push(below(tree.children, start, end, level, shown));
    }
  }
  return {
    item: item.slice(0, size),
    depth: depths.slice(0, size),
    parent: parent.slice(0, size),
    last: last.slice(0, size),
  };
}

/** Return the items that must be toggled so that a row is visible. */
export function closedAbove(
  row: number,
  tree: Pick<Tree, "parent" | "depth">,
  siblings: Pick<Siblings, "of">,
  state: FoldState,
): number[] {
  const closed: number[] = [];
  const group = state.group && state.only === undefined;
  for (let at = row; at >= 0; at = tree.parent[at]!) {
    const number = group ? siblings.of[at]! : -1;
    if (number >= 0 && !isOpen(groupItem(number), tree.depth, state))
      closed.push(groupItem(number));
    const above = tree.parent[at]!;
    if (above >= 0 && !isOpen(above, tree.depth, state)) closed.push(above);
  }
  return closed;
}

/** Return the place of an item in the visible rows, or -1. */
export function findItem(rows: VisibleRows, wanted: number): number {
  return rows.item.indexOf(wanted);
}

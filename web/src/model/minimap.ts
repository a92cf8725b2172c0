/** The minimap: the whole waterfall in a small grid, worked out once. */
import type { Siblings } from "./siblings.ts";
import { type Skeleton, STATUS_ERROR } from "./skeleton.ts";
import type { Tree } from "./tree.ts";

export const MINIMAP_WIDTH = 1024;
export const MINIMAP_HEIGHT = 44;
/** The value of a cell with an error; other values are the service's number and one. */
export const MINIMAP_ERROR = 255;
const MOST_SERVICES = 250;
const ERROR_WIDTH = 6;

/** Cells of the minimap row by row, and how many of its rows are used; 0 is empty. */
export interface MinimapPicture {
  cells: Uint8Array;
  height: number;
}

/**
 * Return the line of every row in the minimap, and how many there are.
 *
 * Repeated siblings share a line with all that is below them, as they do in the waterfall.
 */
export function minimapLines(
  tree: Pick<Tree, "order" | "parent">,
  siblings: Pick<Siblings, "of" | "members" | "memberStart">,
): { line: Uint32Array; lines: number } {
  const line = new Uint32Array(tree.order.length);
  const inGroup = new Uint8Array(tree.order.length);
  let lines = 0;
  for (const row of tree.order) {
    const above = tree.parent[row]!;
    const group = siblings.of[row]!;
    if (above >= 0 && inGroup[above] === 1) {
      line[row] = line[above]!;
      inGroup[row] = 1;
    } else if (group >= 0) {
      const first = siblings.members[siblings.memberStart[group]!]!;
      line[row] = row === first ? lines++ : line[first]!;
      inGroup[row] = 1;
    } else {
      line[row] = lines++;
    }
  }
  return { line, lines };
}

/**
 * Return the cells of the minimap.
 *
 * Lines share the height. Where several spans meet in a cell, the deepest one is seen, and an error
 * always.
 */
export function minimapCells(
  skeleton: Skeleton,
  ends: Float64Array,
  tree: Pick<Tree, "order" | "parent">,
  siblings: Pick<Siblings, "of" | "members" | "memberStart">,
  end: number,
): MinimapPicture {
  const { line, lines } = minimapLines(tree, siblings);
  const used = Math.max(1, Math.min(MINIMAP_HEIGHT, lines));
  const cells = new Uint8Array(MINIMAP_WIDTH * used);
  const scale = end > 0 ? MINIMAP_WIDTH / end : 0;
  for (const row of tree.order) {
    const offset = Math.floor((line[row]! * used) / Math.max(1, lines)) * MINIMAP_WIDTH;
    const x0 = Math.min(MINIMAP_WIDTH - 1, Math.floor(skeleton.startTime[row]! * scale));
    const x1 = Math.min(MINIMAP_WIDTH, Math.max(x0 + 1, Math.ceil(ends[row]! * scale)));
    const failed = skeleton.status[row] === STATUS_ERROR;
    // The mark of an error is narrow: a failed root must not paint the whole width.
    const mark = failed ? Math.max(x0, x1 - ERROR_WIDTH) : x1;
    const service = 1 + (skeleton.service[row]! % MOST_SERVICES);
    for (let x = x0; x < mark; x++) {
      if (cells[offset + x] !== MINIMAP_ERROR) cells[offset + x] = service;
    }
    if (failed) cells.fill(MINIMAP_ERROR, offset + mark, offset + x1);
  }
  return { cells, height: used };
}

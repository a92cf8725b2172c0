/** The minimap: the whole waterfall in a small grid, worked out once. */
import { type Skeleton, STATUS_ERROR } from "./skeleton.ts";

export const MINIMAP_WIDTH = 1024;
export const MINIMAP_HEIGHT = 44;
/** The value of a cell with an error; other values are the service's number and one. */
export const MINIMAP_ERROR = 255;
const MOST_SERVICES = 250;

/**
 * Return the cells of the minimap, row by row; 0 is empty.
 *
 * Rows of the tree share the height. Where several spans meet in a cell, the deepest one is seen,
 * and an error always.
 */
export function minimapCells(
  skeleton: Skeleton,
  ends: Float64Array,
  order: Int32Array,
  end: number,
): Uint8Array {
  const cells = new Uint8Array(MINIMAP_WIDTH * MINIMAP_HEIGHT);
  const scale = end > 0 ? MINIMAP_WIDTH / end : 0;
  const height = Math.min(MINIMAP_HEIGHT, order.length) / Math.max(1, order.length);
  for (let index = 0; index < order.length; index++) {
    const row = order[index]!;
    const y = Math.floor(index * height);
    const x0 = Math.min(MINIMAP_WIDTH - 1, Math.floor(skeleton.startTime[row]! * scale));
    const x1 = Math.min(MINIMAP_WIDTH, Math.max(x0 + 1, Math.ceil(ends[row]! * scale)));
    const failed = skeleton.status[row] === STATUS_ERROR;
    const value = failed ? MINIMAP_ERROR : 1 + (skeleton.service[row]! % MOST_SERVICES);
    const offset = y * MINIMAP_WIDTH;
    if (failed) {
      // The mark of an error is narrow: a failed root must not paint the whole width.
      const from = Math.max(x0, x1 - 6);
      const service = 1 + (skeleton.service[row]! % MOST_SERVICES);
      for (let x = x0; x < from; x++) {
        if (cells[offset + x] !== MINIMAP_ERROR) cells[offset + x] = service;
      }
      cells.fill(value, offset + from, offset + x1);
      continue;
    }
    for (let x = x0; x < x1; x++) {
      if (cells[offset + x] !== MINIMAP_ERROR) cells[offset + x] = value;
    }
  }
  return cells;
}

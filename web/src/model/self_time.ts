/** Self time: the part of a span in which none of its children ran. */
import type { Tree } from "./tree.ts";

/**
 * Return the self time of every span in nanoseconds.
 *
 * It is the span's duration less the union of its children's intervals, clipped to the span, so
 * that children that run at the same time are not subtracted twice.
 */
export function selfTimes(
  starts: Float64Array,
  ends: Float64Array,
  tree: Pick<Tree, "childStart" | "children">,
): Float64Array {
  const count = starts.length;
  const self = new Float64Array(count);
  const { childStart, children } = tree;
  for (let row = 0; row < count; row++) {
    const start = starts[row]!;
    const end = ends[row]!;
    let covered = 0;
    let reached = start;
    // Children are in the order of their start: one pass makes their union.
    for (let at = childStart[row]!; at < childStart[row + 1]!; at++) {
      const child = children[at]!;
      const from = Math.max(starts[child]!, reached);
      const to = Math.min(ends[child]!, end);
      if (to > from) {
        covered += to - from;
        reached = to;
      }
    }
    self[row] = end - start - covered;
  }
  return self;
}

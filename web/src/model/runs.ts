/**
 * The union of many intervals at the resolution of the screen.
 *
 * A span may have a million children, and a row of lanes a million spans. What is drawn of them is
 * at most one run for each pixel, found by binary search from pixel to pixel.
 */

/** Intervals in the order of their start, with the latest end up to each of them. */
export interface Intervals {
  start: Float64Array;
  /** `reach[i]` is the greatest end of intervals 0 … i. */
  reach: Float64Array;
}

/** Return the intervals of some rows, clipped to a range. Rows are in the order of their start. */
export function intervalsOf(
  rows: Int32Array,
  starts: Float64Array,
  ends: Float64Array,
  from = Number.NEGATIVE_INFINITY,
  to = Number.POSITIVE_INFINITY,
): Intervals {
  const start = new Float64Array(rows.length);
  const reach = new Float64Array(rows.length);
  let furthest = Number.NEGATIVE_INFINITY;
  for (let index = 0; index < rows.length; index++) {
    const row = rows[index]!;
    start[index] = Math.min(Math.max(starts[row]!, from), to);
    furthest = Math.max(furthest, Math.min(Math.max(ends[row]!, from), to));
    reach[index] = furthest;
  }
  return { start, reach };
}

/** Return the first index whose value is at least `wanted`, in a sorted array. */
export function lowerBound(values: ArrayLike<number>, wanted: number, from = 0): number {
  let low = from;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle]! < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * Return the runs of pixels that the union covers, as x from and to, between 0 and `width`.
 *
 * @param from Time at the left edge.
 * @param scale Pixels per nanosecond.
 * @param least The least width of an interval, in pixels: nothing is too short to be seen.
 */
export function pixelRuns(
  intervals: Intervals,
  from: number,
  scale: number,
  width: number,
  least = 1,
): [x0: number, x1: number][] {
  const { start, reach } = intervals;
  const runs: [number, number][] = [];
  const to = from + width / scale;
  const add = (begin: number, end: number): void => {
    const x0 = Math.max(0, (begin - from) * scale);
    const x1 = Math.min(width, Math.max((end - from) * scale, x0 + least));
    const before = runs[runs.length - 1];
    if (before !== undefined && x0 <= before[1] + 0.5) before[1] = Math.max(before[1], x1);
    else runs.push([x0, x1]);
  };
  // `reach` only grows: the first interval that reaches into the view is found by search.
  let index = lowerBound(reach, from);
  while (index < start.length && start[index]! < to) {
    const begin = start[index]!;
    // All that starts within the same pixel is one run, up to the furthest end of them.
    const pixelEnd = from + (Math.floor((begin - from) * scale) + 1) / scale;
    const next = Math.max(index + 1, lowerBound(start, pixelEnd, index + 1));
    add(begin, Math.max(begin, reach[next - 1]!));
    index = next;
  }
  return runs;
}

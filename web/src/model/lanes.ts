/**
 * Lanes: spans by the thread, task or process that they ran in, packed into as few tracks as fit.
 *
 * Within a lane a span stands below its parent. Spans that overlap without being parent and child,
 * as asynchronous ones do, get tracks of their own.
 */
import type { Skeleton } from "./skeleton.ts";
import type { Tree } from "./tree.ts";

export interface Lanes {
  /** The lanes that have spans, in the order of their first span. */
  lane: Uint32Array;
  /** Tracks of the lane at i are `trackStart[i] … trackStart[i + 1] - 1`. */
  trackStart: Uint32Array;
  /** Spans of track t are `spans[spanStart[t] … spanStart[t + 1] - 1]`, by start, none overlapping. */
  spanStart: Uint32Array;
  spans: Int32Array;
  /** The track of every row. */
  trackOf: Uint32Array;
}

/** The first track that is free at a time, in logarithmic time: a tree of minima over their ends. */
class FreeTracks {
  private size = 1;
  private ends = new Float64Array(2).fill(Number.NEGATIVE_INFINITY);

  /** Return the first track from `least` that is free at `start`, and occupy it until `end`. */
  take(least: number, start: number, end: number): number {
    let track = this.find(1, 0, this.size, least, start);
    if (track < 0) {
      track = Math.max(this.size, least);
      this.grow(track + 1);
    }
    let node = this.size + track;
    this.ends[node] = end;
    for (node >>= 1; node >= 1; node >>= 1) {
      this.ends[node] = Math.min(this.ends[node * 2]!, this.ends[node * 2 + 1]!);
    }
    return track;
  }

  private find(node: number, low: number, high: number, least: number, start: number): number {
    if (high <= least || this.ends[node]! > start) return -1;
    if (high - low === 1) return low;
    const middle = (low + high) >> 1;
    const left = this.find(node * 2, low, middle, least, start);
    return left >= 0 ? left : this.find(node * 2 + 1, middle, high, least, start);
  }

  private grow(tracks: number): void {
    let size = this.size;
    while (size < tracks) size *= 2;
    const ends = new Float64Array(size * 2).fill(Number.NEGATIVE_INFINITY);
    ends.set(this.ends.subarray(this.size, this.size * 2), size);
    for (let node = size - 1; node >= 1; node--) {
      ends[node] = Math.min(ends[node * 2]!, ends[node * 2 + 1]!);
    }
    this.size = size;
    this.ends = ends;
  }
}

/** Return the lanes of a trace. */
export function packLanes(skeleton: Skeleton, ends: Float64Array, tree: Tree): Lanes {
  const count = skeleton.spans;
  const indexOf = new Map<number, number>();
  const free: FreeTracks[] = [];
  const used: number[] = [];
  const local = new Uint32Array(count);
  const laneIndex = new Uint32Array(count);
  for (let row = 0; row < count; row++) {
    const lane = skeleton.lane[row]!;
    let index = indexOf.get(lane);
    if (index === undefined) {
      index = free.length;
      indexOf.set(lane, index);
      free.push(new FreeTracks());
      used.push(0);
    }
    const above = tree.parent[row]!;
    const least =
      above >= 0 && above < row && skeleton.lane[above] === lane ? local[above]! + 1 : 0;
    const track = free[index]!.take(least, skeleton.startTime[row]!, ends[row]!);
    local[row] = track;
    laneIndex[row] = index;
    used[index] = Math.max(used[index]!, track + 1);
  }
  const trackStart = new Uint32Array(used.length + 1);
  used.forEach((tracks, index) => {
    trackStart[index + 1] = trackStart[index]! + tracks;
  });
  const tracks = trackStart[used.length]!;
  const trackOf = new Uint32Array(count);
  const spanStart = new Uint32Array(tracks + 1);
  for (let row = 0; row < count; row++) {
    trackOf[row] = trackStart[laneIndex[row]!]! + local[row]!;
    spanStart[trackOf[row]! + 1]!++;
  }
  for (let track = 0; track < tracks; track++) spanStart[track + 1]! += spanStart[track]!;
  const next = spanStart.slice(0, tracks);
  const spans = new Int32Array(count);
  for (let row = 0; row < count; row++) spans[next[trackOf[row]!]!++] = row;
  return { lane: Uint32Array.from(indexOf.keys()), trackStart, spanStart, spans, trackOf };
}

/**
 * Lanes: spans by the thread, task or process that they ran in, packed into as few tracks as fit.
 *
 * Within a lane a span stands below its parent. Spans that overlap without being parent and child,
 * as asynchronous ones do, get tracks of their own.
 */
import type { LaneName, Skeleton } from "./skeleton.ts";
import type { Tree } from "./tree.ts";

export interface Lanes {
  /** The lanes that have spans: by process, in the order of their first span. */
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
  const lane = Uint32Array.from(indexOf.keys());
  const shown = byProcess(lane, skeleton.lanes);
  const trackStart = new Uint32Array(used.length + 1);
  // The first track of a lane, by the index that the lane was found with.
  const base = new Uint32Array(used.length);
  shown.forEach((index, place) => {
    base[index] = trackStart[place]!;
    trackStart[place + 1] = trackStart[place]! + used[index]!;
  });
  const tracks = trackStart[used.length]!;
  const trackOf = new Uint32Array(count);
  const spanStart = new Uint32Array(tracks + 1);
  for (let row = 0; row < count; row++) {
    trackOf[row] = base[laneIndex[row]!]! + local[row]!;
    spanStart[trackOf[row]! + 1]!++;
  }
  for (let track = 0; track < tracks; track++) spanStart[track + 1]! += spanStart[track]!;
  const next = spanStart.slice(0, tracks);
  const spans = new Int32Array(count);
  for (let row = 0; row < count; row++) spans[next[trackOf[row]!]!++] = row;
  return {
    lane: Uint32Array.from(shown, (index) => lane[index]!),
    trackStart,
    spanStart,
    spans,
    trackOf,
  };
}

/** Return the indices of lanes so that those of one process stand together, the first one first. */
function byProcess(lanes: Uint32Array, names: LaneName[]): number[] {
  const processes = new Map<string, number[]>();
  lanes.forEach((lane, index) => {
    const { service, process } = names[lane] ?? { service: "", process: "" };
    const key = `${service}\n${process}`;
    const found = processes.get(key);
    if (found === undefined) processes.set(key, [index]);
    else found.push(index);
  });
  return [...processes.values()].flat();
}

/** Repeated siblings: spans of one name and service below one parent, which are shown as one row. */
import { type Skeleton, STATUS_ERROR } from "./skeleton.ts";
import type { Tree } from "./tree.ts";

/** Fewer siblings than this are easier to read as rows of their own. */
export const FEWEST_TO_FOLD = 5;
const MOST_KEYS = 1 << 20;

export interface Siblings {
  /** The group of a row, or -1. */
  of: Int32Array;
  /** Members of group g are `members[memberStart[g] … memberStart[g + 1] - 1]`, by start. */
  memberStart: Uint32Array;
  members: Int32Array;
  /** Sum of the durations of the members, in nanoseconds. */
  total: Float64Array;
  slowest: Int32Array;
  errors: Uint32Array;
}

export function groupCount(siblings: Siblings): number {
  return siblings.memberStart.length - 1;
}

/** Return the groups of repeated siblings of a trace. */
export function groupSiblings(skeleton: Skeleton, ends: Float64Array, tree: Tree): Siblings {
  const { startTime, status } = skeleton;
  const of = new Int32Array(skeleton.spans).fill(-1);
  const keys = new SiblingKeys(skeleton);
  const memberStart = [0];
  const members: number[] = [];
  const total: number[] = [];
  const slowest: number[] = [];
  const errors: number[] = [];
  const addGroup = (rows: number[]): void => {
    let sum = 0;
    let failed = 0;
    let slow = rows[0]!;
    let longest = -1;
    for (const row of rows) {
      of[row] = total.length;
      members.push(row);
      const duration = ends[row]! - startTime[row]!;
      sum += duration;
      if (duration > longest) {
        longest = duration;
        slow = row;
      }
      if (status[row] === STATUS_ERROR) failed++;
    }
    memberStart.push(members.length);
    total.push(sum);
    slowest.push(slow);
    errors.push(failed);
  };
  const groupAll = (list: Int32Array, first: number, end: number): void => {
    if (end - first < FEWEST_TO_FOLD) return;
    for (const rows of keys.repeated(list, first, end)) addGroup(rows);
  };
  groupAll(tree.roots, 0, tree.roots.length);
  for (let row = 0; row < skeleton.spans; row++) {
    groupAll(tree.children, tree.childStart[row]!, tree.childStart[row + 1]!);
  }
  return {
    of,
    memberStart: Uint32Array.from(memberStart),
    members: Int32Array.from(members),
    total: Float64Array.from(total),
    slowest: Int32Array.from(slowest),
    errors: Uint32Array.from(errors),
  };
}

/** Counts spans by name and service, for one parent after the other, without a map for each. */
class SiblingKeys {
  private readonly services: number;
  private readonly counts: Uint32Array;

  constructor(private readonly skeleton: Skeleton) {
    this.services = Math.max(1, skeleton.services.length);
    const size = Math.max(1, skeleton.names.length) * this.services;
    // Names may be as many as spans: keys then share their counts, and are told apart afterwards.
    this.counts = new Uint32Array(Math.min(size, MOST_KEYS));
  }

  private keyOf(row: number): number {
    return this.skeleton.name[row]! * this.services + this.skeleton.service[row]!;
  }

  /** Return the rows of a list that have a key which is there often enough, by their keys. */
  repeated(list: Int32Array, first: number, end: number): number[][] {
    const { counts } = this;
    let any = false;
    for (let at = first; at < end; at++) {
      if (++counts[this.keyOf(list[at]!) % MOST_KEYS]! === FEWEST_TO_FOLD) any = true;
    }
    const found = new Map<number, number[]>();
    for (let at = first; any && at < end; at++) {
      const row = list[at]!;
      const key = this.keyOf(row);
      if (counts[key % MOST_KEYS]! < FEWEST_TO_FOLD) continue;
      const rows = found.get(key);
      if (rows === undefined) found.set(key, [row]);
      else rows.push(row);
    }
    for (let at = first; at < end; at++) counts[this.keyOf(list[at]!) % MOST_KEYS] = 0;
    return [...found.values()].filter((rows) => rows.length >= FEWEST_TO_FOLD);
  }
}

/** Repeated siblings: spans of one name and service below one parent, which are shown as one row. */
import { type Skeleton, STATUS_ERROR } from "./skeleton.ts";
import type { Tree } from "./tree.ts";

/** Fewer siblings than this are easier to read as rows of their own. */
export const FEWEST_TO_FOLD = 5;

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
  const of = new Int32Array(skeleton.spans).fill(-1);
  const starts = [0];
  const members: number[] = [];
  const total: number[] = [];
  const slowest: number[] = [];
  const errors: number[] = [];
  const groupAll = (siblings: Int32Array): void => {
    if (siblings.length < FEWEST_TO_FOLD) return;
    const byKey = new Map<number, number[]>();
    for (const row of siblings) {
      const key = skeleton.name[row]! * 65_536 + skeleton.service[row]!;
      const found = byKey.get(key);
      if (found === undefined) byKey.set(key, [row]);
      else found.push(row);
    }
    for (const rows of byKey.values()) {
      if (rows.length < FEWEST_TO_FOLD) continue;
      const group = starts.length - 1;
      let sum = 0;
      let failed = 0;
      let longest = rows[0]!;
      for (const row of rows) {
        of[row] = group;
        members.push(row);
        const duration = ends[row]! - skeleton.startTime[row]!;
        sum += duration;
        if (duration > ends[longest]! - skeleton.startTime[longest]!) longest = row;
        if (skeleton.status[row] === STATUS_ERROR) failed++;
      }
      starts.push(members.length);
      total.push(sum);
      slowest.push(longest);
      errors.push(failed);
    }
  };
  groupAll(tree.roots);
  for (let row = 0; row < skeleton.spans; row++) {
    const first = tree.childStart[row]!;
    const end = tree.childStart[row + 1]!;
    if (end - first >= FEWEST_TO_FOLD) groupAll(tree.children.subarray(first, end));
  }
  return {
    of,
    memberStart: Uint32Array.from(starts),
    members: Int32Array.from(members),
    total: Float64Array.from(total),
    slowest: Int32Array.from(slowest),
    errors: Uint32Array.from(errors),
  };
}

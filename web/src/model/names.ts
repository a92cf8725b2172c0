/** The table of the names in a trace: how often, how long, and which was the slowest. */
import { type Skeleton, STATUS_ERROR } from "./skeleton.ts";

export interface NameRow {
  name: number;
  service: number;
  count: number;
  errors: number;
  /** Sum of durations; spans that ran at the same time count each. Nanoseconds. */
  total: number;
  self: number;
  /** Nanoseconds on the critical path. */
  critical: number;
  /** The longest span of the name: its row and duration. */
  slowest: number;
  longest: number;
}

/** Return a row for every name and service of a trace, the greatest self time first. */
export function nameTable(
  skeleton: Skeleton,
  ends: Float64Array,
  self: Float64Array,
  critical?: Float64Array,
): NameRow[] {
  const rows = new Map<number, NameRow>();
  for (let row = 0; row < skeleton.spans; row++) {
    const name = skeleton.name[row]!;
    const service = skeleton.service[row]!;
    const key = name * 65_536 + service;
    let found = rows.get(key);
    if (found === undefined) {
      found = {
        name,
        service,
        count: 0,
        errors: 0,
        total: 0,
        self: 0,
        critical: 0,
        slowest: row,
        longest: -1,
      };
      rows.set(key, found);
    }
    const duration = ends[row]! - skeleton.startTime[row]!;
    found.count++;
    found.total += duration;
    found.self += self[row]!;
    if (critical !== undefined) found.critical += critical[row]!;
    if (skeleton.status[row] === STATUS_ERROR) found.errors++;
    if (duration > found.longest) {
      found.longest = duration;
      found.slowest = row;
    }
  }
  return [...rows.values()].sort((a, b) => b.self - a.self || a.name - b.name);
}

/** A trace on the page: the skeleton, and what the worker made of it. */
import { groupOf, isGroup } from "../model/folding.ts";
import { type Intervals, intervalsOf } from "../model/runs.ts";
import { Flag, hexId, parseSkeleton, type Skeleton, STATUS_ERROR } from "../model/skeleton.ts";
import { Mark } from "../model/tree.ts";
import type { TraceData } from "../worker/protocol.ts";

const MOST_CACHED = 300;

export class TraceModel {
  readonly skeleton: Skeleton;
  readonly data: TraceData;
  private readonly rowOf = new Map<string, number>();
  private readonly covered = new Map<number, Intervals>();
  private indexed = false;

  constructor(data: TraceData) {
    this.data = data;
    this.skeleton = parseSkeleton(data.skeleton);
  }

  /** The end of the trace in nanoseconds since its start; a trace without a length has one. */
  get end(): number {
    return Math.max(1, this.data.end);
  }

  /** Return the row that stands for an item: its own, or that of a group's first member. */
  rowOfItem(item: number): number {
    if (!isGroup(item)) return item;
    const { members, memberStart } = this.data.siblings;
    return members[memberStart[groupOf(item)]!]!;
  }

  members(group: number): Int32Array {
    const { members, memberStart } = this.data.siblings;
    return members.subarray(memberStart[group], memberStart[group + 1]);
  }

  children(row: number): Int32Array {
    const { children, childStart } = this.data.tree;
    return children.subarray(childStart[row], childStart[row + 1]);
  }

  hasChildren(item: number): boolean {
    return isGroup(item) || this.children(item).length > 0;
  }

  name(row: number): string {
    return this.skeleton.names[this.skeleton.name[row]!] || "(no name)";
  }

  service(row: number): string {
    return this.skeleton.services[this.skeleton.service[row]!] ?? "";
  }

  duration(row: number): number {
    return this.skeleton.duration[row]!;
  }

  isOpen(row: number): boolean {
    return Number.isNaN(this.skeleton.duration[row]!);
  }

  failed(row: number): boolean {
    return this.skeleton.status[row] === STATUS_ERROR;
  }

  has(row: number, flag: keyof typeof Flag): boolean {
    return (this.skeleton.flags[row]! & Flag[flag]) !== 0;
  }

  isMarked(row: number, mark: keyof typeof Mark): boolean {
    return (this.data.tree.marks[row]! & Mark[mark]) !== 0;
  }

  /** Return the intervals that a span's children, or a group's members, cover. */
  coveredBy(item: number): Intervals {
    let found = this.covered.get(item);
    if (found === undefined) {
      if (this.covered.size >= MOST_CACHED) this.covered.clear();
      const { startTime } = this.skeleton;
      const { ends } = this.data;
      found = isGroup(item)
        ? intervalsOf(this.members(groupOf(item)), startTime, ends)
        : intervalsOf(this.children(item), startTime, ends, startTime[item], ends[item]);
      this.covered.set(item, found);
    }
    return found;
  }

  idOf(row: number): string {
    return hexId(this.skeleton, row);
  }

  /** Return the row with a span id, or undefined. The index is made when it is first needed. */
  rowWithId(id: string): number | undefined {
    if (!this.indexed) {
      // Backwards, so that of several spans with one id the first is found.
      for (let row = this.skeleton.spans - 1; row >= 0; row--) this.rowOf.set(this.idOf(row), row);
      this.indexed = true;
    }
    return this.rowOf.get(id);
  }

  /** Return the range of a row's events in the columns of events. */
  events(row: number): [first: number, end: number] {
    const { eventRow } = this.skeleton;
    const find = (wanted: number): number => {
      let low = 0;
      let high = eventRow.length;
      while (low < high) {
        const middle = (low + high) >> 1;
        if (eventRow[middle]! < wanted) low = middle + 1;
        else high = middle;
      }
      return low;
    };
    return this.has(row, "events") ? [find(row), find(row + 1)] : [0, 0];
  }
}

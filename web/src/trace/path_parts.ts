/** The parts of the critical path that a row stands for. */
import { type CriticalPath, pathWithin } from "../model/critical_path.ts";
import { groupOf, isGroup } from "../model/folding.ts";
import type { Intervals } from "../model/runs.ts";
import type { TraceModel } from "./model.ts";

const known = new WeakMap<CriticalPath, Map<string, Intervals>>();

/**
 * Return the parts of the path in an item, by time.
 *
 * A folded item stands for all below it. A path may have a million parts: they are found once.
 */
export function partsOf(
  item: number,
  isFolded: boolean,
  path: CriticalPath,
  model: TraceModel,
): Intervals {
  const ofPath = known.get(path) ?? new Map<string, Intervals>();
  known.set(path, ofPath);
  const key = `${item} ${isFolded}`;
  let found = ofPath.get(key);
  if (found === undefined) {
    const { place, subtreeEnd } = model.data.tree;
    const parts: [number, number][] = [];
    for (const row of isGroup(item) ? model.members(groupOf(item)) : [item]) {
      const end = isFolded ? subtreeEnd[row]! : place[row]! + 1;
      for (const part of pathWithin(path, place, place[row]!, end)) parts.push(part);
    }
    found = {
      start: Float64Array.from(parts, ([from]) => from),
      reach: Float64Array.from(parts, ([, to]) => to),
    };
    ofPath.set(key, found);
  }
  return found;
}

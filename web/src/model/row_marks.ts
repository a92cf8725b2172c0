/** Where spans are in the list of visible rows, also those that are folded away. */
import { groupOf, isGroup, type VisibleRows } from "./folding.ts";
import type { Siblings } from "./siblings.ts";
import type { Tree } from "./tree.ts";

export interface RowMarks {
  /** The place of the row that shows a span or hides it, in rising order, each once. */
  places: Int32Array;
  /** Of those, the places of rows that hide it. */
  hidden: ReadonlySet<number>;
}

const UNKNOWN = -2;
const NOWHERE = -1;

/** Return the place of every span that has a row, alone or in a group; -1 for those that have none. */
export function placesOfRows(rows: VisibleRows, siblings: Siblings, spans: number): Int32Array {
  const placeOf = new Int32Array(spans).fill(-1);
  rows.item.forEach((item, place) => {
    if (!isGroup(item)) {
      placeOf[item] = place;
      return;
    }
    const group = groupOf(item);
    const end = siblings.memberStart[group + 1]!;
    for (let at = siblings.memberStart[group]!; at < end; at++) {
      placeOf[siblings.members[at]!] = place;
    }
  });
  return placeOf;
}

/** Return the rows in which some spans are seen, or that hide them. */
export function rowMarks(
  spans: Int32Array,
  placeOf: Int32Array,
  tree: Pick<Tree, "parent">,
): RowMarks {
  const found = new Set<number>();
  const hidden = new Set<number>();
  // Where a walk upwards led, so that the next one ends there: a chain may be as long as the trace.
  const known = new Int32Array(placeOf.length).fill(UNKNOWN);
  for (const span of spans) {
    let at = span;
    while (at >= 0 && placeOf[at]! < 0 && known[at] === UNKNOWN) at = tree.parent[at]!;
    let place = NOWHERE;
    if (at >= 0) place = placeOf[at]! >= 0 ? placeOf[at]! : known[at]!;
    for (let below = span; below !== at; below = tree.parent[below]!) known[below] = place;
    if (place === NOWHERE) continue; // it is not among the rows that are shown
    found.add(place);
    if (placeOf[span]! < 0) hidden.add(place);
  }
  return { places: Int32Array.from(found).sort(), hidden };
}

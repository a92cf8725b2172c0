import { deepEqual } from "node:assert/strict";
import { test } from "node:test";
import type { SpanSpec } from "../fixtures/builder.ts";
import { treeOf } from "../fixtures/trees.ts";
import { visibleRows } from "../src/model/folding.ts";
import { placesOfRows, rowMarks } from "../src/model/row_marks.ts";
import { groupSiblings } from "../src/model/siblings.ts";

const specs: SpanSpec[] = [
  { name: "root", start: 0, end: 100 },
  { name: "a", start: 1, end: 50, parent: 0 },
  { name: "inside", start: 2, end: 40, parent: 1 },
  ...Array.from({ length: 6 }, (_, n) => ({
    name: "query",
    start: 60 + n,
    end: 61 + n,
    parent: 0,
  })),
];

function marksOf(depth: number, spans: number[]) {
  const { skeleton, ends, tree, row } = treeOf(specs);
  const siblings = groupSiblings(skeleton, ends, tree);
  const rows = visibleRows(tree, siblings, { depth, toggled: new Set(), group: true });
  const placeOf = placesOfRows(rows, siblings, skeleton.spans);
  return rowMarks(
    Int32Array.from(spans, (spec) => row[spec]!),
    placeOf,
    tree,
  );
}

test("a visible span is marked in its row", () => {
  deepEqual(marksOf(9, [2]), { places: Int32Array.of(2), hidden: new Set() });
});

test("a span that is folded away is marked in the row that hides it", () => {
  deepEqual(marksOf(1, [2]), { places: Int32Array.of(1), hidden: new Set([1]) });
});

test("members of a group are marked in its row, once", () => {
  deepEqual(marksOf(9, [4, 5, 7]), { places: Int32Array.of(3), hidden: new Set() });
});

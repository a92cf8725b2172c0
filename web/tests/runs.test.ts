import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { seeded } from "../fixtures/random.ts";
import { large } from "../fixtures/shop.ts";
import { treeOf } from "../fixtures/trees.ts";
import { packLanes } from "../src/model/lanes.ts";
import { intervalsOf, lowerBound, pixelRuns } from "../src/model/runs.ts";

function runs(pairs: [number, number][], from: number, scale: number, width: number) {
  const starts = Float64Array.from(pairs, ([start]) => start);
  const ends = Float64Array.from(pairs, ([, end]) => end);
  const rows = Int32Array.from(pairs.keys());
  return pixelRuns(intervalsOf(rows, starts, ends), from, scale, width);
}

test("intervals that overlap are one run", () => {
  deepEqual(
    runs(
      [
        [0, 10],
        [5, 20],
        [40, 50],
      ],
      0,
      1,
      100,
    ),
    [
      [0, 20],
      [40, 50],
    ],
  );
});

test("a short interval is a pixel wide", () => {
  deepEqual(runs([[100, 101]], 0, 0.01, 100), [[1, 2]]);
});

test("what began before the view and reaches into it is seen", () => {
  deepEqual(
    runs(
      [
        [0, 1000],
        [10, 20],
      ],
      500,
      1,
      100,
    ),
    [[0, 100]],
  );
});

test("a million intervals are at most a run for each pixel", () => {
  const random = seeded(3);
  const starts = Float64Array.from({ length: 1_000_000 }, () => random() * 1e9).sort();
  const ends = starts.map((start) => start + 1);
  const rows = Int32Array.from(starts.keys());
  const found = pixelRuns(intervalsOf(rows, starts, ends), 0, 1000 / 1e9, 1000);
  ok(found.length <= 1000);
});

test("the first of equal values is found", () => {
  equal(lowerBound([1, 3, 3, 5], 3), 1);
  equal(lowerBound([1, 3, 3, 5], 6), 4);
});

test("no two spans of a track overlap, and a child stands below its parent in its lane", () => {
  const { skeleton, ends, tree } = treeOf(large(4000));
  const lanes = packLanes(skeleton, ends, tree);
  for (let track = 0; track + 1 < lanes.spanStart.length; track++) {
    let reached = Number.NEGATIVE_INFINITY;
    for (let at = lanes.spanStart[track]!; at < lanes.spanStart[track + 1]!; at++) {
      const row = lanes.spans[at]!;
      ok(skeleton.startTime[row]! >= reached);
      reached = ends[row]!;
    }
  }
  for (let row = 0; row < skeleton.spans; row++) {
    const above = tree.parent[row]!;
    if (above >= 0 && skeleton.lane[above] === skeleton.lane[row]) {
      ok(lanes.trackOf[row]! > lanes.trackOf[above]!);
    }
  }
});

test("lanes of one process stand together", () => {
  const { skeleton, ends, tree } = treeOf([
    { name: "a", start: 0, end: 9, lane: "shop · one" },
    { name: "b", start: 1, end: 9, lane: "mail · one", service: "mail" },
    { name: "c", start: 2, end: 9, lane: "shop · two" },
  ]);
  const lanes = packLanes(skeleton, ends, tree);
  deepEqual(
    [...lanes.lane].map((lane) => skeleton.lanes[lane]?.service),
    ["shop", "shop", "mail"],
  );
  deepEqual([...lanes.trackOf], [0, 2, 1]);
});

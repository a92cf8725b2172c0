import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { type SpanSpec, skeletonOf } from "../fixtures/builder.ts";
import { type Random, seeded } from "../fixtures/random.ts";
import { visibleRows } from "../src/model/folding.ts";
import { placesOfRows, rowMarks } from "../src/model/row_marks.ts";
import { encodeSkeleton } from "../src/model/skeleton.ts";
import { TraceComputation } from "../src/worker/computation.ts";

const RUNS = 300;

/** Spans with parents anywhere: cycles, later spans, themselves, none, missing. */
function randomSpecs(random: Random): SpanSpec[] {
  const count = Math.floor(random() * 60);
  return Array.from({ length: count }, () => {
    const start = Math.floor(random() * 1000) - (random() < 0.05 ? 500 : 0);
    const length = Math.floor(random() ** 2 * 500) - (random() < 0.1 ? 100 : 0);
    return {
      name: `name ${Math.floor(random() * 4)}`,
      service: random() < 0.5 ? "a" : "b",
      lane: `x · ${Math.floor(random() * 3)}`,
      start,
      end: random() < 0.1 ? undefined : start + length,
      parent: random() < 0.2 ? -1 - Math.floor(random() * 3) : Math.floor(random() * count),
      status: random() < 0.2 ? 2 : 0,
      kind: Math.floor(random() * 6),
    };
  });
}

function each(check: (trace: TraceComputation, random: Random) => void): void {
  for (let seed = 0; seed < RUNS; seed++) {
    const random = seeded(seed);
    const { skeleton } = skeletonOf(randomSpecs(random));
    check(new TraceComputation(encodeSkeleton(skeleton)), random);
  }
}

test("every span is in the order of the tree once, below its parent", () => {
  each(({ tree, skeleton }) => {
    deepEqual(
      [...tree.order].sort((a, b) => a - b),
      Array.from({ length: skeleton.spans }, (_, row) => row),
    );
    for (const row of tree.order) {
      const above = tree.parent[row]!;
      if (above < 0) continue;
      ok(tree.place[above]! < tree.place[row]!);
      ok(tree.place[row]! < tree.subtreeEnd[above]!);
    }
  });
});

test("every span is a row where nothing is folded", () => {
  each(({ tree, siblings, skeleton }) => {
    const rows = visibleRows(tree, siblings, { depth: 1e9, toggled: new Set(), group: false });
    deepEqual([...rows.item], [...tree.order]);
    equal(rows.item.length, skeleton.spans);
  });
});

test("self time is between nothing and the duration", () => {
  each(({ skeleton, ends, self }) => {
    for (let row = 0; row < skeleton.spans; row++) {
      ok(self[row]! >= 0);
      ok(self[row]! <= ends[row]! - skeleton.startTime[row]!);
    }
  });
});

test("the critical path is at one place at a time, and within its spans", () => {
  each((trace) => {
    const path = trace.path();
    const parts = [...path.row].map((row, at) => [path.from[at]!, path.to[at]!, row] as const);
    parts.sort((a, b) => a[0] - b[0]);
    let reached = Number.NEGATIVE_INFINITY;
    for (const [from, to, row] of parts) {
      ok(from >= reached && to > from);
      ok(from >= trace.skeleton.startTime[row]! && to <= trace.ends[row]!);
      reached = to;
    }
  });
});

test("every failed span is marked in one of the rows", () => {
  each(({ tree, siblings, skeleton }, random) => {
    const depth = Math.floor(random() * 4);
    const rows = visibleRows(tree, siblings, { depth, toggled: new Set(), group: true });
    const placeOf = placesOfRows(rows, siblings, skeleton.spans);
    const failed = tree.order.filter((row) => skeleton.status[row] === 2);
    const marks = rowMarks(failed, placeOf, tree);
    equal(marks.places.length > 0, failed.length > 0);
    for (const place of marks.places) ok(place >= 0 && place < rows.item.length);
  });
});

test("lanes, names and the minimap take whatever comes", () => {
  each((trace) => {
    const { spans } = trace.skeleton;
    equal(trace.lanes().spans.length, spans);
    equal(
      trace.names().reduce((sum, { count }) => sum + count, 0),
      spans,
    );
    ok(trace.minimap().height >= 1);
  });
});

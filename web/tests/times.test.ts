import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import type { SpanSpec } from "../fixtures/builder.ts";
import { chain, large, order } from "../fixtures/shop.ts";
import { treeOf } from "../fixtures/trees.ts";
import { criticalPath, pathWithin } from "../src/model/critical_path.ts";
import { nameTable } from "../src/model/names.ts";
import { selfTimes } from "../src/model/self_time.ts";

function selfOf(specs: SpanSpec[]): number[] {
  const { skeleton, row, ends, tree } = treeOf(specs);
  const self = selfTimes(skeleton.startTime, ends, tree);
  return [...row].map((at) => self[at]!);
}

function pathOf(specs: SpanSpec[]): [name: string, from: number, to: number][] {
  const { skeleton, ends, tree } = treeOf(specs);
  const path = criticalPath(skeleton, ends, tree);
  return [...path.row]
    .map((row, at): [string, number, number] => [
      skeleton.names[skeleton.name[row]!]!,
      path.from[at]!,
      path.to[at]!,
    ])
    .sort((a, b) => a[1] - b[1]);
}

test("children that overlap are subtracted once", () => {
  const self = selfOf([
    { name: "root", start: 0, end: 100 },
    { name: "a", start: 10, end: 50, parent: 0 },
    { name: "b", start: 30, end: 60, parent: 0 },
    { name: "c", start: 35, end: 40, parent: 0 },
  ]);
  deepEqual(self, [50, 40, 30, 5]);
});

test("a child is clipped to its parent", () => {
  const self = selfOf([
    { name: "root", start: 10, end: 100 },
    { name: "early", start: 0, end: 20, parent: 0 },
    { name: "late", start: 90, end: 200, parent: 0 },
    { name: "outside", start: 150, end: 160, parent: 0 },
  ]);
  equal(self[0], 70);
});

test("self times of a trace without overlap add up to its root", () => {
  const { skeleton, ends, tree } = treeOf(chain(500));
  const self = selfTimes(skeleton.startTime, ends, tree);
  equal(
    self.reduce((sum, value) => sum + value, 0),
    ends[0],
  );
});

test("the path goes through children one after the other", () => {
  const path = pathOf([
    { name: "root", start: 0, end: 100 },
    { name: "a", start: 10, end: 40, parent: 0 },
    { name: "b", start: 50, end: 90, parent: 0 },
  ]);
  deepEqual(path, [
    ["root", 0, 10],
    ["a", 10, 40],
    ["root", 40, 50],
    ["b", 50, 90],
    ["root", 90, 100],
  ]);
});

test("of concurrent children, the path goes through the last to end", () => {
  const path = pathOf([
    { name: "root", start: 0, end: 100 },
    { name: "short", start: 10, end: 40, parent: 0 },
    { name: "long", start: 12, end: 90, parent: 0 },
    { name: "other", start: 15, end: 60, parent: 0 },
  ]);
  deepEqual(path, [
    ["root", 0, 12],
    ["long", 12, 90],
    ["root", 90, 100],
  ]);
});

test("a child that ran beside the path's child, and ended before it started, comes before it", () => {
  const path = pathOf([
    { name: "root", start: 0, end: 100 },
    { name: "a", start: 0, end: 30, parent: 0 },
    { name: "overlaps", start: 20, end: 60, parent: 0 },
    { name: "last", start: 50, end: 100, parent: 0 },
  ]);
  deepEqual(path, [
    ["a", 0, 30],
    ["root", 30, 50],
    ["last", 50, 100],
  ]);
});

test("a child that outlives its parent was not waited for", () => {
  const path = pathOf([
    { name: "root", start: 0, end: 100 },
    { name: "background", start: 10, end: 300, parent: 0 },
    { name: "work", start: 20, end: 80, parent: 0 },
  ]);
  deepEqual(path, [
    ["root", 0, 20],
    ["work", 20, 80],
    ["root", 80, 100],
  ]);
});

test("a client waits for its server, whose clock may differ", () => {
  const path = pathOf([
    { name: "client", start: 0, end: 100, kind: 3 },
    { name: "server", start: -5, end: 104, parent: 0, kind: 2 },
  ]);
  deepEqual(path, [["server", 0, 100]]);
});

test("spans whose parent is missing are children of the trace", () => {
  const path = pathOf([
    { name: "root", start: 0, end: 40 },
    { name: "lost", start: 60, end: 100, parent: -2 },
  ]);
  deepEqual(path, [
    ["root", 0, 40],
    ["lost", 60, 100],
  ]);
});

test("the path visits every moment of a root once", () => {
  const { skeleton, ends, tree } = treeOf(large(5000));
  const path = criticalPath(skeleton, ends, tree);
  const parts = [...path.row].map((_, at) => [path.from[at]!, path.to[at]!] as const);
  parts.sort((a, b) => a[0] - b[0]);
  let reached = 0;
  for (const [from, to] of parts) {
    ok(Math.abs(from - reached) < 1e-3);
    reached = to;
  }
  ok(Math.abs(reached - ends[0]!) < 1e-3);
});

test("the path of a chain of 20,000 spans is found", () => {
  const { skeleton, ends, tree } = treeOf(chain(20_000));
  const path = criticalPath(skeleton, ends, tree);
  equal(
    path.time.reduce((sum, value) => sum + value, 0),
    ends[0],
  );
});

test("the path within a folded subtree is joined", () => {
  const { skeleton, ends, tree } = treeOf([
    { name: "root", start: 0, end: 100 },
    { name: "a", start: 10, end: 90, parent: 0 },
    { name: "b", start: 20, end: 60, parent: 1 },
  ]);
  const path = criticalPath(skeleton, ends, tree);
  deepEqual(pathWithin(path, tree.place, 1, 2), [
    [10, 20],
    [60, 90],
  ]);
  deepEqual(pathWithin(path, tree.place, 1, 3), [[10, 90]]);
});

test("names are counted and summed", () => {
  const { skeleton, ends, tree } = treeOf(order());
  const self = selfTimes(skeleton.startTime, ends, tree);
  const table = nameTable(skeleton, ends, self);
  const payments = table.filter((row) => skeleton.names[row.name] === "POST /payments");
  deepEqual(
    payments.map((row) => [skeleton.services[row.service], row.count, row.errors]),
    [
      ["payments", 3, 3],
      ["shop", 3, 3],
    ],
  );
  equal(
    table.reduce((sum, row) => sum + row.count, 0),
    skeleton.spans,
  );
});

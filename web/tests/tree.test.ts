import { deepEqual, equal } from "node:assert/strict";
import { test } from "node:test";
import type { SpanSpec } from "../fixtures/builder.ts";
import { chain, large } from "../fixtures/shop.ts";
import { treeOf } from "../fixtures/trees.ts";
import { Mark } from "../src/model/tree.ts";

function outline(specs: SpanSpec[]): string[] {
  const { skeleton, tree } = treeOf(specs);
  return [...tree.order].map(
    (row) => " ".repeat(tree.depth[row]!) + skeleton.names[skeleton.name[row]!]!,
  );
}

test("children stand below their parent by start", () => {
  const found = outline([
    { name: "root", start: 0, end: 10 },
    { name: "late", start: 5, end: 6, parent: 0 },
    { name: "early", start: 1, end: 4, parent: 0 },
    { name: "inner", start: 2, end: 3, parent: 2 },
  ]);
  deepEqual(found, ["root", " early", "  inner", " late"]);
});

test("a span whose parent is missing stands at the top and is marked", () => {
  const { tree, row } = treeOf([
    { name: "root", start: 0, end: 10 },
    { name: "lost", start: 2, end: 3, parent: -2 },
    { name: "remote", start: 4, end: 5, parent: -3 },
  ]);
  deepEqual([...tree.roots], [0, 1, 2]);
  deepEqual(
    [...row].map((at) => tree.marks[at]! & Mark.orphan),
    [0, Mark.orphan, Mark.orphan],
  );
});

test("a parent may start after its child", () => {
  const { tree, row } = treeOf([
    { name: "parent", start: 5, end: 9 },
    { name: "child", start: 3, end: 8, parent: 0 },
  ]);
  deepEqual([...tree.order], [row[0], row[1]]);
  equal(tree.marks[row[1]!], Mark.startsEarly);
});

test("a child that ends after its parent is marked", () => {
  const { tree, row } = treeOf([
    { name: "parent", start: 0, end: 9 },
    { name: "child", start: 3, end: 12, parent: 0 },
  ]);
  equal(tree.marks[row[1]!], Mark.outlivesParent);
});

test("a cycle is cut at its first span", () => {
  const specs: SpanSpec[] = [
    { name: "a", start: 0, end: 9, parent: 2 },
    { name: "b", start: 1, end: 8, parent: 0 },
    { name: "c", start: 2, end: 7, parent: 1 },
    { name: "below", start: 3, end: 4, parent: 2 },
  ];
  deepEqual(outline(specs), ["a", " b", "  c", "   below"]);
  const { tree } = treeOf(specs);
  deepEqual([...tree.marks], [Mark.cycle, 0, 0, 0]);
});

test("a span that is its own parent stands at the top", () => {
  deepEqual(outline([{ name: "self", start: 0, end: 1, parent: 0 }]), ["self"]);
});

test("a chain of 5,000 spans is walked", () => {
  const { tree } = treeOf(chain(5000));
  equal(tree.deepest, 4999);
  equal(tree.subtreeEnd[0], 5000);
});

test("a subtree is one range of the order", () => {
  const { tree } = treeOf(large(3000));
  for (const row of tree.order) {
    const inside = tree.order.subarray(tree.place[row]! + 1, tree.subtreeEnd[row]!);
    for (const below of inside) {
      let at = below;
      while (tree.depth[at]! > tree.depth[row]!) at = tree.parent[at]!;
      equal(at, row);
    }
  }
});

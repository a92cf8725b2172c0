import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import type { SpanSpec } from "../fixtures/builder.ts";
import { chain, large, order } from "../fixtures/shop.ts";
import { treeOf } from "../fixtures/trees.ts";
import {
  closedAbove,
  type FoldState,
  firstDepth,
  groupItem,
  isGroup,
  visibleRows,
  withAncestors,
} from "../src/model/folding.ts";
import { groupCount, groupSiblings } from "../src/model/siblings.ts";

function repeated(count: number): SpanSpec[] {
  const specs: SpanSpec[] = [{ name: "root", start: 0, end: 1000 }];
  for (let index = 0; index < count; index++) {
    specs.push({
      name: "query",
      start: 10 + index * 10,
      end: 15 + index * 10 + index,
      parent: 0,
      status: index === 3 ? 2 : 0,
    });
  }
  specs.push({ name: "inside", start: 11, end: 12, parent: 1 });
  specs.push({ name: "other", start: 900, end: 910, parent: 0 });
  return specs;
}

function modelOf(specs: SpanSpec[]) {
  const found = treeOf(specs);
  return { ...found, siblings: groupSiblings(found.skeleton, found.ends, found.tree) };
}

function shown(specs: SpanSpec[], state: Partial<FoldState>): string[] {
  const { skeleton, tree, siblings } = modelOf(specs);
  const rows = visibleRows(tree, siblings, {
    depth: 99,
    toggled: new Set(),
    group: true,
    ...state,
  });
  return [...rows.item].map((item, at) => {
    const row = isGroup(item) ? siblings.members[siblings.memberStart[-1 - item]!]! : item;
    const name = skeleton.names[skeleton.name[row]!]!;
    return `${" ".repeat(rows.depth[at]!)}${name}${isGroup(item) ? " ×" : ""}${rows.last[at] ? " ." : ""}`;
  });
}

test("repeated siblings are one row with their figures", () => {
  const { siblings } = modelOf(repeated(6));
  equal(groupCount(siblings), 1);
  equal(siblings.total[0], 6 * 5 + 15);
  equal(siblings.slowest[0], siblings.members[5]);
  equal(siblings.errors[0], 1);
  deepEqual(shown(repeated(6), {}), ["root .", " query ×", " other ."]);
});

test("few siblings stay rows of their own", () => {
  equal(groupCount(modelOf(repeated(4)).siblings), 0);
});

test("an open group shows its members one level below", () => {
  const rows = shown(repeated(5), { toggled: new Set([groupItem(0)]) });
  deepEqual(rows, [
    "root .",
    " query ×",
    "  query",
    "   inside .",
    "  query",
    "  query",
    "  query",
    "  query .",
    " other .",
  ]);
});

test("without groups every span is a row", () => {
  const { skeleton, tree, siblings } = modelOf(order());
  const rows = visibleRows(tree, siblings, { depth: 99, toggled: new Set(), group: false });
  equal(rows.item.length, skeleton.spans);
});

test("a depth closes what is below, and a toggle opens it again", () => {
  deepEqual(shown(chain(4), { depth: 1 }), ["level 0 .", " level 1 ."]);
  deepEqual(shown(chain(4), { depth: 1, toggled: new Set([1]) }), [
    "level 0 .",
    " level 1 .",
    "  level 2 .",
  ]);
});

test("only matches are shown with their ancestors", () => {
  const { tree } = modelOf(repeated(6));
  const matches = new Uint8Array(tree.order.length);
  matches[2] = 1;
  const keep = withAncestors(matches, tree);
  deepEqual([keep[0], keep[2]], [2, 1]);
  deepEqual(shown(repeated(6), { only: keep }), ["root .", " query .", "  inside ."]);
});

test("what hides a row is named, so that it can be opened", () => {
  const { tree, siblings, row } = modelOf(repeated(6));
  const state: FoldState = { depth: 0, toggled: new Set(), group: true };
  const inside = row[7]!;
  const closed = closedAbove(inside, tree, siblings, state);
  const rows = visibleRows(tree, siblings, { ...state, toggled: new Set(closed) });
  ok(rows.item.includes(inside));
});

test("a small trace is open and a deep one is folded at first", () => {
  const small = modelOf(order());
  ok(firstDepth(small.tree, small.siblings) > small.tree.deepest);
  const deep = modelOf(chain(5000));
  ok(firstDepth(deep.tree, deep.siblings) < 50);
  const wide = modelOf(large(50_000));
  const depth = firstDepth(wide.tree, wide.siblings);
  const rows = visibleRows(wide.tree, wide.siblings, { depth, toggled: new Set(), group: true });
  ok(rows.item.length < 5000);
});

test("the parent of a visible row stands above it", () => {
  const { tree, siblings } = modelOf(large(2000));
  const rows = visibleRows(tree, siblings, {
    depth: 99,
    toggled: new Set([-1, -2, -3]),
    group: true,
  });
  for (let at = 0; at < rows.item.length; at++) {
    const above = rows.parent[at]!;
    ok(above < at);
    if (above >= 0) equal(rows.depth[above], rows.depth[at]! - 1);
  }
});

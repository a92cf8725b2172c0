import { deepEqual, equal, throws } from "node:assert/strict";
import { test } from "node:test";
import { skeletonOf } from "../fixtures/builder.ts";
import { order } from "../fixtures/shop.ts";
import { encodeSkeleton, endTimes, hexId, parseSkeleton } from "../src/model/skeleton.ts";

test("a skeleton comes out of its buffer as it went in", () => {
  const { skeleton } = skeletonOf(order());
  deepEqual(parseSkeleton(encodeSkeleton(skeleton)), skeleton);
});

test("a trace without spans is a skeleton too", () => {
  const { skeleton } = skeletonOf([]);
  equal(parseSkeleton(encodeSkeleton(skeleton)).spans, 0);
});

test("another version is refused", () => {
  const text = new TextEncoder().encode('{"version":2}');
  const bytes = new Uint8Array(24);
  new DataView(bytes.buffer).setUint32(0, text.length, true);
  bytes.set(text, 4);
  throws(() => parseSkeleton(bytes.buffer), /version 2/);
});

test("a column that is not known is passed over", () => {
  const { skeleton } = skeletonOf([{ name: "a", start: 0, end: 5 }]);
  const bytes = new Uint8Array(encodeSkeleton(skeleton));
  const header = new TextDecoder("latin1").decode(bytes.subarray(0, 900));
  const at = header.indexOf('"idle"');
  bytes.set(new TextEncoder().encode('"odd_"'), at);
  equal(parseSkeleton(bytes.buffer).idle[0], 0);
});

test("an id is sixteen hexadecimal digits", () => {
  equal(hexId({ id: BigUint64Array.from([255n]) }, 0), "00000000000000ff");
});

test("an open span lasts until the end of the trace", () => {
  const { skeleton } = skeletonOf([
    { name: "a", start: 0, end: 10 },
    { name: "b", start: 4, end: undefined },
  ]);
  const { ends, end } = endTimes(skeleton);
  equal(end, 10);
  deepEqual([...ends], [10, 10]);
});

test("a negative duration is drawn as none", () => {
  const { skeleton } = skeletonOf([{ name: "a", start: 7, end: 3 }]);
  deepEqual([...endTimes(skeleton).ends], [7]);
});

import { deepEqual, equal } from "node:assert/strict";
import { test } from "node:test";
import { formatBytes, formatDuration, formatShare } from "../src/format/numbers.ts";
import { cutMiddle } from "../src/format/text.ts";
import { tickLabel, tickStep, tickTimes } from "../src/format/ticks.ts";
import { formatExact, formatTime } from "../src/format/time.ts";
import { serviceColour } from "../src/model/colours.ts";

test("durations have three digits", () => {
  const cases: [number, string][] = [
    [0, "0 ns"],
    [42, "42 ns"],
    [1500, "1.50 µs"],
    [999_600, "1.00 ms"],
    [41_250_000, "41.3 ms"],
    [812_000_000, "812 ms"],
    [1_420_000_000, "1.42 s"],
    [61_000_000_000, "1 min 01 s"],
    [3_661_000_000_000, "1 h 01 min"],
    [Number.NaN, "…"],
  ];
  for (const [value, text] of cases) equal(formatDuration(value).replaceAll("\u2009", " "), text);
});

test("times are exact to the nanosecond", () => {
  const at = 1_795_824_187_412_345_678n;
  equal(formatTime(at, "utc"), "00:03:07.412");
  equal(formatExact(at, "utc"), "2026-11-28 00:03:07.412345678Z");
});

test("ticks are round", () => {
  equal(tickStep(1.42e9, 8), 200e6);
  deepEqual(tickTimes(0, 100, 4), [0, 50, 100]);
  equal(tickLabel(250e6, 250e6, 900e6).replace("\u2009", " "), "250 ms");
  equal(tickLabel(1.5e9, 0.5e9, 3e9).replace("\u2009", " "), "1.5 s");
});

test("long text is cut in the middle", () => {
  equal(cutMiddle("abcdefghij", 6), "abc…ij");
  equal(cutMiddle("short", 6), "short");
});

test("sizes and shares", () => {
  equal(formatBytes(1_234_567).replace("\u2009", " "), "1.23 MB");
  equal(formatShare(1, 400).replace("\u2009", " "), "<1 %");
});

test("a service keeps its colour", () => {
  equal(serviceColour("shop"), serviceColour("shop"));
});

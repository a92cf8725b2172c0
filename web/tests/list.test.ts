import { deepEqual, equal } from "node:assert/strict";
import { test } from "node:test";
import type { TraceSummary } from "../src/api/types.ts";
import { isContinued, withNewer } from "../src/list/newer.ts";
import {
  clockStep,
  durationAt,
  durationTicks,
  type PointScale,
  timeAt,
  xOf,
  yOf,
} from "../src/list/point_scale.ts";
import { hasTerm, quoteValue, replaceTerms, splitTerms } from "../src/query/query_text.ts";

function trace(id: string, start: number): TraceSummary {
  return {
    id,
    start: String(start),
    duration: 1,
    service: "shop",
    root: "GET",
    spans: 1,
    errors: 0,
    services: ["shop"],
  };
}

function ids(traces: TraceSummary[]): string {
  return traces.map(({ id }) => id).join("");
}

test("a newer first page comes before what was there, each trace once", () => {
  const before = [trace("b", 20), trace("a", 10)];
  equal(ids(withNewer(before, [trace("c", 30), trace("b", 20)])), "cba");
});

test("what is newer than the page's end and not in it is gone", () => {
  const before = [trace("b", 20), trace("a", 10)];
  equal(ids(withNewer(before, [trace("c", 30), trace("x", 15)])), "cxa");
});

test("a page that has nothing of what was there replaces it, so that none is missing between", () => {
  const before = [trace("b", 20), trace("a", 10)];
  const page = [trace("z", 90), trace("y", 80)];
  equal(isContinued(before, page), false);
  equal(isContinued(before, [trace("c", 30), trace("b", 20)]), true);
  equal(isContinued([], page), true);
});

test("terms are added, found and removed, quotes respected", () => {
  const query = 'service:shop name:"GET /users*" error';
  deepEqual(splitTerms(query), ["service:shop", 'name:"GET /users*"', "error"]);
  equal(hasTerm(query, "error"), true);
  equal(replaceTerms(query, /^error$/, []), 'service:shop name:"GET /users*"');
  equal(
    replaceTerms(query, /^service:/, ["service:mail"]),
    'name:"GET /users*" error service:mail',
  );
  equal(replaceTerms("a duration>5ms b", /^duration[<>]/, ["duration>9ms"]), "a b duration>9ms");
});

test("values are quoted where they have to be", () => {
  equal(quoteValue("shop"), "shop");
  equal(quoteValue("GET /users"), '"GET /users"');
  equal(quoteValue('say "hi"'), '"say \\"hi\\""');
});

test("points go there and back", () => {
  const scale: PointScale = {
    left: 60,
    width: 500,
    height: 120,
    from: 1000,
    to: 2000,
    shortest: 1e3,
    longest: 1e9,
  };
  equal(timeAt(scale, xOf(scale, 1250)), 1250);
  equal(Math.round(durationAt(scale, yOf(scale, 5e6))), 5e6);
  deepEqual(durationTicks(1e3, 1e9, 4), [1e3, 1e5, 1e7, 1e9]);
  equal(clockStep(600e9, 6), 120e9);
});

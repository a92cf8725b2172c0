import { deepEqual, equal } from "node:assert/strict";
import { test } from "node:test";
import type { Attribute } from "../src/api/types.ts";
import { editorLink } from "../src/format/editors.ts";
import { parseStackTrace } from "../src/format/stack_trace.ts";
import { attributesObject, groupAttributes, valueText } from "../src/format/values.ts";

function text(key: string, value: unknown, type: Attribute["type"] = "string"): Attribute {
  return { key, type, value };
}

test("a stack trace has frames, code and the exception", () => {
  const lines = parseStackTrace(
    [
      "Traceback (most recent call last):",
      '  File "/app/shop.py", line 3, in charge',
      "    pay()",
      '  File "/usr/lib/python3.12/site-packages/httpx/_client.py", line 9, in post',
      "    send()",
      "shop.PaymentDeclined: no",
    ].join("\n"),
  );
  deepEqual(
    lines.map(({ kind, foreign }) => [kind, foreign ?? null]),
    [
      ["text", null],
      ["file", false],
      ["code", false],
      ["file", true],
      ["code", true],
      ["error", null],
    ],
  );
  deepEqual([lines[1]?.path, lines[1]?.line], ["/app/shop.py", 3]);
});

test("editors have their links, and a template makes others", () => {
  equal(editorLink("vscode", "/app/a b.py", 3), "vscode://file/app/a%20b.py:3");
  equal(editorLink("pycharm", "/app/a.py", 3), "pycharm://open?file=/app/a.py&line=3");
  equal(editorLink("vscode", "C:\\app\\a.py", 3), "vscode://file/C:/app/a.py:3");
  equal(editorLink("zed://file/{path}:{line}", "/a.py", 1), "zed://file/a.py:1");
});

test("a template that runs script is refused", () => {
  for (const template of [
    "javascript:alert({path})",
    " JavaScript:{path}",
    "data:{path}",
    "{path}",
  ]) {
    equal(editorLink(template, "/a.py", 1), undefined);
  }
});

test("attributes are grouped by prefix, the program's own first", () => {
  const groups = groupAttributes([
    text("code.file.path", "/a"),
    text("http.route", "/x"),
    text("sku", "tea"),
    text("http.request.method", "GET"),
    text("user.id", "7"),
  ]);
  deepEqual(
    groups.map(({ prefix, attributes }) => [prefix, attributes.map(({ key }) => key)]),
    [
      ["", ["sku", "user.id"]],
      ["http", ["http.route", "http.request.method"]],
      ["code", ["code.file.path"]],
    ],
  );
});

test("values are text to read and JSON to copy", () => {
  const values: [Attribute, string, unknown][] = [
    [text("a", "9007199254740993", "int"), "9007199254740993", "9007199254740993"],
    [text("a", "7", "int"), "7", 7],
    [text("a", true, "bool"), "true", true],
    [text("a", [{ type: "string", value: "x" }], "array"), '["x"]', ["x"]],
  ];
  for (const [attribute, shown, json] of values) {
    equal(valueText(attribute), shown);
    deepEqual(attributesObject([attribute]), { a: json });
  }
});

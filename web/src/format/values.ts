/** Attribute values as text: to be read, and to be copied. */
import type { Attribute } from "../api/types.ts";

/** Return a value as plain JSON data; nested OTLP values lose their types. */
export function plainValue(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plainElement);
  if (value !== null && typeof value === "object") {
    return Object.fromEntries(
      Object.entries(value).map(([key, part]) => [key, plainElement(part)]),
    );
  }
  return value;
}

/** An element of an array or a map is a value, or an object of its type and its value. */
function plainElement(element: unknown): unknown {
  if (element !== null && typeof element === "object" && !Array.isArray(element)) {
    const keys = Object.keys(element);
    if (keys.length === 2 && "type" in element && "value" in element) {
      return plainValue((element as { value: unknown }).value);
    }
  }
  return plainValue(element);
}

/** Return a value as text: strings as they are, all else as JSON. */
export function valueText({ type, value }: Pick<Attribute, "type" | "value">): string {
  if (typeof value === "string") return value;
  if (type === "array" || type === "kvlist") return attributesText(type, value);
  return value === null || value === undefined ? "" : JSON.stringify(plainValue(value));
}

function attributesText(type: string, value: unknown): string {
  if (type === "kvlist" && Array.isArray(value)) return JSON.stringify(attributesObject(value));
  return JSON.stringify(plainValue(value));
}

/** Return a value as it stands in JSON: figures are figures. */
export function jsonValue({ type, value }: Pick<Attribute, "type" | "value">): unknown {
  if (type === "int" && typeof value === "string") {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value;
  }
  if (type === "kvlist" && Array.isArray(value)) return attributesObject(value as Attribute[]);
  return plainValue(value);
}

/** Return attributes as one object. */
export function attributesObject(attributes: Attribute[]): Record<string, unknown> {
  return Object.fromEntries(attributes.map((one) => [one.key, jsonValue(one)]));
}

export interface AttributeGroup {
  prefix: string;
  attributes: Attribute[];
}

/**
 * Return attributes by the first part of their dotted names, the program's own first.
 *
 * What stands alone in its group is put with those without a dot.
 */
export function groupAttributes(attributes: Attribute[]): AttributeGroup[] {
  const groups = new Map<string, Attribute[]>();
  for (const attribute of attributes) {
    const dot = attribute.key.indexOf(".");
    const prefix = dot > 0 ? attribute.key.slice(0, dot) : "";
    const found = groups.get(prefix);
    if (found === undefined) groups.set(prefix, [attribute]);
    else found.push(attribute);
  }
  const own: Attribute[] = groups.get("") ?? [];
  groups.delete("");
  const result: AttributeGroup[] = [];
  for (const [prefix, members] of groups) {
    if (members.length === 1 && !LATE.includes(prefix)) own.push(members[0]!);
    else result.push({ prefix, attributes: members });
  }
  result.sort((a, b) => rank(a.prefix) - rank(b.prefix) || a.prefix.localeCompare(b.prefix));
  return own.length > 0 ? [{ prefix: "", attributes: own }, ...result] : result;
}

/** Where the code is and which thread ran it comes after what the program says. */
const LATE = ["code", "thread", "telemetry"];

function rank(prefix: string): number {
  return LATE.indexOf(prefix) + 1;
}

/** Whether an attribute contains a text in its key or its value. */
export function attributeMatches(attribute: Attribute, text: string): boolean {
  const wanted = text.toLowerCase();
  return (
    attribute.key.toLowerCase().includes(wanted) ||
    valueText(attribute).toLowerCase().includes(wanted)
  );
}

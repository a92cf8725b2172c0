/** Items by the ids of their spans: rows have other numbers when more spans have arrived. */
import { groupItem, isGroup } from "../model/folding.ts";
import type { TraceModel } from "./model.ts";

const GROUP = "~";

/** Return an item as text: the id of the span, or of the first span of a group after `~`. */
export function itemToText(item: number, model: TraceModel): string {
  return (isGroup(item) ? GROUP : "") + model.idOf(model.rowOfItem(item));
}

export function itemFromText(text: string, model: TraceModel): number | undefined {
  const row = model.rowWithId(text.replace(GROUP, ""));
  if (row === undefined || !text.startsWith(GROUP)) return row;
  const group = model.data.siblings.of[row]!;
  return group < 0 ? row : groupItem(group);
}

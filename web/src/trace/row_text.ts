/** The words of a row: its name, its badges, and what is noticed about it. */
import { formatCount, formatDuration } from "../format/numbers.ts";
import { groupOf, isGroup } from "../model/folding.ts";
import type { TraceModel } from "./model.ts";

export interface RowText {
  name: string;
  /** The service, where it is another one than the parent's; of a group, its slowest. */
  aside: string;
  /** After the name: `× 412`, and the slowest of a group. */
  count: string;
  figure: string;
  failed: boolean;
  warning: boolean;
  links: boolean;
  open: boolean;
  /** A sentence for those who hear the page, and for the tooltip. */
  spoken: string;
}

/** Return what is noticed about the place of a span, as sentences. */
export function notes(model: TraceModel, row: number): string[] {
  const { tree, ends } = model.data;
  const { startTime } = model.skeleton;
  const above = tree.parent[row]!;
  const found: string[] = [];
  if (model.isMarked(row, "orphan")) {
    const remote = model.skeleton.parent[row] === -3;
    found.push(
      remote
        ? "Its parent is in another process and has not arrived."
        : "Its parent has not arrived.",
    );
  }
  if (model.isMarked(row, "cycle"))
    found.push("Its parents lead back to itself; the circle is cut here.");
  if (model.isMarked(row, "outlivesParent")) {
    const late = formatDuration(ends[row]! - ends[above]!);
    found.push(`It ends ${late} after its parent.`);
  }
  if (model.isMarked(row, "startsEarly")) {
    const early = formatDuration(startTime[above]! - startTime[row]!);
    found.push(`It starts ${early} before its parent: the clocks differ.`);
  }
  if (model.has(row, "duplicateId")) found.push("Another span has the same id.");
  if (model.duration(row) < 0) found.push("It ends before it starts.");
  return found;
}

/** Return the words of a row. */
export function rowText(model: TraceModel, item: number, figure: "total" | "self"): RowText {
  const row = model.rowOfItem(item);
  const { siblings, tree, self, ends } = model.data;
  const above = tree.parent[row]!;
  const service =
    above >= 0 && model.service(above) === model.service(row) ? "" : model.service(row);
  if (isGroup(item)) {
    const group = groupOf(item);
    const members = model.members(group);
    const slowest = siblings.slowest[group]!;
    const longest = ends[slowest]! - model.skeleton.startTime[slowest]!;
    let sum = siblings.total[group]!;
    if (figure === "self") sum = members.reduce((total, member) => total + self[member]!, 0);
    const errors = siblings.errors[group]!;
    return {
      name: model.name(row),
      aside: `${service === "" ? "" : `${service} · `}slowest ${formatDuration(longest)}`,
      count: `× ${formatCount(members.length)}`,
      figure: formatDuration(sum),
      failed: errors > 0,
      warning: false,
      links: false,
      open: false,
      spoken:
        `${members.length} spans, in total ${formatDuration(sum)}, ` +
        `slowest ${formatDuration(longest)}${errors > 0 ? `, ${errors} failed` : ""}`,
    };
  }
  const isOpen = model.isOpen(row);
  const total = isOpen ? Number.NaN : model.duration(row);
  const noticed = notes(model, row);
  const spoken = [
    isOpen ? "has not ended" : `takes ${formatDuration(total)}`,
    `self ${formatDuration(self[row]!)}`,
    `starts at ${formatDuration(model.skeleton.startTime[row]!)}`,
  ];
  if (model.failed(row)) spoken.push("failed");
  return {
    name: model.name(row),
    aside: service,
    count: "",
    figure: formatDuration(figure === "self" ? self[row]! : total),
    failed: model.failed(row),
    warning: noticed.length > 0,
    links: model.has(row, "links"),
    open: isOpen,
    spoken: [spoken.join(", "), ...noticed].join(". "),
  };
}

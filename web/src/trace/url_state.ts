/** The state of the trace page in the URL, so that a reload or a colleague sees the same. */
import { effect } from "@preact/signals";
import { parameters, setParameters } from "../shell/router.ts";
import { itemFromText, itemToText } from "./item_text.ts";
import type { TraceModel } from "./model.ts";
import { MOST_DEPTH, type Mode, type TraceSession } from "./session.ts";

/** More folds than this do not fit into an address that can be sent to somebody. */
const MOST_FOLDS = 100;
const WRITE_AFTER_MS = 150;
/** The depth to which everything is unfolded. */
const ALL = "all";

/** Set the state that does not depend on the trace's data. */
export function restoreChoices(session: TraceSession): void {
  const search = parameters.peek();
  const mode = search.get("mode");
  session.mode.value = mode === "lanes" || mode === "names" ? (mode as Mode) : "tree";
  session.figure.value = search.get("figure") === "self" ? "self" : "total";
  session.showPath.value = search.get("path") !== "0";
  session.group.value = search.get("repeats") !== "0";
  session.panelOpen.value = search.get("panel") !== "0";
  session.search.query.value = search.get("q") ?? "";
  const depth = search.get("depth") ?? "";
  const number = depth === ALL ? MOST_DEPTH : Number.parseInt(depth, 10);
  session.depth.value = Number.isNaN(number) ? null : number;
}

/** Set the state that names spans and times. */
export function restorePlace(session: TraceSession, model: TraceModel): void {
  const search = parameters.peek();
  const span = search.get("span");
  const item = span ? itemFromText(span, model) : undefined;
  session.cursor.value = item ?? model.data.tree.roots[0] ?? null;
  const toggled = new Set<number>();
  for (const text of (search.get("fold") ?? "").split(",").filter(Boolean)) {
    const found = itemFromText(text, model);
    if (found !== undefined) toggled.add(found);
  }
  session.toggled.value = toggled;
  const time = /^(\d+)-(\d+)$/.exec(search.get("t") ?? "");
  if (time) session.view.jump(Number(time[1]), Number(time[2]));
}

/** Write the state into the URL when it changes; returns what ends that. */
export function writeState(session: TraceSession): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const stop = effect(() => {
    const model = session.model.value;
    if (model === null) return;
    const cursor = session.cursor.value;
    const { from, to, isWhole } = session.view;
    const depth = session.depth.value;
    const toggled = [...session.toggled.value].slice(0, MOST_FOLDS);
    const time = `${Math.round(from.value)}-${Math.round(to.value)}`;
    const changes: Record<string, string | null> = {
      span: cursor === null ? null : itemToText(cursor, model),
      t: isWhole ? null : time,
      mode: session.mode.value === "tree" ? null : session.mode.value,
      figure: session.figure.value === "self" ? "self" : null,
      path: session.showPath.value ? null : "0",
      repeats: session.group.value ? null : "0",
      panel: session.panelOpen.value ? null : "0",
      depth: depth === null ? null : depth === MOST_DEPTH ? ALL : String(depth),
      fold: toggled.map((item) => itemToText(item, model)).join(","),
      q: session.search.query.value,
      only: session.only.value ? "1" : null,
    };
    clearTimeout(timer);
    timer = setTimeout(() => setParameters(changes), WRITE_AFTER_MS);
  });
  return () => {
    clearTimeout(timer);
    stop();
  };
}

/** What the keys do in the tree and in the lanes. */
import type { TraceSession } from "./session.ts";

/** Move the cursor by a number of rows. */
export function moveBy(session: TraceSession, by: number): void {
  if (session.mode.peek() === "lanes") {
    moveInLanes(session, by);
    return;
  }
  const place = session.cursorPlace();
  const from = place < 0 ? Math.ceil(session.scroll.peek()) - Math.sign(by) : place;
  session.moveTo(from + by);
}

/** Fold the row under the cursor, or go to its parent. */
export function foldOrParent(session: TraceSession): void {
  const cursor = session.cursor.peek();
  const model = session.model.peek();
  if (session.mode.peek() === "lanes") {
    stepInTrack(session, -1);
    return;
  }
  if (cursor === null || model === null) return;
  if (model.hasChildren(cursor) && session.isOpen(cursor)) {
    session.toggle(cursor);
    return;
  }
  const above = session.rows.peek()?.parent[session.cursorPlace()] ?? -1;
  if (above >= 0) session.moveTo(above);
}

/** Unfold the row under the cursor, or go to its first child. */
export function unfoldOrChild(session: TraceSession): void {
  const cursor = session.cursor.peek();
  const model = session.model.peek();
  if (session.mode.peek() === "lanes") {
    stepInTrack(session, 1);
    return;
  }
  if (cursor === null || model === null || !model.hasChildren(cursor)) return;
  if (!session.isOpen(cursor)) session.toggle(cursor);
  else session.moveTo(session.cursorPlace() + 1);
}

/** Go along a track of the lanes. */
function stepInTrack(session: TraceSession, by: 1 | -1): void {
  const lanes = session.lanes.peek();
  const model = session.model.peek();
  const cursor = session.cursor.peek();
  if (lanes === null || model === null || cursor === null) return;
  const row = model.rowOfItem(cursor);
  const track = lanes.trackOf[row]!;
  const spans = lanes.spans.subarray(lanes.spanStart[track], lanes.spanStart[track + 1]);
  const next = spans[spans.indexOf(row) + by];
  if (next === undefined) return;
  session.cursor.value = next;
  session.view.include(model.skeleton.startTime[next]!, model.data.ends[next]!);
}

/** Go to the span of another track that is nearest in time. */
function moveInLanes(session: TraceSession, by: number): void {
  const lanes = session.lanes.peek();
  const model = session.model.peek();
  if (lanes === null || model === null) return;
  const cursor = session.cursor.peek();
  const row = cursor === null ? -1 : model.rowOfItem(cursor);
  const tracks = lanes.spanStart.length - 1;
  const from = row < 0 ? Math.floor(session.scroll.peek()) - 1 : lanes.trackOf[row]!;
  const track = Math.max(0, Math.min(tracks - 1, from + by));
  const spans = lanes.spans.subarray(lanes.spanStart[track], lanes.spanStart[track + 1]);
  const { startTime } = model.skeleton;
  const wanted = row < 0 ? session.view.from.peek() : startTime[row]!;
  let found = spans[0];
  for (const span of spans) {
    if (startTime[span]! > wanted) break;
    found = span;
  }
  if (found === undefined) return;
  session.cursor.value = found;
  session.scrollTo(track);
}

/** Zoom to the span under the cursor. */
export function zoomToCursor(session: TraceSession): void {
  const cursor = session.cursor.peek();
  const model = session.model.peek();
  if (cursor === null || model === null) return;
  const members = session.cursorGroup();
  const rows = members ?? Int32Array.of(cursor);
  let from = Number.POSITIVE_INFINITY;
  let to = 0;
  for (const row of rows) {
    from = Math.min(from, model.skeleton.startTime[row]!);
    to = Math.max(to, model.data.ends[row]!);
  }
  session.view.show(from, to);
}

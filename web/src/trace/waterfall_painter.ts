/** The drawing of the waterfall: tree lines, bars, events, the critical path. */
import { BAR_HEIGHT, drawBar, drawEvent, type TimeScale } from "../canvas/bars.ts";
import { colourOf, type Palette } from "../canvas/palette.ts";
import { tickStep, tickTimes } from "../format/ticks.ts";
import type { CriticalPath } from "../model/critical_path.ts";
import { groupOf, isGroup, type VisibleRows } from "../model/folding.ts";
import { pixelRuns } from "../model/runs.ts";
import { INDENT, type Indentation, levelX, ROW } from "./layout.ts";
import type { TraceModel } from "./model.ts";
import { partsOf } from "./path_parts.ts";

const BAR_TOP = (ROW - BAR_HEIGHT) / 2;
const MOST_EVENTS = 200;

export interface PaintState {
  model: TraceModel;
  palette: Palette;
  rows: VisibleRows;
  first: number;
  last: number;
  /** Return y of a row. */
  y: (place: number) => number;
  scale: TimeScale;
  indent: Indentation;
  nameWidth: number;
  cursor: number | null;
  hover: number;
  isOpen: (item: number) => boolean;
  marked: Uint8Array | undefined;
  path: CriticalPath | null;
}

type Context = CanvasRenderingContext2D;

/** Draw the rows of a state. */
export function paintWaterfall(
  context: Context,
  width: number,
  height: number,
  state: PaintState,
): void {
  for (let place = state.first; place < state.last; place++)
    paintBackground(context, width, place, state);
  paintGrid(context, height, state.scale, state.palette);
  for (let place = state.first; place < state.last; place++) paintTree(context, place, state);
  const { scale } = state;
  context.save();
  context.beginPath();
  context.rect(scale.left - 4, 0, scale.width + 8, height);
  context.clip();
  for (let place = state.first; place < state.last; place++) paintRow(context, place, state);
  context.restore();
}

/** Draw the vertical lines of the time axis. */
export function paintGrid(
  context: Context,
  height: number,
  scale: TimeScale,
  palette: Palette,
): void {
  const to = scale.from + scale.width / scale.scale;
  context.fillStyle = palette.line;
  for (const time of tickTimes(scale.from, to, scale.width / 110)) {
    const x = Math.round(scale.left + (time - scale.from) * scale.scale);
    context.fillRect(x, 0, 1, height);
  }
}

export function tickDistance(scale: TimeScale): number {
  return tickStep(scale.width / scale.scale, scale.width / 110);
}

function paintBackground(context: Context, width: number, place: number, state: PaintState): void {
  const { palette } = state;
  const item = state.rows.item[place]!;
  const y = state.y(place);
  const isMatch = state.marked?.[state.model.rowOfItem(item)] === 1;
  if (item === state.cursor) {
    context.fillStyle = palette.selected;
    context.fillRect(0, y, width, ROW);
    context.fillStyle = palette.accent;
    context.fillRect(0, y, 2, ROW);
  } else if (place === state.hover) {
    context.fillStyle = palette.hover;
    context.fillRect(0, y, width, ROW);
  } else if (isMatch) {
    context.fillStyle = palette.match;
    context.fillRect(0, y, width, ROW);
  }
  if (isMatch) {
    context.fillStyle = palette.warning;
    context.fillRect(item === state.cursor ? 2 : 0, y + 4, 2, ROW - 8);
  }
}

function paintTree(context: Context, place: number, state: PaintState): void {
  const { rows, indent, palette, model } = state;
  const item = rows.item[place]!;
  const y = state.y(place);
  const middle = Math.round(y + ROW / 2);
  const depth = rows.depth[place]!;
  const x = levelX(depth, indent);
  context.fillStyle = palette["line-strong"];
  // The line from the parent to this row, and those of ancestors that have rows further down.
  let at = place;
  for (let level = depth; level > indent.shift && at >= 0; level--) {
    const lineX = Math.round(levelX(level - 1, indent) + 5);
    if (level - indent.shift <= indent.most) {
      if (at === place) {
        context.fillRect(lineX, y, 1, rows.last[place] ? ROW / 2 : ROW);
        context.fillRect(lineX, middle, INDENT - (model.hasChildren(item) ? 7 : 2), 1);
      } else if (!rows.last[at]) {
        context.fillRect(lineX, y, 1, ROW);
      }
    }
    at = rows.parent[at]!;
  }
  if (model.hasChildren(item)) {
    const isOpen = state.isOpen(item);
    if (isOpen) context.fillRect(Math.round(x + 5), middle + 5, 1, ROW / 2 - 5);
    context.fillStyle = palette["text-2"];
    context.beginPath();
    if (isOpen) {
      context.moveTo(x + 1.5, middle - 2);
      context.lineTo(x + 9.5, middle - 2);
      context.lineTo(x + 5.5, middle + 3);
    } else {
      context.moveTo(x + 3, middle - 4);
      context.lineTo(x + 8, middle);
      context.lineTo(x + 3, middle + 4);
    }
    context.fill();
  }
  context.fillStyle = palette.self[colourOf(model.service(model.rowOfItem(item)))]!;
  context.beginPath();
  if (isGroup(item)) {
    // Three bars for many spans, one disc for one.
    for (let bar = 0; bar < 3; bar++) context.rect(x + 14, middle - 4 + bar * 3, 8, 2);
  } else {
    context.arc(x + 18, middle, 4, 0, Math.PI * 2);
  }
  context.fill();
}

function paintRow(context: Context, place: number, state: PaintState): void {
  const { model, scale, palette } = state;
  const item = state.rows.item[place]!;
  const y = state.y(place) + BAR_TOP;
  if (isGroup(item)) {
    paintGroup(context, groupOf(item), item, y, state);
  } else {
    const { startTime, idle } = model.skeleton;
    const start = startTime[item]!;
    const end = model.data.ends[item]!;
    drawBar(
      context,
      scale,
      {
        y,
        start,
        end,
        colour: colourOf(model.service(item)),
        covered: model.coveredBy(item),
        idle: end > start ? idle[item]! / (end - start) : 0,
        failed: model.failed(item),
        open: model.isOpen(item),
      },
      palette,
    );
    paintParentEdge(context, item, y, state);
    paintEvents(context, item, y, state);
  }
  if (state.path !== null) paintPath(context, item, y, state.path, state);
}

function paintGroup(
  context: Context,
  group: number,
  item: number,
  y: number,
  state: PaintState,
): void {
  const { model, scale, palette } = state;
  context.fillStyle = palette.self[colourOf(model.service(model.rowOfItem(item)))]!;
  for (const [from, to] of pixelRuns(model.coveredBy(item), scale.from, scale.scale, scale.width)) {
    const gap = to - from > 3 ? 0.5 : 0;
    context.fillRect(scale.left + from, y, Math.max(1, to - from - gap), BAR_HEIGHT);
  }
  if (model.data.siblings.errors[group] === 0) return;
  context.fillStyle = palette.error;
  let reached = Number.NEGATIVE_INFINITY;
  for (const member of model.members(group)) {
    if (!model.failed(member)) continue;
    const x = scale.left + (model.data.ends[member]! - scale.from) * scale.scale;
    if (x - reached < 1) continue;
    reached = x;
    context.fillRect(x - 1, y - 2, 3, BAR_HEIGHT + 4);
  }
}

/** Where a span reaches over the edges of its parent, the edge is drawn; the bar is not moved. */
function paintParentEdge(
  context: Context,
  row: number,
  y: number,
  { model, scale, palette }: PaintState,
): void {
  const above = model.data.tree.parent[row]!;
  if (above < 0) return;
  const edges: number[] = [];
  if (model.isMarked(row, "outlivesParent")) edges.push(model.data.ends[above]!);
  if (model.isMarked(row, "startsEarly")) edges.push(model.skeleton.startTime[above]!);
  for (const time of edges) {
    const x = Math.round(scale.left + (time - scale.from) * scale.scale);
    if (x < scale.left || x > scale.left + scale.width) continue;
    context.fillStyle = palette.surface;
    context.fillRect(x - 2, y - 3, 5, BAR_HEIGHT + 6);
    context.fillStyle = palette.warning;
    for (let dash = y - 4; dash < y + BAR_HEIGHT + 4; dash += 4)
      context.fillRect(x, dash, 1.5, 2.5);
  }
}

function paintEvents(
  context: Context,
  row: number,
  y: number,
  { model, scale, palette }: PaintState,
): void {
  const [first, end] = model.events(row);
  const { eventTime, eventKind } = model.skeleton;
  const step = Math.max(1, Math.floor((end - first) / MOST_EVENTS));
  for (let event = first; event < end; event += step) {
    const x = (eventTime[event]! - scale.from) * scale.scale;
    if (x < 0 || x > scale.width) continue;
    drawEvent(context, scale.left + x, y, eventKind[event] === 1, palette);
  }
}

function paintPath(
  context: Context,
  item: number,
  y: number,
  path: CriticalPath,
  state: PaintState,
): void {
  const { scale, palette } = state;
  context.fillStyle = palette.path;
  const parts = partsOf(item, isGroup(item) || !state.isOpen(item), path, state.model);
  for (const [from, to] of pixelRuns(parts, scale.from, scale.scale, scale.width)) {
    context.fillRect(scale.left + from, y + BAR_HEIGHT + 2, to - from, 2);
  }
}

/** The drawing of lanes: one track for each level of a thread, spans with their names inside. */
import type { TimeScale } from "../canvas/bars.ts";
import { colourOf, currentPalette } from "../canvas/palette.ts";
import type { CriticalPath } from "../model/critical_path.ts";
import type { Lanes } from "../model/lanes.ts";
import { pixelRuns } from "../model/runs.ts";
import type { TraceModel } from "./model.ts";
import { partsOf } from "./path_parts.ts";
import { paintGrid } from "./waterfall_painter.ts";

export const TRACK = 20;
export const LANES_LEFT = 240;
const BAR = 17;
const LABEL_FROM = 28;

export interface LanesState {
  model: TraceModel;
  lanes: Lanes;
  scale: TimeScale;
  top: number;
  cursor: number;
  marked: Uint8Array | undefined;
  path: CriticalPath | null;
  font: string;
}

type Context = CanvasRenderingContext2D;

export function paintLanes(
  context: Context,
  width: number,
  height: number,
  state: LanesState,
): void {
  const { lanes, scale, top } = state;
  const palette = currentPalette();
  paintGrid(context, height, scale, palette);
  context.font = state.font;
  context.textBaseline = "middle";
  const tracks = lanes.spanStart.length - 1;
  const first = Math.floor(top / TRACK);
  const last = Math.min(tracks, Math.ceil((top + height) / TRACK));
  context.save();
  context.beginPath();
  context.rect(scale.left, 0, scale.width, height);
  context.clip();
  for (let track = first; track < last; track++) paintTrack(context, track, state);
  context.restore();
  context.fillStyle = palette.line;
  for (let index = 0; index < lanes.lane.length; index++) {
    const y = lanes.trackStart[index]! * TRACK - top;
    if (y > 0 && y < height) context.fillRect(0, Math.round(y) - 1, width, 1);
  }
}

/** The first span of a track that ends after a time: spans of a track do not overlap. */
function firstVisible(spans: Int32Array, ends: Float64Array, from: number): number {
  let low = 0;
  let high = spans.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ends[spans[middle]!]! < from) low = middle + 1;
    else high = middle;
  }
  return low;
}

function paintTrack(context: Context, track: number, state: LanesState): void {
  const { model, lanes, scale, top } = state;
  const { startTime } = model.skeleton;
  const { ends } = model.data;
  const spans = lanes.spans.subarray(lanes.spanStart[track], lanes.spanStart[track + 1]);
  const y = track * TRACK - top + 1;
  const to = scale.from + scale.width / scale.scale;
  let index = firstVisible(spans, ends, scale.from);
  while (index < spans.length && startTime[spans[index]!]! < to) {
    const row = spans[index]!;
    const x0 = (startTime[row]! - scale.from) * scale.scale;
    const x1 = (ends[row]! - scale.from) * scale.scale;
    if (x1 - x0 >= 1) {
      paintSpan(
        context,
        row,
        scale.left + Math.max(-2, x0),
        scale.left + Math.min(scale.width + 2, x1),
        y,
        state,
      );
      index++;
      continue;
    }
    // Many short spans share a pixel: one of them is drawn, an error before the others.
    const pixelEnd = scale.from + (Math.floor(x0) + 1) / scale.scale;
    let next = index + 1;
    let high = spans.length;
    while (next < high) {
      const middle = (next + high) >> 1;
      if (startTime[spans[middle]!]! < pixelEnd) next = middle + 1;
      else high = middle;
    }
    let shown = row;
    for (let at = index; at < Math.min(next, index + 64); at++) {
      if (model.failed(spans[at]!)) shown = spans[at]!;
    }
    paintSpan(context, shown, scale.left + x0, scale.left + x0 + 1, y, state);
    index = next;
  }
}

function paintSpan(
  context: Context,
  row: number,
  x0: number,
  x1: number,
  y: number,
  state: LanesState,
): void {
  const { model, path, scale } = state;
  const palette = currentPalette();
  const colour = colourOf(model.service(row));
  const width = x1 - x0;
  const failed = model.failed(row);
  context.fillStyle = width < 3 && failed ? palette.error : palette.cover[colour]!;
  context.fillRect(x0, y, Math.max(1, width - (width > 3 ? 1 : 0)), BAR);
  if (width >= 3) {
    context.fillStyle = failed ? palette.error : palette.self[colour]!;
    context.fillRect(x0, y, Math.min(3, width - 1), BAR);
  }
  if (state.marked?.[row] === 1) {
    context.fillStyle = palette.warning;
    context.fillRect(x0, y, Math.max(2, width - 1), 2);
  }
  if (path !== null && width >= 2 && path.time[row]! > 0) {
    context.fillStyle = palette.path;
    const runs = pixelRuns(partsOf(row, false, path, model), scale.from, scale.scale, scale.width);
    for (const [from, to] of runs) {
      context.fillRect(scale.left + from, y + BAR - 2, Math.min(to, x1 - scale.left - 1) - from, 2);
    }
  }
  if (row === state.cursor) {
    context.strokeStyle = palette.accent;
    context.lineWidth = 2;
    context.strokeRect(x0 + 1, y + 1, Math.max(2, width - 3), BAR - 2);
  }
  if (width < LABEL_FROM) return;
  const room = width - 12;
  const text = (failed ? "✕ " : "") + model.name(row);
  context.fillStyle = palette.text;
  const measured = context.measureText(text).width;
  if (measured <= room) {
    context.fillText(text, x0 + 7, y + BAR / 2 + 0.5);
    return;
  }
  const characters = Math.floor((text.length * room) / measured) - 1;
  if (characters >= 3) context.fillText(`${text.slice(0, characters)}…`, x0 + 7, y + BAR / 2 + 0.5);
}

/** The parts that bars are drawn from. */
import { type Intervals, pixelRuns } from "../model/runs.ts";
import type { Palette } from "./palette.ts";

export const BAR_HEIGHT = 12;
const RADIUS = 2;
const HATCH_WIDTH = 14;

/** The place of times on the screen: x of the left edge, its time, pixels per nanosecond. */
export interface TimeScale {
  left: number;
  width: number;
  from: number;
  scale: number;
}

export interface Bar {
  y: number;
  start: number;
  end: number;
  colour: number;
  /** What the children cover; undefined for a span without children. */
  covered?: Intervals | undefined;
  /** The share of the span in which it was idle, from 0 to 1. */
  idle?: number;
  failed?: boolean;
  open?: boolean;
}

/** Return the ends of a bar on the screen, cut at the edges, or undefined where it is outside. */
export function barEnds(
  scale: TimeScale,
  start: number,
  end: number,
): [x0: number, x1: number] | undefined {
  const x0 = (start - scale.from) * scale.scale;
  const x1 = Math.max((end - scale.from) * scale.scale, x0 + 2);
  if (x1 < 0 || x0 > scale.width) return undefined;
  return [scale.left + Math.max(-4, x0), scale.left + Math.min(scale.width + 4, x1)];
}

function fillBar(
  context: CanvasRenderingContext2D,
  x0: number,
  x1: number,
  y: number,
  height: number,
): void {
  context.beginPath();
  context.roundRect(x0, y, x1 - x0, height, Math.min(RADIUS, (x1 - x0) / 2));
  context.fill();
}

/** Draw a bar: own work darker than what children cover, hollow where idle, hatched where it failed. */
export function drawBar(
  context: CanvasRenderingContext2D,
  scale: TimeScale,
  bar: Bar,
  palette: Palette,
): void {
  const ends = barEnds(scale, bar.start, bar.end);
  if (ends === undefined) {
    drawOutside(context, scale, bar, palette);
    return;
  }
  const [x0, x1] = ends;
  const { y } = bar;
  const self = palette.self[bar.colour]!;
  const cover = palette.cover[bar.colour]!;
  const idle = bar.idle ?? 0;
  context.fillStyle = self;
  if (idle > 0.02 && x1 - x0 > 6) {
    // Filled from below as far as it was busy: when it was idle is not known.
    const busy = Math.max(2, Math.round(BAR_HEIGHT * (1 - Math.min(1, idle))));
    context.globalAlpha = 0.16;
    fillBar(context, x0, x1, y, BAR_HEIGHT);
    context.globalAlpha = 1;
    fillBar(context, x0, x1, y + BAR_HEIGHT - busy, busy);
    context.strokeStyle = self;
    context.lineWidth = 1;
    context.beginPath();
    context.roundRect(x0 + 0.5, y + 0.5, x1 - x0 - 1, BAR_HEIGHT - 1, RADIUS);
    context.stroke();
  } else {
    fillBar(context, x0, x1, y, BAR_HEIGHT);
  }
  if (bar.covered !== undefined && bar.covered.start.length > 0) {
    context.save();
    context.beginPath();
    context.roundRect(x0, y, x1 - x0, BAR_HEIGHT, Math.min(RADIUS, (x1 - x0) / 2));
    context.clip();
    for (const [from, to] of pixelRuns(bar.covered, scale.from, scale.scale, scale.width, 0)) {
      context.fillStyle = palette.surface;
      context.fillRect(scale.left + from, y, to - from, BAR_HEIGHT);
      context.fillStyle = cover;
      context.fillRect(scale.left + from, y, to - from, BAR_HEIGHT);
    }
    context.restore();
  }
  if (bar.open) drawOpenEnd(context, x1, y, palette);
  if (bar.failed) drawHatch(context, x0, x1, y, palette);
}

/** A small arrow at the edge: the bar is to the left or to the right of what is seen. */
function drawOutside(
  context: CanvasRenderingContext2D,
  scale: TimeScale,
  bar: Bar,
  palette: Palette,
): void {
  const isLeft = bar.end < scale.from;
  const x = isLeft ? scale.left + 4 : scale.left + scale.width - 4;
  const turn = isLeft ? 4 : -4;
  const middle = bar.y + BAR_HEIGHT / 2;
  context.strokeStyle = bar.failed ? palette.error : palette["text-3"];
  context.lineWidth = 1.25;
  context.beginPath();
  context.moveTo(x + turn, middle - 4);
  context.lineTo(x, middle);
  context.lineTo(x + turn, middle + 4);
  context.stroke();
}

function drawHatch(
  context: CanvasRenderingContext2D,
  x0: number,
  x1: number,
  y: number,
  palette: Palette,
): void {
  const from = Math.max(x0, x1 - HATCH_WIDTH);
  context.save();
  context.beginPath();
  context.roundRect(from, y, x1 - from, BAR_HEIGHT, Math.min(RADIUS, (x1 - from) / 2));
  context.clip();
  context.fillStyle = palette.error;
  context.fillRect(from, y, x1 - from, BAR_HEIGHT);
  context.strokeStyle = palette.surface;
  context.lineWidth = 1.5;
  context.beginPath();
  for (let x = from - BAR_HEIGHT; x < x1; x += 5) {
    context.moveTo(x, y + BAR_HEIGHT + 1);
    context.lineTo(x + BAR_HEIGHT + 2, y - 1);
  }
  context.globalAlpha = 0.65;
  context.stroke();
  context.restore();
}

/** The end of a span that has not ended: it fades out in dashes. */
function drawOpenEnd(
  context: CanvasRenderingContext2D,
  x1: number,
  y: number,
  palette: Palette,
): void {
  context.fillStyle = palette.surface;
  for (let step = 0; step < 4; step++) context.fillRect(x1 - 4 - step * 6, y, 4 - step, BAR_HEIGHT);
}

/** Draw an event as a tick through its bar; an exception is red and ends in a point. */
export function drawEvent(
  context: CanvasRenderingContext2D,
  x: number,
  y: number,
  isException: boolean,
  palette: Palette,
): void {
  context.fillStyle = palette.surface;
  context.fillRect(Math.round(x) - 1.5, y - 2, 4, BAR_HEIGHT + 4);
  context.fillStyle = isException ? palette.error : palette.text;
  context.fillRect(Math.round(x) - 0.5, y - 2, 2, BAR_HEIGHT + 4);
  context.beginPath();
  context.arc(Math.round(x) + 0.5, y - 2, isException ? 2.5 : 2, 0, Math.PI * 2);
  context.fill();
}

/** The whole trace in a strip, with the visible part in a frame that can be moved and drawn anew. */
import { useSignalEffect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { colourOf, coloursVersion, currentPalette } from "../canvas/palette.ts";
import { Surface } from "../canvas/surface.ts";
import { MINIMAP_ERROR, MINIMAP_WIDTH, type MinimapPicture } from "../model/minimap.ts";
import { scheme } from "../shell/settings.ts";
import type { TraceModel } from "./model.ts";
import type { TraceSession } from "./session.ts";

const EDGE = 6;

/** Paint the cells once; later frames copy the picture. */
function paintCells(model: TraceModel, { cells, height: rows }: MinimapPicture): OffscreenCanvas {
  const palette = currentPalette();
  const picture = new OffscreenCanvas(MINIMAP_WIDTH, rows);
  const context = picture.getContext("2d")!;
  const colours = model.skeleton.services.map((service) => palette.self[colourOf(service)]!);
  for (let y = 0; y < rows; y++) {
    let x = 0;
    while (x < MINIMAP_WIDTH) {
      const value = cells[y * MINIMAP_WIDTH + x]!;
      let end = x + 1;
      while (end < MINIMAP_WIDTH && cells[y * MINIMAP_WIDTH + end] === value) end++;
      if (value > 0) {
        context.fillStyle =
          value === MINIMAP_ERROR ? palette.error : (colours[value - 1] ?? palette.text);
        context.fillRect(x, y, end - x, 1);
      }
      x = end;
    }
  }
  return picture;
}

export function Minimap({ session }: { session: TraceSession }) {
  const box = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const surface = useRef<Surface | undefined>(undefined);
  const picture = useRef<OffscreenCanvas | undefined>(undefined);
  const selection = useRef<[number, number] | undefined>(undefined);

  useEffect(() => {
    surface.current = new Surface(canvas.current!, (context, width, height) => {
      const model = session.model.peek();
      if (model === null) return;
      const cells = session.minimap.peek();
      if (cells !== null) picture.current ??= paintCells(model, cells);
      const palette = currentPalette();
      context.imageSmoothingEnabled = false;
      if (picture.current !== undefined) {
        const used = Math.min(height - 8, picture.current.height * 4);
        context.globalAlpha = 0.85;
        context.drawImage(picture.current, 0, Math.round((height - used) / 2), width, used);
        context.globalAlpha = 1;
      }
      const scale = width / model.end;
      const cursor = session.cursor.peek();
      if (cursor !== null) {
        const row = model.rowOfItem(cursor);
        const x0 = model.skeleton.startTime[row]! * scale;
        const x1 = model.data.ends[row]! * scale;
        context.fillStyle = palette.accent;
        context.fillRect(x0, height - 2, Math.max(2, x1 - x0), 2);
      }
      const range = selection.current;
      const [from, to] = range
        ? [Math.min(...range), Math.max(...range)]
        : [session.view.from.peek() * scale, session.view.to.peek() * scale];
      if (range === undefined && session.view.isWhole) return;
      context.fillStyle = palette.surface;
      context.globalAlpha = 0.7;
      context.fillRect(0, 0, from, height);
      context.fillRect(to, 0, width - to, height);
      context.globalAlpha = 1;
      context.strokeStyle = palette.accent;
      context.lineWidth = 1;
      context.strokeRect(
        Math.round(from) + 0.5,
        0.5,
        Math.max(2, Math.round(to - from) - 1),
        height - 1,
      );
    });
    return () => surface.current?.close();
  }, [session]);

  useSignalEffect(() => {
    scheme.value;
    coloursVersion.value;
    session.minimap.value;
    picture.current = undefined;
    surface.current?.request();
  });
  useSignalEffect(() => {
    session.view.from.value;
    session.view.to.value;
    session.cursor.value;
    surface.current?.request();
  });

  const start = (event: PointerEvent): void => {
    const model = session.model.peek();
    if (model === null) return;
    const element = box.current!;
    const { left, width } = element.getBoundingClientRect();
    const scale = width / model.end;
    const begin = event.clientX - left;
    const { from, to } = session.view;
    const before: [number, number] = [from.peek(), to.peek()];
    const [x0, x1] = [before[0] * scale, before[1] * scale];
    const isWhole = session.view.isWhole;
    const onLeft = !isWhole && Math.abs(begin - x0) < EDGE;
    const onRight = !isWhole && Math.abs(begin - x1) < EDGE;
    const inside = !isWhole && !onLeft && !onRight && begin > x0 && begin < x1;
    element.setPointerCapture(event.pointerId);
    element.onpointermove = (moved) => {
      const at = Math.max(0, Math.min(width, moved.clientX - left));
      if (onLeft) session.view.jump(Math.min(at / scale, before[1]), before[1]);
      else if (onRight) session.view.jump(before[0], Math.max(at / scale, before[0]));
      else if (inside) {
        const by = (at - begin) / scale;
        session.view.jump(before[0] + by, before[1] + by);
      } else {
        selection.current = [begin, at];
        surface.current?.request();
      }
    };
    element.onpointerup = () => {
      element.onpointermove = null;
      element.onpointerup = null;
      const range = selection.current;
      selection.current = undefined;
      surface.current?.request();
      if (range && Math.abs(range[1] - range[0]) > 3) {
        session.view.ease(Math.min(...range) / scale, Math.max(...range) / scale);
      }
    };
  };

  return (
    <div
      class="minimap"
      ref={box}
      onPointerDown={start}
      onDblClick={() => session.view.ease(...session.view.whole)}
      title="Drag to zoom, double click for the whole trace"
    >
      <canvas ref={canvas} aria-hidden="true" />
    </div>
  );
}

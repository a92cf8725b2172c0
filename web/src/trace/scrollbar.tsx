/**
 * The scrollbar of the rows, with marks of errors and matches over the whole list.
 *
 * An element of the page cannot be high enough for a million rows, so the thumb is mapped.
 */
import { useSignalEffect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { currentPalette } from "../canvas/palette.ts";
import { Surface } from "../canvas/surface.ts";
import { scheme } from "../shell/settings.ts";
import type { TraceSession } from "./session.ts";

const SMALLEST_THUMB = 28;

/** Return the top and the height of the thumb in pixels. */
export function thumbOf(
  scroll: number,
  page: number,
  rows: number,
  height: number,
): [top: number, height: number] {
  if (rows <= page || height <= 0) return [0, height];
  const size = Math.max(SMALLEST_THUMB, (page / rows) * height);
  const most = rows - page + 0.5;
  return [Math.min(1, scroll / most) * (height - size), size];
}

export function Scrollbar({ session, label }: { session: TraceSession; label: string }) {
  const track = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const surface = useRef<Surface | undefined>(undefined);

  useEffect(() => {
    surface.current = new Surface(canvas.current!, (context, width, height) => {
      const model = session.model.peek();
      const rows = session.rowCount.peek();
      if (model === null || rows === 0) return;
      const palette = currentPalette();
      if (session.mode.peek() === "tree") {
        const mark = (places: Int32Array, colour: string, x: number): void => {
          context.fillStyle = colour;
          let reached = -2;
          for (const place of places) {
            const y = Math.floor((place / Math.max(rows, session.page.peek())) * height);
            if (y - reached < 2) continue;
            reached = y;
            context.fillRect(x, y, width / 2 - 2, 2);
          }
        };
        mark(session.marks.matches.peek().places, palette.warning, width / 2);
        mark(session.marks.errors.peek().places, palette.error, 2);
      }
      const page = session.page.peek();
      if (rows <= page) return;
      const [top, size] = thumbOf(session.scroll.peek(), page, rows, height);
      context.fillStyle = palette["text-3"];
      context.globalAlpha = 0.45;
      context.beginPath();
      context.roundRect(3, top + 2, width - 6, size - 4, 4);
      context.fill();
      context.globalAlpha = 1;
    });
    return () => surface.current?.close();
  }, [session]);

  useSignalEffect(() => {
    session.scroll.value;
    session.rowCount.value;
    session.page.value;
    session.search.matches.value;
    scheme.value;
    surface.current?.request();
  });

  const drag = (event: PointerEvent): void => {
    const element = track.current!;
    const height = element.clientHeight;
    const rows = session.rowCount.peek();
    const page = session.page.peek();
    const [top, size] = thumbOf(session.scroll.peek(), page, rows, height);
    const box = element.getBoundingClientRect();
    const y = event.clientY - box.top;
    const grip = y >= top && y <= top + size ? y - top : size / 2;
    const move = (at: number): void => {
      const share = (at - box.top - grip) / Math.max(1, height - size);
      session.setScroll(share * (rows - page + 0.5));
    };
    move(event.clientY);
    element.setPointerCapture(event.pointerId);
    element.onpointermove = (moved) => move(moved.clientY);
    element.onpointerup = () => {
      element.onpointermove = null;
    };
    event.preventDefault();
    event.stopPropagation();
  };

  const most = Math.max(0, session.rowCount.value - session.page.value);
  return (
    <div
      class="scrollbar"
      ref={track}
      onPointerDown={drag}
      role="scrollbar"
      tabIndex={-1}
      aria-label={label}
      aria-controls="rows"
      aria-orientation="vertical"
      aria-valuemin={0}
      aria-valuemax={Math.round(most)}
      aria-valuenow={Math.min(Math.round(most), Math.round(session.scroll.value))}
    >
      <canvas ref={canvas} />
    </div>
  );
}

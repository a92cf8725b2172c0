/** The time axis above the bars; dragging along it selects the range to zoom to. */
import { useSignalEffect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { currentPalette } from "../canvas/palette.ts";
import { Surface } from "../canvas/surface.ts";
import { tickLabel, tickStep, tickTimes } from "../format/ticks.ts";
import { scheme } from "../shell/settings.ts";
import { SCROLLBAR } from "./layout.ts";
import type { TraceSession } from "./session.ts";

export function Ruler({ session }: { session: TraceSession }) {
  const box = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const surface = useRef<Surface | undefined>(undefined);
  const selection = useRef<[number, number] | undefined>(undefined);

  useEffect(() => {
    surface.current = new Surface(canvas.current!, (context, whole, height) => {
      const width = whole - SCROLLBAR - 8;
      const palette = currentPalette();
      const from = session.view.from.peek();
      const to = session.view.to.peek();
      const scale = width / (to - from);
      const { font } = getComputedStyle(canvas.current!);
      context.font = font;
      context.textBaseline = "middle";
      if (selection.current) {
        const [a, b] = selection.current;
        context.fillStyle = palette.selected;
        context.fillRect(Math.min(a, b), 0, Math.abs(b - a), height);
      }
      const step = tickStep(to - from, width / 110);
      for (const time of tickTimes(from, to, width / 110)) {
        const x = Math.round((time - from) * scale);
        context.fillStyle = palette["line-strong"];
        context.fillRect(x, height - 6, 1, 6);
        const label = tickLabel(time, step, to);
        if (x + 5 + context.measureText(label).width > width + 8) continue;
        context.fillStyle = palette["text-3"];
        context.fillText(label, x + 5, height / 2 + 0.5);
      }
    });
    return () => surface.current?.close();
  }, [session]);

  useSignalEffect(() => {
    session.view.from.value;
    session.view.to.value;
    scheme.value;
    surface.current?.request();
  });

  const start = (event: PointerEvent): void => {
    const element = box.current!;
    const { left, width: whole } = element.getBoundingClientRect();
    const width = whole - SCROLLBAR - 8;
    const begin = event.clientX - left;
    element.setPointerCapture(event.pointerId);
    element.onpointermove = (moved) => {
      selection.current = [begin, Math.max(0, Math.min(width, moved.clientX - left))];
      surface.current?.request();
    };
    element.onpointerup = () => {
      element.onpointermove = null;
      element.onpointerup = null;
      const range = selection.current;
      selection.current = undefined;
      surface.current?.request();
      if (range === undefined || Math.abs(range[1] - range[0]) < 4) return;
      const from = session.view.from.peek();
      const scale = (session.view.to.peek() - from) / width;
      session.view.ease(from + Math.min(...range) * scale, from + Math.max(...range) * scale);
    };
  };

  return (
    <div class="ruler" ref={box} onPointerDown={start} title="Drag to zoom">
      <canvas ref={canvas} aria-hidden="true" />
    </div>
  );
}

/** Durations over time, a point for each trace; drawing a frame narrows the list to what is in it. */
import { useSignalEffect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { getJson } from "../api/client.ts";
import { currentPalette, type Palette } from "../canvas/palette.ts";
import { Surface } from "../canvas/surface.ts";
import { formatDuration, threeDigits } from "../format/numbers.ts";
import { formatTime } from "../format/time.ts";
import { replaceTerms } from "../query/query_text.ts";
import { navigate } from "../shell/router.ts";
import { scheme, zone } from "../shell/settings.ts";
import type { ListSession } from "./list_session.ts";
import {
  clockStep,
  durationAt,
  durationTicks,
  type PointScale,
  timeAt,
  xOf,
  yOf,
} from "./point_scale.ts";

interface Durations {
  start: string[];
  duration: number[];
  error: number[];
  id: string[];
}

const LEFT = 64;
const AXIS = 20;
const NEAR = 8;

type Frame = [x0: number, y0: number, x1: number, y1: number];

class Points {
  private times = new Float64Array();
  private durations: Durations = { start: [], duration: [], error: [], id: [] };
  private frame: Frame | undefined;
  private readonly surface: Surface;

  constructor(
    private readonly session: ListSession,
    private readonly box: HTMLElement,
    canvas: HTMLCanvasElement,
  ) {
    this.surface = new Surface(canvas, (context, width, height) =>
      this.paint(context, width, height),
    );
  }

  set(durations: Durations): void {
    this.durations = durations;
    this.times = Float64Array.from(durations.start, Number);
    this.box.dataset.count = String(this.times.length);
    this.surface.request();
  }

  request(): void {
    this.surface.request();
  }

  close(): void {
    this.surface.close();
  }

  private scale(): PointScale {
    let from = Number.POSITIVE_INFINITY;
    let to = 0;
    let shortest = Number.POSITIVE_INFINITY;
    let longest = 1;
    this.durations.duration.forEach((duration, index) => {
      from = Math.min(from, this.times[index]!);
      to = Math.max(to, this.times[index]!);
      if (duration > 0) shortest = Math.min(shortest, duration);
      longest = Math.max(longest, duration);
    });
    const { start, end } = this.session;
    from = Number(start.peek() ?? from);
    to = Number(end.peek() ?? to);
    if (!(to - from > 1e9)) to = from + 1e9;
    shortest = Math.max(1, Math.min(shortest, longest / 10));
    const { width, height } = this.surface;
    return {
      left: LEFT,
      width: width - LEFT - 16,
      height: height - AXIS,
      from,
      to,
      shortest,
      longest,
    };
  }

  private paint(context: CanvasRenderingContext2D, width: number, height: number): void {
    if (this.times.length === 0) return;
    const palette = currentPalette();
    const scale = this.scale();
    context.font = getComputedStyle(this.box).font;
    this.paintAxes(context, scale, palette, width, height);
    const paintAll = (isError: boolean): void => {
      context.beginPath();
      this.times.forEach((time, index) => {
        if ((this.durations.error[index] === 1) !== isError) return;
        const x = xOf(scale, time);
        const y = yOf(scale, this.durations.duration[index]!);
        if (isError) {
          context.moveTo(x - 3, y - 3);
          context.lineTo(x + 3, y + 3);
          context.moveTo(x + 3, y - 3);
          context.lineTo(x - 3, y + 3);
        } else {
          context.moveTo(x + 2, y);
          context.arc(x, y, 2, 0, Math.PI * 2);
        }
      });
    };
    paintAll(false);
    context.globalAlpha = 0.65;
    context.fillStyle = palette.accent;
    context.fill();
    context.globalAlpha = 1;
    paintAll(true);
    context.strokeStyle = palette.error;
    context.lineWidth = 1.5;
    context.stroke();
    if (this.frame !== undefined) {
      const [x0, y0, x1, y1] = this.rectangle(this.frame);
      context.fillStyle = palette.accent;
      context.globalAlpha = 0.12;
      context.fillRect(x0, y0, x1 - x0, y1 - y0);
      context.globalAlpha = 1;
      context.strokeStyle = palette.accent;
      context.lineWidth = 1;
      context.strokeRect(x0 + 0.5, y0 + 0.5, x1 - x0, y1 - y0);
    }
  }

  private paintAxes(
    context: CanvasRenderingContext2D,
    scale: PointScale,
    palette: Palette,
    width: number,
    height: number,
  ): void {
    context.textBaseline = "middle";
    context.textAlign = "right";
    for (const tick of durationTicks(scale.shortest, scale.longest, 4)) {
      const y = Math.round(yOf(scale, tick));
      context.fillStyle = palette.line;
      context.fillRect(LEFT, y, width - LEFT, 1);
      context.fillStyle = palette["text-3"];
      context.fillText(formatDuration(tick).replace(/\.0+(?=\D)/, ""), LEFT - 8, y);
    }
    context.textAlign = "center";
    const step = clockStep(scale.to - scale.from, scale.width / 120);
    for (let time = Math.ceil(scale.from / step) * step; time <= scale.to; time += step) {
      const x = Math.round(xOf(scale, time));
      context.fillStyle = palette.line;
      context.fillRect(x, 4, 1, height - AXIS - 4);
      context.fillStyle = palette["text-3"];
      const text = formatTime(BigInt(Math.round(time)), zone.peek(), 0);
      context.fillText(step >= 60e9 ? text.slice(0, 5) : text, x, height - AXIS / 2);
    }
  }

  /** The frame with its corners in order; a flat one has the whole height. */
  private rectangle([x0, y0, x1, y1]: Frame): Frame {
    const height = this.surface.height - AXIS;
    const isFlat = Math.abs(y1 - y0) < 16;
    return [
      Math.min(x0, x1),
      isFlat ? 0 : Math.max(0, Math.min(y0, y1)),
      Math.max(x0, x1),
      isFlat ? height : Math.min(height, Math.max(y0, y1)),
    ];
  }

  /** Return the trace nearest to a place, or undefined where none is near. */
  nearest(x: number, y: number): number | undefined {
    const scale = this.scale();
    let found: number | undefined;
    let least = NEAR * NEAR;
    this.times.forEach((time, index) => {
      const across = xOf(scale, time) - x;
      if (Math.abs(across) > NEAR) return;
      const distance = across ** 2 + (yOf(scale, this.durations.duration[index]!) - y) ** 2;
      if (distance < least) {
        least = distance;
        found = index;
      }
    });
    return found;
  }

  describe(index: number): string {
    const time = formatTime(BigInt(this.durations.start[index]!), zone.peek());
    const failed = this.durations.error[index] === 1 ? " ✕" : "";
    return `${time} · ${formatDuration(this.durations.duration[index]!)}${failed}`;
  }

  open(index: number): void {
    navigate(`/trace/${this.durations.id[index]}`);
  }

  draw(frame: Frame | undefined): void {
    this.frame = frame;
    this.surface.request();
  }

  /** Narrow the list to a frame. */
  narrow(frame: Frame): void {
    if (this.times.length === 0) return;
    const scale = this.scale();
    const [x0, y0, x1, y1] = this.rectangle(frame);
    const isWholeHeight = y0 <= 0 && y1 >= this.surface.height - AXIS;
    if (!isWholeHeight) {
      const limits = [
        `trace.duration>${milliseconds(durationAt(scale, y1))}`,
        `trace.duration<${milliseconds(durationAt(scale, y0))}`,
      ];
      this.session.setQuery(
        replaceTerms(this.session.query.peek(), /^trace\.duration[<>]/, limits),
      );
    }
    const time = (x: number): bigint => BigInt(Math.round(timeAt(scale, x)));
    this.session.setRange(time(x0), time(x1));
  }
}

function milliseconds(nanoseconds: number): string {
  return `${threeDigits(nanoseconds / 1e6)}ms`;
}

export function DurationPoints({ session }: { session: ListSession }) {
  const box = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const points = useRef<Points | undefined>(undefined);

  useEffect(() => {
    points.current = new Points(session, box.current!, canvas.current!);
    return () => points.current?.close();
  }, [session]);
  useEffect(() => {
    const abort = new AbortController();
    getJson<Durations>(`/api/durations?${session.filter()}&limit=20000`, abort.signal).then(
      (answer) => points.current?.set(answer),
      () => undefined, // the list itself reports what is wrong with the query
    );
    return () => abort.abort();
  }, [session.version.value]);
  useSignalEffect(() => {
    scheme.value;
    zone.value;
    points.current?.request();
  });

  const position = (event: MouseEvent): [number, number] => {
    const { left, top } = box.current!.getBoundingClientRect();
    return [event.clientX - left, event.clientY - top];
  };
  const start = (event: PointerEvent): void => {
    const element = box.current!;
    const [x, y] = position(event);
    let frame: Frame | undefined;
    element.setPointerCapture(event.pointerId);
    element.onpointermove = (moved) => {
      const [x1, y1] = position(moved);
      if (frame === undefined && Math.hypot(x1 - x, y1 - y) < 4) return;
      frame = [Math.max(LEFT, x), y, Math.max(LEFT, x1), y1];
      points.current?.draw(frame);
    };
    element.onpointerup = () => {
      element.onpointermove = null;
      element.onpointerup = null;
      points.current?.draw(undefined);
      if (frame !== undefined) points.current?.narrow(frame);
      else {
        const found = points.current?.nearest(x, y);
        if (found !== undefined) points.current?.open(found);
      }
    };
  };
  const hover = (event: PointerEvent): void => {
    const found = points.current?.nearest(...position(event));
    box.current!.title = found === undefined ? "" : (points.current?.describe(found) ?? "");
    box.current!.classList.toggle("is-near", found !== undefined);
  };
  return (
    <div class="points" ref={box} onPointerDown={start} onPointerMove={hover}>
      <canvas ref={canvas} role="img" aria-label="Durations of the traces over time" />
      {(session.start.value !== null || session.end.value !== null) && (
        <button
          type="button"
          class="button points-clear"
          onPointerDown={(event) => event.stopPropagation()}
          onClick={() => session.setRange(null, null)}
        >
          all times
        </button>
      )}
    </div>
  );
}

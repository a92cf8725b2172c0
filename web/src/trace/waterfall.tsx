/** The waterfall: rows of text in the DOM over one canvas with all that is drawn. */
import { useSignalEffect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { TimeScale } from "../canvas/bars.ts";
import { currentPalette } from "../canvas/palette.ts";
import { Surface } from "../canvas/surface.ts";
import { nameWidth, scheme } from "../shell/settings.ts";
import { isArriving, progress, rowOffset } from "./fold_motion.ts";
import { DURATION_WIDTH, indentation, levelX, ROW, SCROLLBAR } from "./layout.ts";
import { listenForPointer, timelineLeft } from "./pointer.ts";
import { RowMirror } from "./row_mirror.ts";
import { rowText } from "./row_text.ts";
import { Ruler } from "./ruler.tsx";
import { Scrollbar } from "./scrollbar.tsx";
import type { TraceSession } from "./session.ts";
import { Splitter } from "./splitter.tsx";
import { paintWaterfall } from "./waterfall_painter.ts";

class Waterfall {
  private readonly surface: Surface;
  private readonly mirror: RowMirror;
  private readonly stopListening: () => void;
  private hover = -1;
  private painted = false;

  constructor(
    private readonly session: TraceSession,
    viewport: HTMLElement,
    canvas: HTMLCanvasElement,
    private readonly grid: HTMLElement,
  ) {
    this.mirror = new RowMirror(grid);
    this.surface = new Surface(
      canvas,
      (context, width, height) => this.paint(context, width, height),
      (_, height) => {
        session.page.value = height / ROW;
      },
    );
    this.stopListening = listenForPointer(viewport, {
      session,
      rowHeight: ROW,
      timeline: () => this.timeline(),
      click: (x, y) => this.click(x, y),
      doubleClick: (x, y) => this.doubleClick(x, y),
      hover: (x, y) => this.hoverAt(x, y),
    });
  }

  request(): void {
    this.surface.request();
  }

  close(): void {
    this.stopListening();
    this.surface.close();
  }

  private timeline(): { left: number; width: number } {
    const left = timelineLeft();
    return { left, width: Math.max(50, this.surface.width - left - SCROLLBAR - 8) };
  }

  private visible(height: number): [first: number, last: number, top: number] {
    const rows = this.session.rows.peek();
    const top = this.session.scroll.peek() * ROW;
    const first = Math.floor(top / ROW);
    const last = Math.min(rows?.item.length ?? 0, Math.ceil((top + height) / ROW));
    return [first, Math.max(first, last), top];
  }

  private paint(context: CanvasRenderingContext2D, width: number, height: number): void {
    const { session } = this;
    const model = session.model.peek();
    const rows = session.rows.peek();
    if (model === null || rows === null) return;
    const { motion } = session;
    const done = progress(motion, performance.now());
    const [first, end, top] = this.visible(height);
    // Rows that make room for others come from above: they are drawn before they are in their place.
    const coming =
      done < 1 ? Math.min(Math.max(0, motion?.delta ?? 0), Math.ceil(height / ROW)) : 0;
    const last = Math.min(rows.item.length, end + coming);
    const y = (place: number): number => {
      const there = place * ROW - top + rowOffset(motion, place, done, height);
      if (done >= 1 || motion === undefined || !isArriving(motion, place)) return there;
      const edge = motion.place + motion.delta + 1;
      const isHidden = there >= edge * ROW - top + rowOffset(motion, edge, done, height);
      return isHidden ? -2 * ROW : there;
    };
    if (done < 1) requestAnimationFrame(() => this.request());
    const names = Number(nameWidth.peek());
    const { left, width: timeWidth } = this.timeline();
    const from = session.view.from.peek();
    const scale: TimeScale = {
      left,
      width: timeWidth,
      from,
      scale: timeWidth / (session.view.to.peek() - from),
    };
    const indent = indentation(rows.depth, first, last, names);
    const shared = {
      model,
      rows,
      first,
      last,
      y,
      indent,
      nameWidth: names,
      cursor: session.cursor.peek(),
      isOpen: (item: number) => session.isOpen(item),
      marked: session.search.matches.peek()?.marked,
    };
    const path = session.showPath.peek() ? session.path.peek() : null;
    const palette = currentPalette();
    const { hover } = this;
    paintWaterfall(context, width, height, { ...shared, palette, scale, hover, path });
    this.mirror.update({
      ...shared,
      figure: session.figure.peek(),
      hidesError: session.marks.errors.peek().hidden,
      dimmed: session.only.peek() && session.search.matches.peek() !== null,
    });
    if (!this.painted) performance.mark("trace-painted");
    this.painted = true;
  }

  private placeAt(y: number): number {
    return Math.floor(this.session.scroll.peek() + y / ROW);
  }

  private itemAt(y: number): number | undefined {
    return this.session.rows.peek()?.item[this.placeAt(y)];
  }

  private click(x: number, y: number): void {
    const rows = this.session.rows.peek();
    const item = this.itemAt(y);
    if (rows === null || item === undefined) return;
    const [first, last] = this.visible(this.surface.height);
    const names = Number(nameWidth.peek());
    const indent = indentation(rows.depth, first, last, names);
    const disclosure = levelX(rows.depth[this.placeAt(y)]!, indent);
    this.grid.focus({ preventScroll: true });
    if (x >= disclosure - 6 && x <= disclosure + 13) this.session.toggle(item);
    else this.session.cursor.value = item;
  }

  private doubleClick(x: number, y: number): void {
    const item = this.itemAt(y);
    const model = this.session.model.peek();
    if (item === undefined || model === null) return;
    if (x < timelineLeft()) {
      this.session.toggle(item);
      return;
    }
    const row = model.rowOfItem(item);
    this.session.view.show(model.skeleton.startTime[row]!, model.data.ends[row]!);
  }

  /** What is cut in the row, whole. */
  private tooltip(place: number): string {
    const item = this.session.rows.peek()?.item[place];
    const model = this.session.model.peek();
    if (item === undefined || model === null) return "";
    const { name, count, spoken } = rowText(model, item, this.session.figure.peek());
    return `${name} ${count}\n${model.service(model.rowOfItem(item))}\n${spoken}`;
  }

  private hoverAt(x: number, y: number): void {
    const place = y < 0 || y > this.surface.height || x < 0 ? -1 : this.placeAt(y);
    if (place === this.hover) return;
    this.hover = place;
    this.grid.title = this.tooltip(place);
    this.request();
  }
}

export function WaterfallView({ session }: { session: TraceSession }) {
  const viewport = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const grid = useRef<HTMLDivElement>(null);
  const waterfall = useRef<Waterfall | undefined>(undefined);

  useEffect(() => {
    waterfall.current = new Waterfall(session, viewport.current!, canvas.current!, grid.current!);
    grid.current!.focus({ preventScroll: true });
    return () => waterfall.current?.close();
  }, [session]);

  useSignalEffect(() => {
    session.rows.value;
    session.scroll.value;
    session.cursor.value;
    session.view.from.value;
    session.view.to.value;
    session.path.value;
    session.showPath.value;
    session.search.matches.value;
    session.only.value;
    session.figure.value;
    nameWidth.value;
    scheme.value;
    waterfall.current?.request();
  });

  const names = Number(nameWidth.value);
  return (
    <div class="waterfall">
      <div class="columns">
        <span class="column-name" style={{ width: `${names}px` }}>
          Name
        </span>
        <button
          type="button"
          class="column-figure"
          style={{ width: `${DURATION_WIDTH}px` }}
          title="Total or self time (s)"
          onClick={() => {
            session.figure.value = session.figure.value === "self" ? "total" : "self";
          }}
        >
          {session.figure.value === "self" ? "Self" : "Total"}
        </button>
        <Ruler session={session} />
      </div>
      <div class="viewport" ref={viewport}>
        <canvas class="layer" ref={canvas} aria-hidden="true" />
        <div
          class="rows"
          id="rows"
          ref={grid}
          role="treegrid"
          tabIndex={0}
          aria-label="Spans of the trace"
          aria-readonly="true"
        />
        <Splitter
          at={names + 4}
          signal={nameWidth}
          least={160}
          most={900}
          side="left"
          label="Width of the names"
        />
        <Scrollbar session={session} label="Rows" />
      </div>
    </div>
  );
}

/** Spans by the thread, task and process that they ran in. */
import { useSignalEffect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { TimeScale } from "../canvas/bars.ts";
import { Surface } from "../canvas/surface.ts";
import type { Lanes } from "../model/lanes.ts";
import { lowerBound } from "../model/runs.ts";
import { scheme } from "../shell/settings.ts";
import { LANES_LEFT, paintLanes, TRACK } from "./lanes_painter.ts";
import { SCROLLBAR } from "./layout.ts";
import type { TraceModel } from "./model.ts";
import { listenForPointer } from "./pointer.ts";
import { Ruler } from "./ruler.tsx";
import { Scrollbar } from "./scrollbar.tsx";
import type { TraceSession } from "./session.ts";

/** Return the row of a track at a time, or undefined; `slack` is how near is near enough. */
function spanAt(
  model: TraceModel,
  lanes: Lanes,
  track: number,
  time: number,
  slack: number,
): number | undefined {
  if (track < 0 || track + 1 >= lanes.spanStart.length) return undefined;
  const spans = lanes.spans.subarray(lanes.spanStart[track], lanes.spanStart[track + 1]);
  const starts = Float64Array.from(spans, (row) => model.skeleton.startTime[row]!);
  const after = lowerBound(starts, time + slack);
  const row = spans[after - 1];
  return row !== undefined && model.data.ends[row]! >= time - slack ? row : undefined;
}

export function LanesView({ session }: { session: TraceSession }) {
  const viewport = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const labels = useRef<HTMLDivElement>(null);
  const surface = useRef<Surface | undefined>(undefined);

  useEffect(() => {
    void session.needLanes();
    const timeline = (): { left: number; width: number } => ({
      left: LANES_LEFT,
      width: Math.max(50, (surface.current?.width ?? 0) - LANES_LEFT - SCROLLBAR - 8),
    });
    const scaleNow = (): TimeScale => {
      const { left, width } = timeline();
      const from = session.view.from.peek();
      return { left, width, from, scale: width / (session.view.to.peek() - from) };
    };
    surface.current = new Surface(
      canvas.current!,
      (context, width, height) => {
        const model = session.model.peek();
        const lanes = session.lanes.peek();
        if (model === null || lanes === null) return;
        const cursor = session.cursor.peek();
        paintLanes(context, width, height, {
          model,
          lanes,
          scale: scaleNow(),
          top: session.scroll.peek() * TRACK,
          cursor: cursor === null ? -1 : model.rowOfItem(cursor),
          marked: session.search.matches.peek()?.marked,
          path: session.showPath.peek() ? session.path.peek() : null,
          font: getComputedStyle(canvas.current!).font,
        });
        updateLabels(labels.current!, model, lanes, session.scroll.peek(), height);
      },
      (_, height) => {
        session.page.value = height / TRACK;
      },
    );
    const pick = (x: number, y: number): number | undefined => {
      const model = session.model.peek();
      const lanes = session.lanes.peek();
      if (model === null || lanes === null) return undefined;
      const scale = scaleNow();
      const track = Math.floor(session.scroll.peek() + y / TRACK);
      return spanAt(
        model,
        lanes,
        track,
        scale.from + (x - scale.left) / scale.scale,
        3 / scale.scale,
      );
    };
    const stop = listenForPointer(viewport.current!, {
      session,
      rowHeight: TRACK,
      timeline,
      click: (x, y) => {
        const row = pick(x, y);
        if (row !== undefined) session.cursor.value = row;
      },
      doubleClick: (x, y) => {
        const row = pick(x, y);
        const model = session.model.peek();
        if (row !== undefined && model !== null) {
          session.view.show(model.skeleton.startTime[row]!, model.data.ends[row]!);
        }
      },
      hover: () => undefined,
    });
    return () => {
      stop();
      surface.current?.close();
    };
  }, [session]);

  useSignalEffect(() => {
    session.lanes.value;
    session.scroll.value;
    session.cursor.value;
    session.view.from.value;
    session.view.to.value;
    session.path.value;
    session.showPath.value;
    session.search.matches.value;
    scheme.value;
    surface.current?.request();
  });

  return (
    <div class="waterfall lanes">
      <div class="columns">
        <span class="column-name" style={{ width: `${LANES_LEFT}px` }}>
          Process and thread
        </span>
        <Ruler session={session} />
      </div>
      <div class="viewport" ref={viewport}>
        <canvas class="layer" ref={canvas} aria-hidden="true" />
        <div class="rows lane-labels" ref={labels} role="list" aria-label="Lanes" id="rows" />
        <Scrollbar session={session} label="Tracks" />
      </div>
    </div>
  );
}

/** Write the names of the lanes that are seen; that of the topmost stays at the top. */
function updateLabels(
  box: HTMLElement,
  model: TraceModel,
  lanes: Lanes,
  scroll: number,
  height: number,
): void {
  let used = 0;
  for (let index = 0; index < lanes.lane.length; index++) {
    const first = lanes.trackStart[index]!;
    const end = lanes.trackStart[index + 1]!;
    if (end < scroll || first > scroll + height / TRACK) continue;
    const label = (box.children[used++] as HTMLElement | undefined) ?? box.appendChild(makeLabel());
    const { service, process, thread } = model.skeleton.lanes[lanes.lane[index]!] ?? {
      service: "",
      process: "",
      thread: "",
    };
    const y = Math.min(Math.max(0, (first - scroll) * TRACK), (end - scroll) * TRACK - TRACK);
    label.hidden = false;
    label.style.transform = `translateY(${y}px)`;
    label.children[0]!.textContent = thread || "thread unknown";
    label.children[1]!.textContent = `${service}${process ? ` · ${process}` : ""}`;
    label.classList.toggle("is-low", end - first < 2);
  }
  for (let index = used; index < box.children.length; index++) {
    (box.children[index] as HTMLElement).hidden = true;
  }
}

function makeLabel(): HTMLElement {
  const label = document.createElement("div");
  label.className = "lane-label";
  label.setAttribute("role", "listitem");
  const thread = document.createElement("span");
  const process = document.createElement("span");
  process.className = "muted";
  label.append(thread, process);
  return label;
}

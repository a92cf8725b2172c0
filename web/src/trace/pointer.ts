/** Mouse and touch on the waterfall and the lanes: select, fold, pan, zoom, scroll. */
import { nameWidth } from "../shell/settings.ts";
import { DURATION_WIDTH, ROW } from "./layout.ts";
import type { TraceSession } from "./session.ts";

const DRAG_FROM = 4;
const ZOOM_SPEED = 0.0022;

export interface PointerTarget {
  session: TraceSession;
  /** Pixels from the left to where time begins, and the width of time. */
  timeline: () => { left: number; width: number };
  rowHeight: number;
  click: (x: number, y: number) => void;
  doubleClick: (x: number, y: number) => void;
  hover: (x: number, y: number) => void;
}

export function timelineLeft(): number {
  return Number(nameWidth.value) + DURATION_WIDTH + 12;
}

/** Listen on an element, and return what ends that. */
export function listenForPointer(element: HTMLElement, target: PointerTarget): () => void {
  const { session } = target;
  const abort = new AbortController();
  const options = { signal: abort.signal };
  const position = (event: MouseEvent): [number, number] => {
    const box = element.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  let drag:
    | { x: number; y: number; moved: boolean; scroll: number; from: number; to: number }
    | undefined;

  element.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      const { left, width } = target.timeline();
      const [x] = position(event);
      const unit = event.deltaMode === 1 ? ROW : 1;
      if (event.ctrlKey || event.metaKey || event.altKey) {
        const place = Math.max(0, Math.min(1, (x - left) / width));
        session.view.zoom(Math.exp(event.deltaY * unit * ZOOM_SPEED), place);
        return;
      }
      const sideways = event.shiftKey ? event.deltaX || event.deltaY : event.deltaX;
      if (sideways !== 0) session.view.pan((sideways * unit) / width);
      if (!event.shiftKey && event.deltaY !== 0) {
        session.setScroll(session.scroll.peek() + (event.deltaY * unit) / target.rowHeight);
      }
    },
    { passive: false, signal: abort.signal },
  );
  element.addEventListener(
    "pointerdown",
    (event) => {
      if (event.button !== 0) return;
      const [x, y] = position(event);
      const { from, to } = session.view;
      drag = {
        x,
        y,
        moved: false,
        scroll: session.scroll.peek(),
        from: from.peek(),
        to: to.peek(),
      };
    },
    options,
  );
  addEventListener(
    "pointermove",
    (event) => {
      const [x, y] = position(event);
      if (drag === undefined) {
        if (element.contains(event.target as Node)) target.hover(x, y);
        else target.hover(-1, -1);
        return;
      }
      const { left, width } = target.timeline();
      if (drag.x < left) return; // text in the column of names can be selected by dragging
      if (!drag.moved && Math.hypot(x - drag.x, y - drag.y) < DRAG_FROM) return;
      drag.moved = true;
      element.classList.add("is-dragging");
      const by = ((drag.x - x) / width) * (drag.to - drag.from);
      session.view.jump(drag.from + by, drag.to + by);
      session.setScroll(drag.scroll + (drag.y - y) / target.rowHeight);
    },
    options,
  );
  addEventListener(
    "pointerup",
    (event) => {
      const ended = drag;
      drag = undefined;
      element.classList.remove("is-dragging");
      if (ended === undefined || ended.moved) return;
      if (!(getSelection()?.isCollapsed ?? true)) return;
      target.click(...position(event));
    },
    options,
  );
  element.addEventListener("dblclick", (event) => target.doubleClick(...position(event)), options);
  return () => abort.abort();
}

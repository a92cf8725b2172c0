/** The keys of the trace page. */

import type { KeyScope } from "../shell/keys.ts";
import { listAddress, navigate } from "../shell/router.ts";
import { copyText } from "../shell/toast.tsx";
import { foldOrParent, moveBy, unfoldOrChild, zoomToCursor } from "./navigation.ts";
import { MOST_DEPTH, type TraceSession } from "./session.ts";

const PAN = 0.25;
const ZOOM = 0.6;

/** Do what an element with an action of the panel does, as if it was pressed. */
function press(action: string): void {
  document.querySelector<HTMLElement>(`[data-action="${action}"]`)?.click();
}

export function traceKeys(session: TraceSession): KeyScope {
  const page = (): number => Math.max(1, Math.floor(session.page.peek()) - 1);
  const list = (): Int32Array => session.model.peek()?.data.errors ?? new Int32Array();
  const found = (): Int32Array => session.search.matches.peek()?.inOrder ?? new Int32Array();
  return {
    title: "Trace",
    commands: [
      { keys: ["/"], label: "Search in this trace", run: () => press("search") },
      { keys: ["j", "ArrowDown"], shown: "j ↓", label: "Next row", run: () => moveBy(session, 1) },
      {
        keys: ["k", "ArrowUp"],
        shown: "k ↑",
        label: "Previous row",
        run: () => moveBy(session, -1),
      },
      {
        keys: ["h", "ArrowLeft"],
        shown: "h ←",
        label: "Fold, or go to the parent",
        run: () => foldOrParent(session),
      },
      {
        keys: ["l", "ArrowRight"],
        shown: "l →",
        label: "Unfold, or go to the first child",
        run: () => unfoldOrChild(session),
      },
      {
        keys: ["PageDown"],
        shown: "PgDn",
        label: "A page down",
        run: () => moveBy(session, page()),
      },
      { keys: ["PageUp"], shown: "PgUp", label: "A page up", run: () => moveBy(session, -page()) },
      { keys: ["g", "Home"], shown: "g", label: "First row", run: () => moveBy(session, -1e9) },
      { keys: ["G", "End"], shown: "G", label: "Last row", run: () => moveBy(session, 1e9) },
      {
        keys: ["1", "2", "3", "4", "5", "6", "7", "8", "9"],
        shown: "1 … 9",
        label: "Unfold to that depth",
        run: (event) => session.unfoldTo(Number(event.key)),
      },
      { keys: ["*"], label: "Unfold everything", run: () => session.unfoldTo(MOST_DEPTH) },
      {
        keys: ["x"],
        label: "Repeated siblings as one row, or each",
        run: () => session.setGroup(!session.group.peek()),
      },
      { keys: ["e"], label: "Next error", run: () => session.step(list(), 1) },
      { keys: ["E"], label: "Previous error", run: () => session.step(list(), -1) },
      { keys: ["n"], label: "Next match", run: () => session.step(found(), 1) },
      { keys: ["N"], label: "Previous match", run: () => session.step(found(), -1) },
      {
        keys: ["m"],
        label: "Only matches",
        run: () => session.setOnly(!session.only.peek() && session.search.matches.peek() !== null),
      },
      {
        keys: ["c"],
        label: "Critical path",
        run: () => {
          session.showPath.value = !session.showPath.peek();
        },
      },
      {
        keys: ["s"],
        label: "Self time, or total",
        run: () => {
          session.figure.value = session.figure.peek() === "self" ? "total" : "self";
        },
      },
      { keys: ["z"], label: "Zoom to the span", run: () => zoomToCursor(session) },
      {
        keys: ["0"],
        label: "The whole trace",
        run: () => session.view.ease(...session.view.whole),
      },
      {
        keys: ["+", "="],
        shown: "+",
        label: "Zoom in",
        run: () => session.view.zoom(ZOOM, 0.5, true),
      },
      {
        keys: ["-"],
        shown: "−",
        label: "Zoom out",
        run: () => session.view.zoom(1 / ZOOM, 0.5, true),
      },
      {
        keys: ["a", "Shift+ArrowLeft"],
        shown: "a",
        label: "Move to earlier",
        run: () => session.view.pan(-PAN, true),
      },
      {
        keys: ["d", "Shift+ArrowRight"],
        shown: "d",
        label: "Move to later",
        run: () => session.view.pan(PAN, true),
      },
      {
        keys: ["Enter"],
        label: "Open or close the panel",
        run: () => {
          session.panelOpen.value = !session.panelOpen.peek();
        },
      },
      {
        keys: ["w"],
        label: "Waterfall, lanes, names",
        run: () => {
          const modes = ["tree", "lanes", "names"] as const;
          session.mode.value = modes[(modes.indexOf(session.mode.peek()) + 1) % 3]!;
        },
      },
      { keys: ["."], label: "Take in what is new", run: () => void session.reload() },
      { keys: ["y"], label: "Copy what the pointer is on, or the link", run: () => copyHere() },
      { keys: ["o"], label: "Source in the editor", run: () => press("source") },
      { keys: ["t"], label: "Turn this off, or up", run: () => press("directive") },
      {
        keys: ["Escape"],
        shown: "Esc",
        label: "Back",
        run: () => {
          if (session.search.query.peek() !== "") void session.find("");
          else navigate(listAddress.peek());
        },
      },
    ],
  };
}

/** Copy the value under the pointer or the focus of the panel; where there is none, the link. */
function copyHere(): void {
  const line = document.querySelector("[data-copy]:hover, [data-copy]:focus-within");
  const text = line?.getAttribute("data-copy");
  if (text) {
    void copyText(text, "the value");
    return;
  }
  // The address holds the whole state; it is written a moment after the state changes.
  setTimeout(() => void copyText(location.href, "the link"), 200);
}

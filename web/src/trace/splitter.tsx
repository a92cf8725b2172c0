/** A line between two parts of the page that can be dragged, or moved by the arrow keys. */
import type { Signal } from "@preact/signals";

export interface SplitterProps {
  /** The setting that holds the size in pixels, as text. */
  signal: Signal<string>;
  least: number;
  most: number;
  /** The side that the sized part is on. */
  side: "left" | "right" | "bottom";
  label: string;
  at?: number;
}

export function Splitter({ signal, least, most, side, label, at }: SplitterProps) {
  const vertical = side !== "bottom";
  const sign = side === "left" ? 1 : -1;
  const set = (value: number): void => {
    signal.value = String(Math.round(Math.max(least, Math.min(most, value))));
  };
  const start = (event: PointerEvent): void => {
    const element = event.currentTarget as HTMLElement;
    const before = Number(signal.peek());
    const begin = vertical ? event.clientX : event.clientY;
    element.setPointerCapture(event.pointerId);
    element.onpointermove = (moved) => {
      set(before + sign * ((vertical ? moved.clientX : moved.clientY) - begin));
    };
    element.onpointerup = () => {
      element.onpointermove = null;
    };
    event.preventDefault();
    event.stopPropagation();
  };
  const press = (event: KeyboardEvent): void => {
    const step: Record<string, number> = {
      ArrowLeft: -16,
      ArrowRight: 16,
      ArrowUp: -16,
      ArrowDown: 16,
    };
    const by = step[event.key];
    if (by === undefined) return;
    set(Number(signal.peek()) + sign * by);
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <div
      class={`splitter splitter-${side}`}
      role="separator"
      tabIndex={0}
      aria-label={label}
      aria-orientation={vertical ? "vertical" : "horizontal"}
      aria-valuemin={least}
      aria-valuemax={most}
      aria-valuenow={Number(signal.value)}
      style={at === undefined ? undefined : { left: `${at}px` }}
      onPointerDown={start}
      onKeyDown={press}
    />
  );
}

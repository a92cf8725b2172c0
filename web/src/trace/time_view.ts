/** The part of a trace's time that is on the screen. */
import { batch, signal } from "@preact/signals";
import { motionIsReduced } from "../shell/settings.ts";

const EASE_MS = 120;
/** The shortest range, in nanoseconds. */
const SHORTEST = 20;

export class TimeView {
  readonly from = signal(0);
  readonly to = signal(1);
  private end = 1;
  private target: [number, number] = [0, 1];
  private frame = 0;

  /** Set the end of the trace, and show all of it. */
  setEnd(end: number): void {
    this.end = Math.max(1, end);
    this.jump(0, this.end);
  }

  get whole(): [from: number, to: number] {
    return [0, this.end];
  }

  get isWhole(): boolean {
    return this.from.value <= 0 && this.to.value >= this.end;
  }

  private bounded(from: number, to: number): [number, number] {
    const range = Math.min(this.end, Math.max(SHORTEST, to - from));
    const middle = (from + to) / 2;
    const start = Math.max(0, Math.min(this.end - range, middle - range / 2));
    return [start, start + range];
  }

  /** Show a range at once. */
  jump(from: number, to: number): void {
    cancelAnimationFrame(this.frame);
    this.target = this.bounded(from, to);
    batch(() => {
      [this.from.value, this.to.value] = this.target;
    });
  }

  /** Show a range, and get there smoothly. */
  ease(from: number, to: number): void {
    if (motionIsReduced()) {
      this.jump(from, to);
      return;
    }
    cancelAnimationFrame(this.frame);
    this.target = this.bounded(from, to);
    const before: [number, number] = [this.from.peek(), this.to.peek()];
    const began = performance.now();
    const step = (now: number): void => {
      const done = Math.max(0, Math.min(1, (now - began) / EASE_MS));
      const eased = 1 - (1 - done) ** 3;
      batch(() => {
        this.from.value = before[0] + (this.target[0] - before[0]) * eased;
        this.to.value = before[1] + (this.target[1] - before[1]) * eased;
      });
      if (done < 1) this.frame = requestAnimationFrame(step);
    };
    this.frame = requestAnimationFrame(step);
  }

  /** Zoom by a factor around a place of the view, from 0 at its left to 1 at its right. */
  zoom(factor: number, place = 0.5, smooth = false): void {
    const [from, to] = smooth ? this.target : [this.from.peek(), this.to.peek()];
    const at = from + (to - from) * place;
    const range = Math.min(this.end, Math.max(SHORTEST, (to - from) * factor));
    const start = Math.max(0, Math.min(this.end - range, at - range * place));
    if (smooth) this.ease(start, start + range);
    else this.jump(start, start + range);
  }

  /** Move by a share of what is seen. */
  pan(share: number, smooth = false): void {
    const [from, to] = smooth ? this.target : [this.from.peek(), this.to.peek()];
    const by = (to - from) * share;
    if (smooth) this.ease(from + by, to + by);
    else this.jump(from + by, to + by);
  }

  /** Show a span with a little space on both sides. */
  show(from: number, to: number): void {
    const space = Math.max(SHORTEST, (to - from) * 0.08);
    this.ease(from - space, to + space);
  }

  /** Move, without a zoom, so that a span is seen; nothing moves where it is seen already. */
  include(from: number, to: number): void {
    const [left, right] = this.target;
    if (from < right && to > left) return;
    const range = right - left;
    const middle = (from + Math.min(to, from + range)) / 2;
    this.ease(middle - range / 2, middle + range / 2);
  }
}

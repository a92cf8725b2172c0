/** The ease of rows after a fold: those below move to their new place instead of jumping. */
import { ROW } from "./layout.ts";

const EASE_MS = 120;

export interface FoldMotion {
  /** The row that was folded or unfolded. */
  place: number;
  /** How many rows came; negative when they went. */
  delta: number;
  began: number;
}

/** Return how far a motion is, from 0 to 1, eased. */
export function progress(motion: FoldMotion | undefined, now: number): number {
  if (motion === undefined) return 1;
  const done = Math.max(0, Math.min(1, (now - motion.began) / EASE_MS));
  return 1 - (1 - done) ** 3;
}

/**
 * Return how far a row is from its place, in pixels.
 *
 * Rows that came are in their place at once; those below them make room, or close the gap.
 */
export function rowOffset(
  motion: FoldMotion | undefined,
  place: number,
  done: number,
  height: number,
): number {
  if (motion === undefined || done >= 1) return 0;
  if (place <= motion.place + Math.max(0, motion.delta)) return 0;
  const distance = Math.max(-height, Math.min(height, motion.delta * ROW));
  return -distance * (1 - done);
}

/** Whether a row has just come. It is seen when those below have made room for it. */
export function isArriving(motion: FoldMotion | undefined, place: number): boolean {
  return motion !== undefined && place > motion.place && place <= motion.place + motion.delta;
}

/** Measures of the waterfall, in pixels. */

export const ROW = 24;
export const DURATION_WIDTH = 84;
export const INDENT = 14;
export const SCROLLBAR = 14;
const FIRST_INDENT = 10;
const DISCLOSURE = 14;
const DOT = 14;

/** Where the levels of the tree begin; levels that are far to the right are shifted into view. */
export interface Indentation {
  shift: number;
  most: number;
}

/**
 * Return how levels are indented for the rows on the screen.
 *
 * A trace may be thousands of levels deep. Where the rows on the screen would not fit, what is left
 * of all of them is cut off.
 */
export function indentation(
  depths: ArrayLike<number>,
  from: number,
  to: number,
  nameWidth: number,
): Indentation {
  const most = Math.max(4, Math.floor((nameWidth * 0.5) / INDENT));
  let least = Number.POSITIVE_INFINITY;
  let deepest = 0;
  for (let place = from; place < to; place++) {
    least = Math.min(least, depths[place]!);
    deepest = Math.max(deepest, depths[place]!);
  }
  const shift = deepest > most ? Math.max(0, Math.min(least - 1, deepest - most)) : 0;
  return { shift, most };
}

/** Return x of a level's disclosure triangle; deeper levels than fit share the last place. */
export function levelX(depth: number, { shift, most }: Indentation): number {
  return FIRST_INDENT + Math.max(0, Math.min(most, depth - shift)) * INDENT;
}

/** Return x of a row's text. */
export function textX(depth: number, indent: Indentation): number {
  return levelX(depth, indent) + DISCLOSURE + DOT;
}

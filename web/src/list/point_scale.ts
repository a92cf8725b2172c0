/** The scales of the points: time from left to right, durations upward by their logarithm. */

export interface PointScale {
  left: number;
  width: number;
  height: number;
  /** Nanoseconds since the epoch. */
  from: number;
  to: number;
  shortest: number;
  longest: number;
}

const SPACE = 10;

export function xOf(scale: PointScale, time: number): number {
  return scale.left + ((time - scale.from) / Math.max(1, scale.to - scale.from)) * scale.width;
}

export function yOf(scale: PointScale, duration: number): number {
  const range = Math.log(scale.longest / scale.shortest) || 1;
  const share = Math.log(Math.max(duration, scale.shortest) / scale.shortest) / range;
  return scale.height - SPACE - share * (scale.height - 2 * SPACE);
}

export function timeAt(scale: PointScale, x: number): number {
  const share = (x - scale.left) / Math.max(1, scale.width);
  return scale.from + Math.max(0, Math.min(1, share)) * (scale.to - scale.from);
}

export function durationAt(scale: PointScale, y: number): number {
  const share = (scale.height - SPACE - y) / Math.max(1, scale.height - 2 * SPACE);
  const range = Math.log(scale.longest / scale.shortest) || 1;
  return scale.shortest * Math.exp(Math.max(0, Math.min(1, share)) * range);
}

/** Return the powers of ten between two durations, at most `most` of them. */
export function durationTicks(shortest: number, longest: number, most: number): number[] {
  const first = Math.ceil(Math.log10(shortest) - 1e-9);
  const last = Math.floor(Math.log10(longest) + 1e-9);
  const step = Math.max(1, Math.ceil((last - first + 1) / most));
  const ticks: number[] = [];
  for (let power = first; power <= last; power += step) ticks.push(10 ** power);
  return ticks;
}

const ROUND_SECONDS = [
  1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21_600, 43_200, 86_400,
];

/** Return the distance of ticks on the time axis in nanoseconds. */
export function clockStep(range: number, most: number): number {
  const least = range / Math.max(1, most) / 1e9;
  const found = ROUND_SECONDS.find((seconds) => seconds >= least);
  return (found ?? Math.ceil(least / 86_400) * 86_400) * 1e9;
}

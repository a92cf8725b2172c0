/** Places of the ticks on a time axis. */
import { THIN_SPACE } from "./numbers.ts";

const STEPS = [1, 2, 5];
const UNITS: [size: number, unit: string][] = [
  [1e9, "s"],
  [1e6, "ms"],
  [1e3, "µs"],
  [1, "ns"],
];

/** Return the distance of ticks in nanoseconds: 1, 2 or 5 times a power of ten; whole minutes above. */
export function tickStep(range: number, most: number): number {
  const least = range / Math.max(1, most);
  if (!(least > 0)) return 1;
  if (least > 30e9) {
    const minutes = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1440];
    const found = minutes.find((value) => value * 60e9 >= least);
    return (found ?? Math.ceil(least / 86_400e9) * 1440) * 60e9;
  }
  const power = 10 ** Math.floor(Math.log10(least));
  for (const step of STEPS) {
    if (step * power >= least * 0.999_999) return Math.max(1, step * power);
  }
  return Math.max(1, 10 * power);
}

/** Return the times of ticks within a range, in nanoseconds. */
export function tickTimes(from: number, to: number, most: number): number[] {
  const step = tickStep(to - from, most);
  const first = Math.ceil(from / step);
  const times: number[] = [];
  for (let index = first; index * step <= to; index++) times.push(index * step);
  return times;
}

/**
 * Return the label of a tick. All labels of an axis have the unit that its range calls for, and as
 * many decimals as its step needs.
 */
export function tickLabel(time: number, step: number, range: number): string {
  if (time === 0) return "0";
  if (step >= 60e9) {
    const minutes = Math.round(time / 60e9);
    const rest = String(minutes % 60).padStart(2, "0");
    return minutes < 60
      ? `${minutes}${THIN_SPACE}min`
      : `${Math.floor(minutes / 60)}${THIN_SPACE}h ${rest}`;
  }
  const [size, unit] = UNITS.find(([value]) => range >= value) ?? UNITS[3]!;
  const decimals = Math.max(0, Math.ceil(-Math.log10(step / size) - 1e-9));
  return `${(time / size).toFixed(Math.min(decimals, 9))}${THIN_SPACE}${unit}`;
}

/** Numbers and durations as text: three significant digits and a thin space before the unit. */

export const THIN_SPACE = "\u2009";

const UNITS: [limit: number, divisor: number, unit: string][] = [
  [1e3, 1, "ns"],
  [1e6, 1e3, "µs"],
  [1e9, 1e6, "ms"],
  [60e9, 1e9, "s"],
];

/** Return a number with three significant digits and without an exponent. */
export function threeDigits(value: number): string {
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size >= 99.95) return String(Math.round(value));
  if (size >= 9.995) return value.toFixed(1);
  return value.toFixed(size >= 0.9995 ? 2 : 3);
}

/** Return a duration in nanoseconds as text, such as `1.42 s`; an open one as `…`. */
export function formatDuration(nanoseconds: number): string {
  if (Number.isNaN(nanoseconds)) return "…";
  const size = Math.abs(nanoseconds);
  if (size === 0) return `0${THIN_SPACE}ns`;
  for (const [limit, divisor, unit] of UNITS) {
    // 999.6 µs is a millisecond: the rounded figure decides about the unit.
    if (size < limit * 0.9995) {
      const value = nanoseconds / divisor;
      const text = divisor === 1 ? String(Math.round(value)) : threeDigits(value);
      return `${text}${THIN_SPACE}${unit}`;
    }
  }
  const seconds = Math.round(size / 1e9);
  const sign = nanoseconds < 0 ? "−" : "";
  const [days, hours, minutes] = [
    Math.floor(seconds / 86_400),
    Math.floor(seconds / 3600) % 24,
    Math.floor(seconds / 60) % 60,
  ];
  const pair = (a: number, unitA: string, b: number, unitB: string): string =>
    `${sign}${a}${THIN_SPACE}${unitA} ${String(b).padStart(2, "0")}${THIN_SPACE}${unitB}`;
  if (days > 0) return pair(days, "d", hours, "h");
  if (hours > 0) return pair(hours, "h", minutes, "min");
  return pair(minutes, "min", seconds % 60, "s");
}

/** Return a whole number with thousands grouped. */
export function formatCount(value: number): string {
  return value.toLocaleString("en-US");
}

/** Return a size in bytes as text. */
export function formatBytes(value: number): string {
  for (const [divisor, unit] of [
    [1e9, "GB"],
    [1e6, "MB"],
    [1e3, "kB"],
  ] as const) {
    if (value >= divisor) return `${threeDigits(value / divisor)}${THIN_SPACE}${unit}`;
  }
  return `${value}${THIN_SPACE}B`;
}

/** Return a share as a percentage. */
export function formatShare(part: number, whole: number): string {
  if (whole <= 0) return "–";
  const share = (part / whole) * 100;
  if (share > 0 && share < 1) return "<1 %".replace(" ", THIN_SPACE);
  return `${Math.round(share)}${THIN_SPACE}%`;
}

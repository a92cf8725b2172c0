/** Points in time as text, in UTC or in the zone of the machine. */

export type Zone = "utc" | "local";

function two(value: number): string {
  return String(value).padStart(2, "0");
}

function parts(milliseconds: number, zone: Zone): number[] {
  const date = new Date(milliseconds);
  return zone === "utc"
    ? [
        date.getUTCFullYear(),
        date.getUTCMonth() + 1,
        date.getUTCDate(),
        date.getUTCHours(),
        date.getUTCMinutes(),
        date.getUTCSeconds(),
      ]
    : [
        date.getFullYear(),
        date.getMonth() + 1,
        date.getDate(),
        date.getHours(),
        date.getMinutes(),
        date.getSeconds(),
      ];
}

/** Return the time of day with a number of decimals, such as `12:03:07.412`. */
export function formatTime(nanoseconds: bigint, zone: Zone, decimals = 3): string {
  const [, , , hour, minute, second] = parts(Number(nanoseconds / 1_000_000n), zone) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const rest = nanoseconds % 1_000_000_000n;
  const fraction = String(rest < 0n ? rest + 1_000_000_000n : rest).padStart(9, "0");
  const tail = decimals > 0 ? `.${fraction.slice(0, decimals)}` : "";
  return `${two(hour)}:${two(minute)}:${two(second)}${tail}`;
}

/** Return the date, such as `2026-11-28`. */
export function formatDate(nanoseconds: bigint, zone: Zone): string {
  const [year, month, day] = parts(Number(nanoseconds / 1_000_000n), zone) as [
    number,
    number,
    number,
  ];
  return `${year}-${two(month)}-${two(day)}`;
}

/** Return date and time to the nanosecond, with the zone. */
export function formatExact(nanoseconds: bigint, zone: Zone): string {
  const suffix = zone === "utc" ? "Z" : "";
  return `${formatDate(nanoseconds, zone)} ${formatTime(nanoseconds, zone, 9)}${suffix}`;
}

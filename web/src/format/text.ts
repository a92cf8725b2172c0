/** Text that has to fit. */

/**
 * Return text of at most `most` characters, cut in the middle: the ends of names and ids tell more
 * than what stands between.
 */
export function cutMiddle(text: string, most: number): string {
  if (text.length <= most) return text;
  if (most <= 1) return "…";
  const characters = Array.from(text);
  if (characters.length <= most) return text;
  const head = Math.ceil((most - 1) * 0.6);
  const tail = most - 1 - head;
  const end = tail > 0 ? characters.slice(-tail).join("") : "";
  return `${characters.slice(0, head).join("")}…${end}`;
}

/** Return the singular or the plural after a count. */
export function plural(count: number, one: string, many = `${one}s`): string {
  return count === 1 ? one : many;
}

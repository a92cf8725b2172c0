/** The colour of a service: one of ten hues, by a hash of its name, so that it is the same on every visit. */

export const SERVICE_COLOURS = 10;

/** Return the number of a service's colour, from 0 to 9. */
export function serviceColour(name: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < name.length; index++) {
    hash = Math.imul(hash ^ name.charCodeAt(index), 0x01000193);
  }
  hash ^= hash >>> 15;
  hash = Math.imul(hash, 0x2c1b3c6d);
  hash ^= hash >>> 13;
  return (hash >>> 0) % SERVICE_COLOURS;
}

/** The design's colours for canvas, resolved from the style sheet. */
import { signal } from "@preact/signals";
import { SERVICE_COLOURS, serviceColour } from "../model/colours.ts";

const NAMES = [
  "surface",
  "raised",
  "hover",
  "selected",
  "match",
  "line",
  "line-strong",
  "text",
  "text-2",
  "text-3",
  "accent",
  "error",
  "warning",
  "path",
] as const;

type ColourName = (typeof NAMES)[number];

export interface Palette extends Record<ColourName, string> {
  /** The colour of a service's own work, of what its children cover, and of text upon it. */
  self: string[];
  cover: string[];
}

const known = new Map<string, Palette>();

/** Return the colours of the theme in use. */
export function currentPalette(): Palette {
  const theme = document.documentElement.dataset.theme ?? "";
  const found = known.get(theme) ?? readPalette();
  known.set(theme, found);
  return found;
}

function readPalette(): Palette {
  const probe = document.createElement("span");
  probe.hidden = true;
  document.body.append(probe);
  const resolve = (name: string): string => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const palette = Object.fromEntries(
    NAMES.map((name) => [name, resolve(name)]),
  ) as unknown as Palette;
  const services = Array.from({ length: SERVICE_COLOURS }, (_, index) => index);
  palette.self = services.map((index) => resolve(`self-${index}`));
  palette.cover = services.map((index) => resolve(`cover-${index}`));
  probe.remove();
  return palette;
}

const STORED = "tracekit.service-colours";
const given = new Map<string, number>(readGiven());
/** Changes when a service gets its colour. */
export const coloursVersion = signal(0);

function readGiven(): [string, number][] {
  try {
    const entries: unknown = JSON.parse(localStorage.getItem(STORED) ?? "[]");
    return Array.isArray(entries) ? (entries as [string, number][]) : [];
  } catch {
    return [];
  }
}

/**
 * Return the number of a service's colour.
 *
 * It is the hash of its name. Where another service has that colour already, it is the next that is
 * free, which this browser remembers: two services of one trace should not look the same.
 */
export function colourOf(service: string): number {
  const known = given.get(service);
  if (known !== undefined) return known % SERVICE_COLOURS;
  const taken = new Set(given.values());
  const first = serviceColour(service);
  let colour = first;
  for (let step = 0; step < SERVICE_COLOURS && taken.has(colour); step++) {
    colour = (first + step) % SERVICE_COLOURS;
  }
  if (taken.has(colour)) colour = first;
  given.set(service, colour);
  try {
    localStorage.setItem(STORED, JSON.stringify([...given].slice(-200)));
  } catch {
    // without storage the colours last as long as the page
  }
  return colour;
}

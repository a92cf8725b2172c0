/** What a user chooses for good; it stays in the browser. */
import { effect, type Signal, signal } from "@preact/signals";
import type { Zone } from "../format/time.ts";

export type Theme = "system" | "light" | "dark";

function read(key: string): string | null {
  try {
    return localStorage.getItem(`tracekit.${key}`);
  } catch {
    return null; // storage may be forbidden, as it is in a file opened from disk
  }
}

function stored<T extends string>(key: string, initial: T): Signal<T> {
  const value = signal((read(key) as T | null) ?? initial);
  effect(() => {
    try {
      localStorage.setItem(`tracekit.${key}`, value.value);
    } catch {
      // as above: the choice then lasts as long as the page
    }
  });
  return value;
}

export const theme = stored<Theme>("theme", "system");
export const zone = stored<Zone>("zone", "local");
/** `vscode`, `pycharm`, or a template of a URL with {path} and {line}. */
export const editor = stored<string>("editor", "vscode");
export const panelWidth = stored<string>("panel", "400");
export const panelHeight = stored<string>("panel-height", "280");
export const nameWidth = stored<string>("names", "360");

const prefersDark = matchMedia("(prefers-color-scheme: dark)");
const systemDark = signal(prefersDark.matches);
prefersDark.addEventListener("change", (event) => {
  systemDark.value = event.matches;
});

/** The colours in use; it changes with the system and by choice. */
export const scheme = signal<"light" | "dark">("light");
effect(() => {
  const system = systemDark.value ? "dark" : "light";
  const chosen = theme.value === "system" ? system : theme.value;
  document.documentElement.dataset.theme = chosen;
  scheme.value = chosen;
});

/** Go to the next theme: the system's, light, dark. */
export function nextTheme(): void {
  const themes: Theme[] = ["system", "light", "dark"];
  theme.value = themes[(themes.indexOf(theme.value) + 1) % themes.length]!;
}

export function switchZone(): void {
  zone.value = zone.value === "utc" ? "local" : "utc";
}

const reduced = matchMedia("(prefers-reduced-motion: reduce)");

/** Whether the user asked the system for less motion. */
export function motionIsReduced(): boolean {
  return reduced.matches;
}

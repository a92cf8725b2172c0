/** The bar at the top of every page: what the page puts there, then what is always there. */
import type { ComponentChildren } from "preact";
import { showHelp } from "./help.tsx";
import { Icon } from "./icons.tsx";
import { nextTheme, switchZone, theme, zone } from "./settings.ts";

const THEME_TITLES = { system: "as the system", light: "light", dark: "dark" };

export function Mark() {
  return (
    <svg
      class="mark"
      viewBox="0 0 16 16"
      width="18"
      height="18"
      aria-hidden="true"
      focusable="false"
    >
      <rect class="mark-1" x="1" y="2" width="14" height="3" rx="1.5" />
      <rect class="mark-2" x="4" y="6.5" width="7.5" height="3" rx="1.5" />
      <rect class="mark-3" x="8.5" y="11" width="6.5" height="3" rx="1.5" />
    </svg>
  );
}

export function TopBar({ children }: { children: ComponentChildren }) {
  return (
    <header class="top-bar">
      {children}
      <div class="button-row">
        <button
          type="button"
          class="icon-button"
          aria-label={`Colours: ${THEME_TITLES[theme.value]}`}
          title={`Colours: ${THEME_TITLES[theme.value]}`}
          onClick={nextTheme}
        >
          <Icon name={theme.value} />
        </button>
        <button
          type="button"
          class="quiet zone"
          title="Times in UTC or local (u)"
          aria-label={`Times: ${zone.value === "utc" ? "UTC" : "local"}`}
          onClick={switchZone}
        >
          {zone.value === "utc" ? "UTC" : "local"}
        </button>
        <button
          type="button"
          class="icon-button"
          aria-label="Keys"
          title="Keys (?)"
          onClick={showHelp}
        >
          <Icon name="help" />
        </button>
      </div>
    </header>
  );
}

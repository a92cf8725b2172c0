/** The URL: which page is shown, and all of its state in the query string. */
import { computed, signal } from "@preact/signals";
import { isStandalone } from "../api/standalone.ts";

/** A file opened from disk has no path of its own: its state is in the fragment. */
function readUrl(): { path: string; search: string } {
  return isStandalone
    ? { path: "/trace/file", search: location.hash.slice(1) }
    : { path: location.pathname, search: location.search.slice(1) };
}

const url = signal(readUrl());

export type Route = { page: "list" } | { page: "trace"; id: string };

/** The page that the path names. */
export const route = computed<Route>(() => {
  const found = /^\/trace\/([0-9a-zA-Z]+)\/?$/.exec(url.value.path);
  return found ? { page: "trace", id: found[1]!.toLowerCase() } : { page: "list" };
});

/** The parameters of the URL. */
export const parameters = computed(() => new URLSearchParams(url.value.search));

function write(path: string, search: string, push: boolean): void {
  const before = url.peek();
  if (before.path === path && before.search === search) return;
  const target = isStandalone ? `#${search}` : path + (search === "" ? "" : `?${search}`);
  if (push) history.pushState(null, "", target);
  else history.replaceState(null, "", target);
  url.value = { path, search };
}

/** Go to another page, as a step of the browser's history. */
export function navigate(target: string): void {
  const { pathname, search } = new URL(target, location.origin);
  write(pathname, search.slice(1), true);
}

/**
 * Change some parameters of the page; null and empty text remove one.
 *
 * @param push Whether the browser's Back returns to the state before.
 */
export function setParameters(changes: Record<string, string | null>, push = false): void {
  const next = new URLSearchParams(url.peek().search);
  for (const [key, value] of Object.entries(changes)) {
    if (value === null || value === "") next.delete(key);
    else next.set(key, value);
  }
  // Readable URLs: these characters may stand in a query as they are.
  const search = next.toString().replace(/%2C/g, ",").replace(/%3A/g, ":").replace(/%2F/g, "/");
  write(url.peek().path, search, push);
}

/** The last state of the list, so that the way back leads to the same place. */
export const listAddress = signal("/");

/** Take over links of this page, so that they do not load it again. */
export function followLinks(): void {
  addEventListener("popstate", () => {
    url.value = readUrl();
  });
  addEventListener("hashchange", () => {
    if (isStandalone) url.value = readUrl();
  });
  document.addEventListener("click", (event) => {
    const link = (event.target as Element | null)?.closest?.("a");
    const modified = event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0;
    if (!link || modified || event.defaultPrevented || isStandalone) return;
    if (link.origin !== location.origin || link.target || link.hasAttribute("download")) return;
    if (link.pathname !== "/" && !link.pathname.startsWith("/trace/")) return;
    event.preventDefault();
    navigate(link.href);
  });
}

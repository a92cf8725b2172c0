/** Keys: every page says which it has, and the page of keys shows them all. */
import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";

export interface KeyCommand {
  /** Values of `KeyboardEvent.key`, as they are pressed. */
  keys: string[];
  /** How the keys are shown, where that differs. */
  shown?: string;
  label: string;
  run: (event: KeyboardEvent) => void;
}

export interface KeyScope {
  title: string;
  commands: KeyCommand[];
}

/** The scopes that are active, the innermost last. */
export const keyScopes = signal<KeyScope[]>([]);

/** Make a scope's keys work while a component is shown. The scope has to be the same object. */
export function useKeys(scope: KeyScope): void {
  useEffect(() => {
    keyScopes.value = [...keyScopes.peek(), scope];
    return () => {
      keyScopes.value = keyScopes.peek().filter((other) => other !== scope);
    };
  }, [scope]);
}

function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target instanceof HTMLInputElement)
    return !["checkbox", "radio", "range"].includes(target.type);
  return target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement;
}

function isPressing(event: KeyboardEvent): boolean {
  const onControl = (event.target as Element | null)?.closest?.(
    "button, a, summary, [role=menuitem]",
  );
  return (
    onControl !== null && onControl !== undefined && (event.key === "Enter" || event.key === " ")
  );
}

/** Send keys to the innermost scope that knows them. */
export function listenForKeys(): void {
  addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (isTyping(event.target)) {
      if (event.key === "Escape") (event.target as HTMLElement).blur();
      return;
    }
    if (isPressing(event) || document.querySelector("dialog[open]") !== null) return;
    const key = event.shiftKey && event.key.length > 1 ? `Shift+${event.key}` : event.key;
    for (const scope of keyScopes.peek().toReversed()) {
      const command = scope.commands.find(({ keys }) => keys.includes(key));
      if (command !== undefined) {
        event.preventDefault();
        command.run(event);
        return;
      }
    }
  });
}

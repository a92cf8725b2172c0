/** The field for a query: completion from what is stored, and errors in their place. */
import { useComputed, useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";
import { ApiError, getJson } from "../api/client.ts";
import { isStandalone } from "../api/standalone.ts";
import { formatCount } from "../format/numbers.ts";
import { Icon } from "../shell/icons.tsx";

interface Completion {
  start: number;
  end: number;
  items: { text: string; kind: string; count: number | null }[];
}

export interface QueryFieldProps {
  value: string;
  /** The query was entered. */
  onQuery: (query: string) => void;
  /** Each change, as it is typed; completions do not wait for it. */
  onTyping?: ((query: string) => void) | undefined;
  failure: Error | null;
  label: string;
  placeholder: string;
  /** What stands in the field after the text, such as a count. */
  children?: ComponentChildren;
  /** Enter, where no completion is chosen; returns whether it did something else than the query. */
  onEnter?: ((isShift: boolean) => boolean) | undefined;
}

const TYPING_MS = 120;

export function QueryField(props: QueryFieldProps) {
  const field = useRef<HTMLInputElement>(null);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const completion = useSignal<Completion | null>(null);
  const chosen = useSignal(-1);
  const id = useId();
  const shown = useComputed(() => completion.value !== null && completion.value.items.length > 0);

  useEffect(() => {
    const element = field.current!;
    if (document.activeElement !== element) element.value = props.value;
  }, [props.value]);
  useEffect(() => () => clearTimeout(timer.current), []);

  const close = (): void => {
    clearTimeout(timer.current);
    completion.value = null;
    chosen.value = -1;
  };
  const complete = (): void => {
    clearTimeout(timer.current);
    if (isStandalone) return;
    timer.current = setTimeout(() => {
      const { value, selectionStart } = field.current!;
      const search = new URLSearchParams({ query: value, position: String(selectionStart ?? 0) });
      getJson<Completion>(`/api/complete?${search}`).then(
        (answer) => {
          if (field.current?.value !== value || document.activeElement !== field.current) return;
          completion.value = answer;
          chosen.value = -1;
        },
        () => undefined, // a query can be entered without completion
      );
    }, TYPING_MS);
  };
  const accept = (index: number): void => {
    const { start, end, items } = completion.peek()!;
    const element = field.current!;
    const text = items[index]!.text;
    element.setRangeText(text, start, end, "end");
    props.onTyping?.(element.value);
    close();
    if (/[:=><]$/.test(text)) complete();
  };
  const press = (event: KeyboardEvent): void => {
    const items = completion.peek()?.items ?? [];
    const isDown = event.key === "ArrowDown";
    if ((isDown || event.key === "ArrowUp") && items.length > 0) {
      const next = chosen.peek() + (isDown ? 1 : -1);
      chosen.value = (next + items.length + 1) % (items.length + 1);
      if (chosen.value === items.length) chosen.value = -1;
    } else if (event.key === "Tab" && items.length > 0 && !event.shiftKey) {
      accept(Math.max(0, chosen.peek()));
    } else if (event.key === "Enter") {
      if (chosen.peek() >= 0) accept(chosen.peek());
      else {
        close();
        if (!props.onEnter?.(event.shiftKey)) props.onQuery(field.current!.value);
      }
    } else if (event.key === "Escape" && shown.peek()) {
      close();
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  };

  const place = props.failure instanceof ApiError ? props.failure.place : undefined;
  return (
    <div class={`query ${props.failure ? "is-wrong" : ""}`}>
      <div class={`search ${props.failure ? "is-wrong" : ""}`}>
        <Icon name="search" />
        <input
          ref={field}
          type="text"
          class="mono"
          role="combobox"
          spellcheck={false}
          autocomplete="off"
          placeholder={props.placeholder}
          aria-label={props.label}
          aria-expanded={shown.value}
          aria-controls={id}
          aria-autocomplete="list"
          aria-invalid={props.failure !== null}
          aria-activedescendant={chosen.value >= 0 ? `${id}-${chosen.value}` : undefined}
          data-action="search"
          onClick={() => field.current?.focus()}
          onFocus={complete}
          onBlur={close}
          onInput={(event) => {
            complete();
            props.onTyping?.(event.currentTarget.value);
            if (event.currentTarget.value === "") props.onQuery("");
          }}
          onKeyDown={press}
        />
        {props.children}
        <kbd>/</kbd>
      </div>
      <div
        class="completions"
        role="listbox"
        id={id}
        aria-label="Completions"
        hidden={!shown.value}
      >
        {completion.value?.items.map((item, index) => (
          <div
            role="option"
            key={item.text}
            id={`${id}-${index}`}
            aria-selected={chosen.value === index}
            onPointerDown={(event) => {
              event.preventDefault();
              accept(index);
            }}
          >
            <span class="mono">{item.text}</span>
            <span class="menu-hint">
              {item.count === null ? item.kind : formatCount(item.count)}
            </span>
          </div>
        ))}
      </div>
      {props.failure && !shown.value && (
        <div class="query-error" role="alert">
          {place && (
            <p class="mono">
              {props.value.slice(0, place[0])}
              <mark>{props.value.slice(place[0], Math.max(place[1], place[0] + 1)) || "␣"}</mark>
              {props.value.slice(Math.max(place[1], place[0] + 1))}
            </p>
          )}
          <p>{props.failure.message}</p>
        </div>
      )}
    </div>
  );
}

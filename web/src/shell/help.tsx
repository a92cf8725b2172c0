/** The page of keys: what the keys of the current page do, and what the drawings mean. */
import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { Icon } from "./icons.tsx";
import { type KeyScope, keyScopes } from "./keys.ts";

const shown = signal(false);

export function showHelp(): void {
  shown.value = true;
}

function Scope({ scope }: { scope: KeyScope }) {
  return (
    <section>
      <h3>{scope.title}</h3>
      <dl class="key-list">
        {scope.commands.map((command) => (
          <div key={command.label}>
            <dt>
              {(command.shown ?? command.keys[0] ?? "")
                .split(" ")
                .map((key) =>
                  key === "…" ? <span key={key}> … </span> : <kbd key={key}>{key}</kbd>,
                )}
            </dt>
            <dd>{command.label}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

const LEGEND: [className: string, text: string][] = [
  ["legend-self", "dark: the span's own work; light: its children cover it"],
  ["legend-idle", "hollow: filled as far as it was busy, the rest it waited"],
  ["legend-error", "✕ and a hatched end: it failed"],
  ["legend-open", "dashed end: it has not ended"],
  ["legend-event", "tick: an event; red: an exception"],
  ["legend-path", "line below: the critical path, what the end waited for"],
  ["legend-parent", "dashed line: where the parent begins or ends"],
];

export function Help() {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (shown.value) dialog.current?.showModal();
    else dialog.current?.close();
  }, [shown.value]);
  const close = (): void => {
    shown.value = false;
  };
  return (
    <dialog
      ref={dialog}
      class="help"
      aria-labelledby="help-title"
      onClose={close}
      onClick={(event) => {
        if (event.target === dialog.current) close();
      }}
      onKeyDown={(event) => {
        if (event.key === "?") close();
      }}
    >
      {shown.value && (
        <div class="help-content">
          <header>
            <h2 id="help-title">Keys</h2>
            <button type="button" class="icon-button" aria-label="Close" onClick={close}>
              <Icon name="close" />
            </button>
          </header>
          <div class="help-columns">
            {keyScopes.value.toReversed().map((scope) => (
              <Scope key={scope.title} scope={scope} />
            ))}
            <section>
              <h3>Mouse</h3>
              <dl class="key-list">
                <div>
                  <dt>
                    <kbd>Ctrl</kbd> wheel
                  </dt>
                  <dd>Zoom at the pointer</dd>
                </div>
                <div>
                  <dt>
                    <kbd>Shift</kbd> wheel
                  </dt>
                  <dd>Earlier, later</dd>
                </div>
                <div>
                  <dt>drag bars</dt>
                  <dd>Move</dd>
                </div>
                <div>
                  <dt>drag the axis</dt>
                  <dd>Zoom to a range</dd>
                </div>
                <div>
                  <dt>double click</dt>
                  <dd>Zoom to the span</dd>
                </div>
              </dl>
            </section>
            <section>
              <h3>Bars</h3>
              <ul class="legend">
                {LEGEND.map(([className, text]) => (
                  <li key={className}>
                    <span class={`legend-bar ${className}`} />
                    {text}
                  </li>
                ))}
              </ul>
            </section>
          </div>
        </div>
      )}
    </dialog>
  );
}

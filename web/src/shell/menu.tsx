/** A button that opens a short list of actions. */

import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";

export interface MenuItem {
  label: string;
  hint?: string;
  /** An address to follow; it is downloaded where `download` is set. */
  href?: string;
  download?: boolean;
  run?: () => void;
  checked?: boolean;
}

export function Menu({
  label,
  title,
  items,
  children,
  className = "quiet",
  action,
}: {
  label: string;
  title?: string;
  items: MenuItem[];
  children?: ComponentChildren;
  className?: string;
  action?: string;
}) {
  const [open, setOpen] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const id = useId();

  useEffect(() => {
    if (!open) return;
    box.current?.querySelector<HTMLElement>("[role^=menuitem]")?.focus();
    const close = (event: Event): void => {
      if (!box.current?.contains(event.target as Node)) setOpen(false);
    };
    addEventListener("pointerdown", close);
    return () => removeEventListener("pointerdown", close);
  }, [open]);

  const press = (event: KeyboardEvent): void => {
    if (!open) return;
    const all = [...box.current!.querySelectorAll<HTMLElement>("[role^=menuitem]")];
    const at = all.indexOf(document.activeElement as HTMLElement);
    const next: Record<string, number> = {
      ArrowDown: (at + 1) % all.length,
      ArrowUp: (at + all.length - 1) % all.length,
      Home: 0,
      End: all.length - 1,
    };
    if (event.key === "Escape" || event.key === "Tab") {
      setOpen(false);
      button.current?.focus();
      if (event.key === "Tab") return;
    } else if (next[event.key] !== undefined) {
      all[next[event.key]!]?.focus();
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  };

  return (
    <div class="menu" ref={box} onKeyDown={press}>
      <button
        type="button"
        class={className}
        ref={button}
        aria-haspopup="menu"
        aria-expanded={open}
        aria-controls={id}
        aria-label={label}
        title={title}
        data-action={action}
        onClick={() => setOpen(!open)}
      >
        {children ?? label}
      </button>
      {open && (
        <div class="menu-items" role="menu" id={id} aria-label={label}>
          {items.map((item) => (
            <MenuEntry key={item.label} item={item} close={() => setOpen(false)} />
          ))}
        </div>
      )}
    </div>
  );
}

function MenuEntry({ item, close }: { item: MenuItem; close: () => void }) {
  const content = (
    <>
      <span>{item.label}</span>
      {item.hint && <span class="menu-hint">{item.hint}</span>}
    </>
  );
  const role = item.checked === undefined ? "menuitem" : "menuitemradio";
  if (item.href !== undefined) {
    return (
      <a role={role} tabIndex={-1} href={item.href} download={item.download} onClick={close}>
        {content}
      </a>
    );
  }
  return (
    <button
      type="button"
      role={role}
      tabIndex={-1}
      aria-checked={item.checked}
      onClick={() => {
        close();
        item.run?.();
      }}
    >
      {content}
    </button>
  );
}

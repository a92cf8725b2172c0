/** A part of the panel that can be folded. What is folded is not asked of the server. */
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Icon } from "../../shell/icons.tsx";
import { copyText } from "../../shell/toast.tsx";

export interface SectionProps {
  title: string;
  count?: number;
  open?: boolean;
  /** The text that the section's copy button copies. */
  copy?: () => string;
  onToggle?: (open: boolean) => void;
  children: ComponentChildren;
}

export function Section({ title, count, open = true, copy, onToggle, children }: SectionProps) {
  const [shown, setShown] = useState(open);
  useEffect(() => setShown(open), [open]);
  return (
    <details
      class="section"
      open={shown}
      onToggle={(event) => {
        setShown(event.currentTarget.open);
        onToggle?.(event.currentTarget.open);
      }}
    >
      <summary>
        <span class="section-title">{title}</span>
        {count !== undefined && <span class="section-count">{count}</span>}
      </summary>
      {copy && (
        <button
          type="button"
          class="icon-button section-copy"
          aria-label={`Copy ${title.toLowerCase()} as JSON`}
          title="Copy as JSON"
          onClick={() => void copyText(copy(), title.toLowerCase())}
        >
          <Icon name="copy" />
        </button>
      )}
      <div class="section-body">{shown && children}</div>
    </details>
  );
}

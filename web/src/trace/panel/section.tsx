/** A part of the panel that can be folded. */
import type { ComponentChildren } from "preact";
import { Icon } from "../../shell/icons.tsx";
import { copyText } from "../../shell/toast.tsx";

export function Section({
  title,
  count,
  open = true,
  copy,
  children,
}: {
  title: string;
  count?: number;
  open?: boolean;
  /** The text that the section's copy button copies. */
  copy?: () => string;
  children: ComponentChildren;
}) {
  return (
    <details class="section" open={open}>
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
      <div class="section-body">{children}</div>
    </details>
  );
}

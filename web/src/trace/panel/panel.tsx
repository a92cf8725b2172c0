/** The panel beside the waterfall: it follows the cursor. */
import { isGroup } from "../../model/folding.ts";
import { Icon } from "../../shell/icons.tsx";
import type { TraceSession } from "../session.ts";
import { GroupPanel } from "./group_panel.tsx";
import { SpanPanel } from "./span_panel.tsx";

export function Panel({ session }: { session: TraceSession }) {
  const cursor = session.cursor.value;
  return (
    <aside class="panel" aria-label="Details">
      <button
        type="button"
        class="icon-button panel-close"
        aria-label="Close the panel"
        title="Close the panel (Enter)"
        onClick={() => {
          session.panelOpen.value = false;
        }}
      >
        <Icon name="close" />
      </button>
      {cursor === null ? (
        <div class="panel-content panel-empty">
          <p>
            Choose a span to see its attributes, events and source.
            <br />
            <kbd>j</kbd> <kbd>k</kbd> move, <kbd>e</kbd> goes to the next error.
          </p>
        </div>
      ) : isGroup(cursor) ? (
        <GroupPanel session={session} item={cursor} />
      ) : (
        <SpanPanel session={session} row={cursor} />
      )}
    </aside>
  );
}

/** Above the waterfall: the kind of view, the search within the trace, zoom. */
import { useRef } from "preact/hooks";
import { formatCount } from "../format/numbers.ts";
import { QueryField } from "../query/query_field.tsx";
import { Icon } from "../shell/icons.tsx";
import type { Mode, TraceSession } from "./session.ts";

const MODES: [Mode, string][] = [
  ["tree", "Waterfall"],
  ["lanes", "Lanes"],
  ["names", "Names"],
];
const TYPING_MS = 180;

function Modes({ session }: { session: TraceSession }) {
  return (
    <div class="segments" role="group" aria-label="View">
      {MODES.map(([mode, title]) => (
        <button
          type="button"
          key={mode}
          aria-pressed={session.mode.value === mode}
          onClick={() => {
            session.mode.value = mode;
          }}
        >
          {title}
        </button>
      ))}
    </div>
  );
}

function SearchCount({ session }: { session: TraceSession }) {
  const { state, looked } = session.search.state.value;
  const matches = session.search.matches.value;
  if (state === "busy" && matches === null) return <span class="search-count">searching…</span>;
  if (state === "error" || matches === null) return null;
  const model = session.model.value;
  const cursor = session.cursor.value;
  const row = cursor === null || model === null ? -1 : model.rowOfItem(cursor);
  const at =
    matches.marked[row] === 1 ? `${formatCount(matches.inOrder.indexOf(row) + 1)} of ` : "";
  const total = formatCount(matches.inOrder.length);
  return (
    <span class="search-count" role="status">
      {matches.inOrder.length === 0 ? "no match" : `${at}${total}`}
      {looked && ` · searched ${formatCount(looked[0])} of ${formatCount(looked[1])} spans`}
    </span>
  );
}

function Search({ session }: { session: TraceSession }) {
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const type = (text: string): void => {
    clearTimeout(timer.current);
    timer.current = setTimeout(() => void session.find(text), TYPING_MS);
  };
  const enter = (isShift: boolean): boolean => {
    const list = session.search.matches.peek()?.inOrder;
    if (list === undefined || list.length === 0) return false;
    session.step(list, isShift ? -1 : 1);
    return true;
  };
  const none = (session.search.matches.value?.inOrder.length ?? 0) === 0;
  return (
    <div class="search-group">
      <QueryField
        value={session.search.query.value}
        onQuery={(query) => void session.find(query)}
        onTyping={type}
        onEnter={enter}
        failure={session.search.state.value.failure ?? null}
        label="Search in this trace"
        placeholder="Search in this trace"
      >
        <SearchCount session={session} />
      </QueryField>
      {session.search.matches.value !== null && (
        <>
          <button
            type="button"
            class="icon-button"
            aria-label="Previous match"
            title="Previous match (N)"
            disabled={none}
            onClick={() => session.step(session.search.matches.peek()!.inOrder, -1)}
          >
            <Icon name="up" />
          </button>
          <button
            type="button"
            class="icon-button"
            aria-label="Next match"
            title="Next match (n)"
            disabled={none}
            onClick={() => session.step(session.search.matches.peek()!.inOrder, 1)}
          >
            <Icon name="down" />
          </button>
          <label class="check" title="Only matches (m)">
            <input
              type="checkbox"
              checked={session.only.value}
              disabled={none}
              onChange={(event) => session.setOnly(event.currentTarget.checked)}
            />
            only matches
          </label>
        </>
      )}
    </div>
  );
}

export function Toolbar({ session }: { session: TraceSession }) {
  const errors = session.model.value?.data.errors;
  return (
    <div class="toolbar" role="toolbar" aria-label="View of the trace">
      <Modes session={session} />
      <Search session={session} />
      <span class="spring" />
      {errors !== undefined && errors.length > 0 && (
        <button
          type="button"
          class="quiet is-error"
          title="Next error (e)"
          onClick={() => session.step(errors, 1)}
        >
          <span aria-hidden="true">✕</span> Next error
        </button>
      )}
      <label class="check" title="Critical path (c)">
        <input
          type="checkbox"
          checked={session.showPath.value}
          onChange={(event) => {
            session.showPath.value = event.currentTarget.checked;
          }}
        />
        critical path
      </label>
      <div class="button-row" role="group" aria-label="Zoom">
        <button
          type="button"
          class="icon-button"
          aria-label="Zoom out"
          title="Zoom out (−)"
          onClick={() => session.view.zoom(1.8, 0.5, true)}
        >
          <Icon name="minus" />
        </button>
        <button
          type="button"
          class="icon-button"
          aria-label="Zoom in"
          title="Zoom in (+)"
          onClick={() => session.view.zoom(0.55, 0.5, true)}
        >
          <Icon name="plus" />
        </button>
        <button
          type="button"
          class="quiet"
          title="The whole trace (0)"
          disabled={session.view.isWhole}
          onClick={() => session.view.ease(...session.view.whole)}
        >
          fit
        </button>
      </div>
    </div>
  );
}

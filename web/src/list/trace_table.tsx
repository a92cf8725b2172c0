/** The table of traces: only the rows on the screen are elements. */
import { useComputed, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { TraceSummary } from "../api/types.ts";
import { colourOf } from "../canvas/palette.ts";
import { formatCount, formatDuration } from "../format/numbers.ts";
import { formatDate, formatTime } from "../format/time.ts";
import { navigate } from "../shell/router.ts";
import { zone } from "../shell/settings.ts";
import type { ListSession, SortKey } from "./list_session.ts";

const ROW = 28;
const SPARE = 8;
const COLUMNS: [SortKey | null, string, string][] = [
  ["time", "Time", "cell-time"],
  [null, "Service", "cell-service"],
  [null, "Root", "cell-root"],
  ["duration", "Duration", "cell-duration"],
  ["spans", "Spans", "cell-spans"],
  ["errors", "Errors", "cell-errors"],
];
const MOST_DOTS = 6;

function Row({
  trace,
  place,
  isSelected,
  longest,
  onSelect,
}: {
  trace: TraceSummary;
  place: number;
  isSelected: boolean;
  longest: number;
  onSelect: () => void;
}) {
  const start = BigInt(trace.start);
  const others = trace.services.filter((name) => name !== trace.service);
  const share = longest > 0 ? Math.sqrt(Math.max(0, trace.duration) / longest) * 100 : 0;
  return (
    <div
      class={`list-row ${isSelected ? "is-selected" : ""}`}
      role="row"
      id={`trace-${place}`}
      aria-rowindex={place + 2}
      aria-selected={isSelected}
      data-trace={trace.id}
      style={{ transform: `translateY(${place * ROW}px)` }}
      onClick={(event) => {
        onSelect();
        const isPlain = !event.ctrlKey && !event.metaKey && !event.shiftKey;
        if (isPlain && !(event.target as Element).closest("a")) navigate(`/trace/${trace.id}`);
      }}
    >
      <span class="cell-time mono" role="gridcell" title={formatDate(start, zone.value)}>
        {formatTime(start, zone.value)}
      </span>
      <span class="cell-service" role="gridcell" title={trace.services.join(", ")}>
        <span class={`dot self-${colourOf(trace.service)}`} /> {trace.service}
        {others.slice(0, MOST_DOTS).map((name) => (
          <span class={`dot dot-other self-${colourOf(name)}`} key={name} />
        ))}
        {others.length > MOST_DOTS && <span class="hint"> +{others.length - MOST_DOTS}</span>}
      </span>
      <span class="cell-root" role="gridcell">
        <a href={`/trace/${trace.id}`} tabIndex={-1} title={trace.root}>
          {trace.root || <i class="muted">root has not arrived</i>}
        </a>
        {trace.complete === false && trace.root !== "" && <span class="hint"> running</span>}
      </span>
      <span class="cell-duration" role="gridcell">
        <span class="duration-track">
          <span
            class={`duration-bar fill-${colourOf(trace.service)}`}
            style={{ width: `${share}%` }}
          />
        </span>
        <span class="duration-text">{formatDuration(trace.duration)}</span>
      </span>
      <span class="cell-spans" role="gridcell">
        {formatCount(trace.spans)}
      </span>
      <span class={`cell-errors ${trace.errors > 0 ? "is-error" : ""}`} role="gridcell">
        {trace.errors > 0 ? `✕ ${formatCount(trace.errors)}` : ""}
      </span>
    </div>
  );
}

function Header({ session }: { session: ListSession }) {
  return (
    <div class="list-head" role="row" aria-rowindex={1}>
      {COLUMNS.map(([key, title, className]) => {
        const isSorted = key !== null && session.sort.value === key;
        const direction = session.order.value === "asc" ? "ascending" : "descending";
        return (
          <span
            key={title}
            class={className}
            role="columnheader"
            aria-sort={isSorted ? direction : "none"}
          >
            {key === null ? (
              title
            ) : (
              <button type="button" onClick={() => session.sortBy(key)}>
                {title}
                {isSorted && (
                  <span aria-hidden="true">{direction === "ascending" ? " ↑" : " ↓"}</span>
                )}
              </button>
            )}
          </span>
        );
      })}
    </div>
  );
}

export function TraceTable({ session }: { session: ListSession }) {
  const body = useRef<HTMLDivElement>(null);
  const top = useSignal(0);
  const height = useSignal(600);
  const longest = useComputed(() =>
    session.traces.value.reduce((most, { duration }) => Math.max(most, duration), 0),
  );

  useEffect(() => {
    const element = body.current!;
    const observer = new ResizeObserver(() => {
      height.value = element.clientHeight;
    });
    observer.observe(element);
    element.scrollTop = session.scrollTop;
    return () => observer.disconnect();
  }, []);
  const wanted = useRef(session.toTop.value);
  useEffect(() => {
    if (wanted.current !== session.toTop.value) body.current!.scrollTop = 0;
    wanted.current = session.toTop.value;
  }, [session.toTop.value]);
  useEffect(() => {
    const place = session.selected.value;
    const element = body.current!;
    if (place < 0) return;
    const y = place * ROW;
    if (y < element.scrollTop) element.scrollTop = y;
    else if (y + ROW > element.scrollTop + element.clientHeight) {
      element.scrollTop = y + ROW - element.clientHeight;
    }
  }, [session.selected.value]);

  const traces = session.traces.value;
  const first = Math.max(0, Math.floor(top.value / ROW) - SPARE);
  const last = Math.min(traces.length, Math.ceil((top.value + height.value) / ROW) + SPARE);
  const onScroll = (): void => {
    const element = body.current!;
    top.value = element.scrollTop;
    session.scrollTop = element.scrollTop;
    session.isAtTop.value = element.scrollTop < ROW;
    const left = element.scrollHeight - element.scrollTop - element.clientHeight;
    if (left < 40 * ROW && session.isDone.peek()) void session.more();
  };
  const selected = session.selected.value;
  return (
    <div
      class="list-table"
      role="grid"
      tabIndex={0}
      aria-label="Traces"
      aria-rowcount={traces.length + 1}
      aria-activedescendant={selected >= first && selected < last ? `trace-${selected}` : undefined}
    >
      <Header session={session} />
      <div class="list-body" ref={body} onScroll={onScroll} role="rowgroup" tabIndex={-1}>
        <div class="list-space" role="presentation" style={{ height: `${traces.length * ROW}px` }}>
          {traces.slice(first, last).map((trace, index) => (
            <Row
              key={trace.id}
              trace={trace}
              place={first + index}
              isSelected={first + index === selected}
              longest={longest.value}
              onSelect={() => {
                session.selected.value = first + index;
              }}
            />
          ))}
        </div>
      </div>
    </div>
  );
}

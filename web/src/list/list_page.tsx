/** The list of traces. */
import { useEffect, useMemo } from "preact/hooks";
import { connection, serverStatus } from "../api/live.ts";
import { formatBytes, formatCount } from "../format/numbers.ts";
import { plural } from "../format/text.ts";
import { formatTime } from "../format/time.ts";
import { QueryField } from "../query/query_field.tsx";
import { Icon } from "../shell/icons.tsx";
import { type KeyScope, useKeys } from "../shell/keys.ts";
import { navigate, parameters } from "../shell/router.ts";
import { zone } from "../shell/settings.ts";
import { Mark, TopBar } from "../shell/top_bar.tsx";
import { DurationPoints } from "./duration_points.tsx";
import { EmptyList, WrongQuery } from "./empty_list.tsx";
import { FacetPanel } from "./facets.tsx";
import { FileDrop } from "./file_drop.tsx";
import { ListSession } from "./list_session.ts";
import { TraceTable } from "./trace_table.tsx";

function listKeys(session: ListSession): KeyScope {
  const move = (by: number): void => {
    const most = session.traces.peek().length - 1;
    session.selected.value = Math.max(0, Math.min(most, session.selected.peek() + by));
  };
  return {
    title: "List",
    commands: [
      {
        keys: ["/"],
        label: "Search",
        run: () => document.querySelector<HTMLElement>("[data-action=search]")?.click(),
      },
      { keys: ["j", "ArrowDown"], shown: "j ↓", label: "Next trace", run: () => move(1) },
      { keys: ["k", "ArrowUp"], shown: "k ↑", label: "Previous trace", run: () => move(-1) },
      { keys: ["PageDown"], shown: "PgDn", label: "A page down", run: () => move(20) },
      { keys: ["PageUp"], shown: "PgUp", label: "A page up", run: () => move(-20) },
      { keys: ["g", "Home"], shown: "g", label: "First", run: () => move(-1e9) },
      { keys: ["G", "End"], shown: "G", label: "Last", run: () => move(1e9) },
      {
        keys: ["Enter", "l", "ArrowRight"],
        shown: "Enter",
        label: "Open the trace",
        run: () => {
          const trace = session.traces.peek()[session.selected.peek()];
          if (trace) navigate(`/trace/${trace.id}`);
        },
      },
      { keys: ["."], label: "Take in what is new", run: () => void session.takeIn() },
      {
        keys: ["p"],
        label: "Live, or paused",
        run: () => {
          session.isLive.value = !session.isLive.peek();
        },
      },
      {
        keys: ["Escape"],
        shown: "Esc",
        label: "Deselect, then all traces",
        run: () => {
          if (session.selected.peek() >= 0) session.selected.value = -1;
          else {
            session.setQuery("");
            session.setRange(null, null);
          }
        },
      },
    ],
  };
}

function Live({ session }: { session: ListSession }) {
  const isLost = connection.value === "lost";
  const isLive = session.isLive.value;
  const waiting = session.waiting.value;
  return (
    <>
      {waiting > 0 && (
        <button
          type="button"
          class="quiet is-new"
          title="Take in what is new (.)"
          onClick={() => void session.takeIn()}
        >
          {formatCount(waiting)} new <kbd>.</kbd>
        </button>
      )}
      <button
        type="button"
        class={`quiet live ${isLost ? "is-error" : isLive ? "is-live" : ""}`}
        aria-pressed={isLive}
        title={isLost ? "The viewer does not answer" : isLive ? "Pause (p)" : "Go on (p)"}
        onClick={() => {
          session.isLive.value = !isLive;
          if (!isLive) void session.takeIn();
        }}
      >
        {isLost ? <span aria-hidden="true">⚠</span> : <Icon name={isLive ? "pause" : "play"} />}
        {isLost ? "no connection" : isLive ? "live" : "paused"}
      </button>
    </>
  );
}

function Stored() {
  const status = serverStatus.value;
  if (status === null) return null;
  const { dropped, limits } = status;
  const before = dropped.before ? formatTime(BigInt(dropped.before), zone.value, 0) : "";
  return (
    <span class="stored">
      <span title={`${formatCount(status.traces)} traces, ${formatBytes(status.bytes)}`}>
        {formatCount(status.spans)} {plural(status.spans, "span")}
      </span>
      {dropped.spans > 0 && (
        <span
          class="is-warning"
          title={`${formatCount(dropped.spans)} spans were dropped${before && ` before ${before}`} (bounds: ${formatCount(limits.spans)} spans, ${formatBytes(limits.bytes)})`}
        >
          <span aria-hidden="true">⚠ </span>
          {formatCount(dropped.spans)} dropped{before && ` before ${before}`}
        </span>
      )}
    </span>
  );
}

function Foot({ session }: { session: ListSession }) {
  const looked = session.lookedAt.value;
  const total = session.total.value;
  if (session.isDone.value) return null;
  return (
    <p class="list-foot" role="status">
      searched {formatCount(looked)} of {formatCount(total)} traces ·{" "}
      <button
        type="button"
        class="link"
        disabled={session.isLoading.value}
        onClick={() => void session.more()}
      >
        continue
      </button>
    </p>
  );
}

/** The list outlives its page, so that the way back from a trace leads to the same rows. */
let kept: ListSession | undefined;

export function ListPage() {
  const session = useMemo(() => {
    kept ??= new ListSession();
    return kept;
  }, []);
  const keys = useMemo(() => listKeys(session), [session]);
  useKeys(keys);
  useEffect(() => () => session.hide(), [session]);
  useEffect(() => {
    document.title = "tracekit";
    session.show();
  }, [session, parameters.value.toString()]);

  const { problem, malformed } = serverStatus.value ?? { problem: null, malformed: 0 };
  const isEmpty = session.traces.value.length === 0 && session.isDone.value;
  const nothing = session.isLoaded.value && isEmpty && session.failure.value === null;
  const isWrong = session.failure.value !== null && session.traces.value.length === 0;
  return (
    <div class="page">
      <TopBar>
        <h1 class="brand">
          <Mark /> tracekit
        </h1>
        <QueryField
          value={session.query.value}
          onQuery={(query) => session.setQuery(query)}
          failure={session.failure.value}
          label="Search for traces"
          placeholder="service:shop duration>50ms error"
        />
        <span class="spring" />
        <Live session={session} />
        <Stored />
      </TopBar>
      <main class="list">
        <FacetPanel session={session} />
        <div class={`list-main ${session.failure.value ? "is-stale" : ""}`}>
          <FileDrop />
          {problem && (
            <p class="notice is-error" role="alert">
              <span aria-hidden="true">✕ </span>Spans cannot be stored: {problem}
            </p>
          )}
          {malformed > 0 && (
            <p class="notice is-warning">
              <span aria-hidden="true">⚠ </span>
              {formatCount(malformed)} malformed {plural(malformed, "span")} were not kept
            </p>
          )}
          {nothing && <EmptyList session={session} />}
          {isWrong && <WrongQuery session={session} />}
          {!nothing && !isWrong && (
            <>
              <DurationPoints session={session} />
              <TraceTable session={session} />
              <Foot session={session} />
            </>
          )}
        </div>
      </main>
    </div>
  );
}

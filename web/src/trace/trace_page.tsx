/** The page of one trace. */
import { useEffect, useMemo } from "preact/hooks";
import { ApiError } from "../api/client.ts";
import { useKeys } from "../shell/keys.ts";
import { listAddress } from "../shell/router.ts";
import { panelHeight, panelWidth } from "../shell/settings.ts";
import { LanesView } from "./lanes_view.tsx";
import { Minimap } from "./minimap.tsx";
import { NamesTable } from "./names_table.tsx";
import { Panel } from "./panel/panel.tsx";
import { TraceSession } from "./session.ts";
import { Splitter } from "./splitter.tsx";
import { Toolbar } from "./toolbar.tsx";
import { TraceHeader } from "./trace_header.tsx";
import { traceKeys } from "./trace_keys.ts";
import { restoreChoices, restorePlace, writeState } from "./url_state.ts";
import { WaterfallView } from "./waterfall.tsx";

function Failure({ error }: { error: Error }) {
  const isMissing = error instanceof ApiError && error.status === 404;
  return (
    <div class="empty">
      <h2>{isMissing ? "This trace is not stored" : "The trace could not be loaded"}</h2>
      <p>
        {isMissing
          ? "The viewer keeps a bounded number of spans and drops the oldest traces first, or it was started anew since this address was made."
          : error.message}
      </p>
      <p>
        <a class="button" href={listAddress.value}>
          All traces
        </a>
      </p>
    </div>
  );
}

function View({ session }: { session: TraceSession }) {
  switch (session.mode.value) {
    case "lanes":
      return <LanesView session={session} />;
    case "names":
      return <NamesTable session={session} />;
    default:
      return <WaterfallView session={session} />;
  }
}

export function TracePage({ id }: { id: string }) {
  const session = useMemo(() => new TraceSession(id), [id]);
  const keys = useMemo(() => traceKeys(session), [session]);
  useKeys(keys);

  useEffect(() => {
    restoreChoices(session);
    void session
      .load((model) => restorePlace(session, model))
      .then(async () => {
        const wanted = new URLSearchParams(location.search || location.hash.slice(1));
        if (session.search.query.peek() === "") return;
        await session.find(session.search.query.peek());
        if (wanted.get("only") === "1") session.setOnly(true);
      });
    const stop = writeState(session);
    return () => {
      stop();
      session.close();
    };
  }, [session]);

  const failure = session.failure.value;
  const ready = session.model.value !== null;
  const panel = session.panelOpen.value && ready;
  return (
    <div class="page">
      <TraceHeader session={session} />
      {failure ? (
        <main class="trace">
          <Failure error={failure} />
        </main>
      ) : (
        <main
          class={`trace ${panel ? "has-panel" : ""}`}
          style={{
            "--panel-width": `${panelWidth.value}px`,
            "--panel-height": `${panelHeight.value}px`,
          }}
        >
          <div class="trace-main">
            <Toolbar session={session} />
            {ready ? (
              <>
                <Minimap session={session} />
                <View session={session} />
              </>
            ) : (
              <p class="loading" role="status">
                Loading the trace…
              </p>
            )}
          </div>
          {panel && (
            <>
              <Splitter
                signal={panelWidth}
                least={280}
                most={900}
                side="right"
                label="Width of the panel"
              />
              <Splitter
                signal={panelHeight}
                least={140}
                most={700}
                side="bottom"
                label="Height of the panel"
              />
              <Panel session={session} />
            </>
          )}
        </main>
      )}
    </div>
  );
}

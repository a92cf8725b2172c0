/** A list without traces: the line that sends one, or what hides them. */
import { Fragment } from "preact";
import { serverStatus } from "../api/live.ts";
import { Icon } from "../shell/icons.tsx";
import { copyText } from "../shell/toast.tsx";
import type { ListSession } from "./list_session.ts";

function Code({ text }: { text: string }) {
  return (
    <div class="code-block" data-copy={text}>
      <pre>{text}</pre>
      <button
        type="button"
        class="icon-button"
        aria-label="Copy the code"
        title="Copy"
        onClick={() => void copyText(text, "the code")}
      >
        <Icon name="copy" />
      </button>
    </div>
  );
}

const EXAMPLES: [query: string, meaning: string][] = [
  ["service:shop error", "a failed span of the service shop"],
  ["duration>500ms", "a span that took longer"],
  ['name:"GET /users*"', "a name; * stands for anything"],
  ["http.response.status_code>=500", "an attribute"],
  ["level>=warn since:10m", "WARN or worse, in the last ten minutes"],
  ["(kind:client or kind:producer) -service:shop", "or, not, parentheses"],
  ["connection refused", "words anywhere"],
];

/** What a query can say, by example. */
function QueryExamples({ session }: { session: ListSession }) {
  return (
    <>
      <p>A query describes a span; a trace is found if one of its spans matches:</p>
      <dl class="examples">
        {EXAMPLES.map(([query, meaning]) => (
          <Fragment key={query}>
            <dt>
              <button type="button" class="link mono" onClick={() => session.setQuery(query)}>
                {query}
              </button>
            </dt>
            <dd class="muted">{meaning}</dd>
          </Fragment>
        ))}
      </dl>
    </>
  );
}

/** A query that cannot be parsed, before any list was shown. */
export function WrongQuery({ session }: { session: ListSession }) {
  return (
    <div class="empty">
      <h2>The query cannot be read</h2>
      <QueryExamples session={session} />
    </div>
  );
}

export function EmptyList({ session }: { session: ListSession }) {
  const narrowed =
    session.query.value !== "" || session.start.value !== null || session.end.value !== null;
  if (narrowed) {
    return (
      <div class="empty">
        <h2>No trace matches</h2>
        <p>
          {session.total.value === 0
            ? "No trace is stored yet."
            : `Looked at ${session.lookedAt.value.toLocaleString("en-US")} of ${session.total.value.toLocaleString("en-US")} traces.`}
        </p>
        <p>
          <button
            type="button"
            class="button"
            onClick={() => {
              session.setQuery("");
              session.setRange(null, null);
            }}
          >
            All traces
          </button>
        </p>
        <QueryExamples session={session} />
      </div>
    );
  }
  const { grpc, http } = serverStatus.value?.endpoints ?? { grpc: null, http: null };
  return (
    <div class="empty">
      <h2>No trace yet</h2>
      <p>Traces appear here as they arrive. From a program with tracekit:</p>
      <Code text={'import tracekit\n\ntracekit.init_telemetry("my-service", exporter="viewer")'} />
      <p>From any other program that speaks OTLP over gRPC, in any language:</p>
      <Code text={`export OTEL_EXPORTER_OTLP_ENDPOINT=${grpc ?? "http://127.0.0.1:4317"}`} />
      <p>Over HTTP:</p>
      <Code text={`export OTEL_EXPORTER_OTLP_ENDPOINT=${http ?? "http://127.0.0.1:4318"}`} />
      <p>Or drop a file of OTLP JSON lines onto this page.</p>
    </div>
  );
}

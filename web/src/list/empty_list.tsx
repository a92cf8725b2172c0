/** A list without traces: the line that sends one, or what hides them. */
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
      </div>
    );
  }
  const { grpc, http } = serverStatus.value?.endpoints ?? { grpc: null, http: null };
  return (
    <div class="empty">
      <h2>No trace yet</h2>
      <p>Traces appear here as they arrive. From a program with tracekit:</p>
      <Code text={'import tracekit\n\ntracekit.init_telemetry("my-service", exporter="viewer")'} />
      <p>From any other program that speaks OTLP, in any language:</p>
      <Code
        text={`export OTEL_EXPORTER_OTLP_ENDPOINT=${grpc ?? "http://127.0.0.1:4317"}        # gRPC\nexport OTEL_EXPORTER_OTLP_ENDPOINT=${http ?? "http://127.0.0.1:4318"}        # HTTP`}
      />
      <p>Or drop a file of OTLP JSON lines onto this page.</p>
    </div>
  );
}

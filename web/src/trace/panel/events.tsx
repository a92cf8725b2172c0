/** Events and logs of a span; exceptions with a stack trace that can be read. */
import { useState } from "preact/hooks";
import type { Attribute, LogRecord, SpanEvent } from "../../api/types.ts";
import { editorLink } from "../../format/editors.ts";
import { formatDuration } from "../../format/numbers.ts";
import { parseStackTrace } from "../../format/stack_trace.ts";
import { formatTime } from "../../format/time.ts";
import { valueText } from "../../format/values.ts";
import { Icon } from "../../shell/icons.tsx";
import { editor, zone } from "../../shell/settings.ts";
import { copyText } from "../../shell/toast.tsx";
import { AttributeList } from "./attributes.tsx";

const STACK = "exception.stacktrace";

function attribute(attributes: Attribute[], key: string): string | undefined {
  const found = attributes.find((one) => one.key === key);
  return found && valueText(found);
}

export function StackTrace({ text }: { text: string }) {
  const lines = parseStackTrace(text);
  const hasForeign = lines.some((line) => line.foreign);
  const hasOwn = lines.some((line) => line.kind === "file" && !line.foreign);
  const [all, setAll] = useState(!(hasForeign && hasOwn));
  const shown = all ? lines : lines.filter((line) => !line.foreign);
  return (
    <div class="stack">
      <div class="stack-actions">
        {hasForeign && hasOwn && (
          <button type="button" class="link" onClick={() => setAll(!all)}>
            {all
              ? "only own frames"
              : `all ${lines.filter((line) => line.kind === "file").length} frames`}
          </button>
        )}
        <button
          type="button"
          class="icon-button"
          aria-label="Copy the stack trace"
          title="Copy the stack trace"
          onClick={() => void copyText(text, "the stack trace")}
        >
          <Icon name="copy" />
        </button>
      </div>
      <pre tabIndex={0}>
        {shown.map((line, index) => {
          const link =
            line.path !== undefined && editorLink(editor.value, line.path, line.line ?? 1);
          const className = `stack-${line.kind} ${line.foreign ? "is-foreign" : ""}`;
          return (
            <span class={className} key={index}>
              {link && !line.foreign ? <a href={link}>{line.text}</a> : line.text}
              {"\n"}
            </span>
          );
        })}
      </pre>
    </div>
  );
}

export function EventItem({ event, start }: { event: SpanEvent; start: string }) {
  const type = attribute(event.attributes, "exception.type");
  const message = attribute(event.attributes, "exception.message");
  const stack = attribute(event.attributes, STACK);
  const isException = event.name === "exception" || type !== undefined;
  const shown = event.attributes.filter(
    ({ key }) => !isException || !["exception.type", "exception.message", STACK].includes(key),
  );
  const offset = Number(BigInt(event.time) - BigInt(start));
  return (
    <li class={`event ${isException ? "is-exception" : ""}`}>
      <div class="event-head">
        <span class="event-time" title={formatTime(BigInt(event.time), zone.value, 9)}>
          {offset < 0 ? "−" : "+"}
          {formatDuration(Math.abs(offset))}
        </span>
        {isException ? (
          <span class="event-name">
            <span aria-hidden="true">✕ </span>
            {type ?? event.name}
          </span>
        ) : (
          <span class="event-name">{event.name}</span>
        )}
      </div>
      {message && <p class="event-message">{message}</p>}
      {stack && <StackTrace text={stack} />}
      {shown.length > 0 && <AttributeList attributes={shown} />}
    </li>
  );
}

export function LogItem({ log, start }: { log: LogRecord; start: string }) {
  const offset = Number(BigInt(log.time) - BigInt(start));
  return (
    <li class="event">
      <div class="event-head">
        <span class="event-time" title={formatTime(BigInt(log.time), zone.value, 9)}>
          {offset < 0 ? "−" : "+"}
          {formatDuration(Math.abs(offset))}
        </span>
        <span class={`severity severity-${log.severity.toLowerCase().replace(/\W|\d/g, "")}`}>
          {log.severity}
        </span>
      </div>
      <p class="event-message">{valueText(log.body)}</p>
      {log.attributes.length > 0 && <AttributeList attributes={log.attributes} />}
    </li>
  );
}

/** The panel of a span: what it is at the top, then all that it carries. */
import { signal, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { getSpan } from "../../api/client.ts";
import { isStandalone } from "../../api/standalone.ts";
import type { SpanDetail, SpanLink } from "../../api/types.ts";
import { colourOf } from "../../canvas/palette.ts";
import { formatDuration, formatShare } from "../../format/numbers.ts";
import { formatExact } from "../../format/time.ts";
import { attributesObject } from "../../format/values.ts";
import { KINDS } from "../../model/skeleton.ts";
import { Icon } from "../../shell/icons.tsx";
import { zone } from "../../shell/settings.ts";
import { copyText } from "../../shell/toast.tsx";
import { notes } from "../row_text.ts";
import type { TraceSession } from "../session.ts";
import { AttributeList } from "./attributes.tsx";
import { DirectiveView } from "./directive.tsx";
import { EventItem, LogItem } from "./events.tsx";
import { Section } from "./section.tsx";
import { Source, sourceOf } from "./source.tsx";

const directiveShown = signal(false);

function Figures({ session, row }: { session: TraceSession; row: number }) {
  const model = session.model.value!;
  const path = session.path.value;
  const { self, ends } = model.data;
  const start = model.skeleton.startTime[row]!;
  const length = ends[row]! - start;
  const idle = model.skeleton.idle[row]!;
  const figures: [string, string, string][] = [
    [
      "Duration",
      formatDuration(model.duration(row)),
      model.isOpen(row) ? "has not ended" : `${formatShare(length, model.end)} of the trace`,
    ],
    ["Self", formatDuration(self[row]!), formatShare(self[row]!, length)],
    ["Starts at", formatDuration(start), ""],
  ];
  if (idle > 0) figures.push(["Idle", formatDuration(idle), formatShare(idle, length)]);
  if (path) {
    const time = path.time[row]!;
    figures.push(["On the critical path", formatDuration(time), formatShare(time, model.end)]);
  }
  return (
    <dl class="figures">
      {figures.map(([title, value, share]) => (
        <div key={title}>
          <dt>{title}</dt>
          <dd>
            <b>{value}</b> <span>{share}</span>
          </dd>
        </div>
      ))}
    </dl>
  );
}

function LinkItem({ link, session }: { link: SpanLink; session: TraceSession }) {
  const row = link.trace === session.id ? session.model.value?.rowWithId(link.span) : undefined;
  const text = `${link.trace.slice(0, 8)}… / ${link.span}`;
  return (
    <li class="event">
      {row !== undefined ? (
        <button type="button" class="link mono" onClick={() => session.reveal(row)}>
          {session.model.value!.name(row)} in this trace
        </button>
      ) : link.stored ? (
        <a class="mono" href={`/trace/${link.trace}?span=${link.span}`}>
          {text} <Icon name="open" />
        </a>
      ) : (
        <span class="mono" title={`${link.trace} / ${link.span}`}>
          {text} <span class="hint">not stored</span>
        </span>
      )}
      {link.attributes.length > 0 && <AttributeList attributes={link.attributes} />}
    </li>
  );
}

function Identity({ label, text }: { label: string; text: string }) {
  return (
    <div class="copy-line" data-copy={text}>
      <span class="copy-label">{label}</span>
      <code title={text}>{text}</code>
      <button
        type="button"
        class="icon-button"
        aria-label={`Copy ${label}`}
        title={`Copy ${label}`}
        onClick={() => void copyText(text, label)}
      >
        <Icon name="copy" />
      </button>
    </div>
  );
}

/** What is missing, in the place where it would be. */
function Dropped({ count, noun }: { count: number; noun: string }) {
  if (count === 0) return null;
  return (
    <p class="hint is-warning">
      <span aria-hidden="true">⚠ </span>
      {count} {noun} were dropped by the program's limits.
    </p>
  );
}

function Details({
  detail,
  session,
  row,
}: {
  detail: SpanDetail;
  session: TraceSession;
  row: number;
}) {
  const source = sourceOf(detail.attributes);
  const json = (attributes: SpanDetail["attributes"]) => () =>
    JSON.stringify(attributesObject(attributes), null, 2);
  const exact = formatExact(BigInt(detail.start), zone.value);
  return (
    <>
      {detail.status.message !== "" && <p class="status-message">{detail.status.message}</p>}
      {source && <Source {...source} />}
      {!isStandalone && (
        <Section
          title="Turn this off, or up"
          open={directiveShown.value}
          onToggle={(open) => {
            directiveShown.value = open;
          }}
        >
          <DirectiveView trace={session.id} span={detail.id} />
        </Section>
      )}
      <Section title="Attributes" count={detail.attributes.length} copy={json(detail.attributes)}>
        <AttributeList attributes={detail.attributes} />
        {detail.attributes.length === 0 && <p class="hint">This span carries no attributes.</p>}
        <Dropped count={detail.dropped.attributes} noun="attributes" />
      </Section>
      {(detail.events.length > 0 || detail.dropped.events > 0) && (
        <Section
          title="Events"
          count={detail.events.length}
          copy={() => JSON.stringify(detail.events, null, 2)}
        >
          <ul class="events">
            {detail.events.map((event, index) => (
              <EventItem key={`${event.time} ${index}`} event={event} start={detail.start} />
            ))}
          </ul>
          <Dropped count={detail.dropped.events} noun="events" />
        </Section>
      )}
      {detail.logs.length > 0 && (
        <Section title="Logs" count={detail.logs.length}>
          <ul class="events">
            {detail.logs.map((log, index) => (
              <LogItem key={`${log.time} ${index}`} log={log} start={detail.start} />
            ))}
          </ul>
        </Section>
      )}
      {(detail.links.length > 0 || detail.dropped.links > 0) && (
        <Section title="Links" count={detail.links.length}>
          <ul class="events">
            {detail.links.map((link) => (
              <LinkItem key={link.span} link={link} session={session} />
            ))}
          </ul>
          <Dropped count={detail.dropped.links} noun="links" />
        </Section>
      )}
      <Section
        title="Resource"
        count={detail.resource.length}
        open={false}
        copy={json(detail.resource)}
      >
        <AttributeList attributes={detail.resource} />
      </Section>
      <Section title="Scope and ids" open={false}>
        <Identity label="span id" text={detail.id} />
        <Identity label="trace id" text={session.id} />
        {detail.parent && <Identity label="parent" text={detail.parent} />}
        <Identity label="start" text={exact} />
        <Identity label="scope" text={`${detail.scope.name} ${detail.scope.version}`.trim()} />
        {detail.trace_state !== "" && <Identity label="tracestate" text={detail.trace_state} />}
        <p class="hint">
          {detail.flags & 1 ? "sampled" : "not sampled"} · row {row + 1}
        </p>
        {detail.scope.attributes.length > 0 && (
          <AttributeList attributes={detail.scope.attributes} />
        )}
      </Section>
    </>
  );
}

export function SpanPanel({ session, row }: { session: TraceSession; row: number }) {
  const model = session.model.value!;
  const id = model.idOf(row);
  const detail = useSignal<SpanDetail | null>(null);
  const failure = useSignal("");

  useEffect(() => {
    const abort = new AbortController();
    failure.value = "";
    // The details before stay until the next are there: moving through rows does not flicker.
    const start = model.skeleton.start + BigInt(Math.round(model.skeleton.startTime[row]!));
    getSpan(session.id, id, start, abort.signal).then(
      (found) => {
        detail.value = found;
      },
      (error: Error) => {
        if (!abort.signal.aborted) failure.value = error.message;
      },
    );
    return () => abort.abort();
  }, [session, id, row]);

  const service = model.service(row);
  const level = ["", "trace", "debug", "info", "warn", "error"][model.skeleton.level[row]!] ?? "";
  const current = detail.value?.id === id ? detail.value : null;
  return (
    <div class="panel-content">
      <header class="panel-head">
        <h2>
          {model.failed(row) && (
            <span class="badge badge-error" role="img" aria-label="failed">
              ✕
            </span>
          )}
          {model.name(row)}
        </h2>
        <p class="panel-meta">
          <span class={`dot self-${colourOf(service)}`} /> {service}
          <span class="sep">·</span>
          {KINDS[model.skeleton.kind[row]!] ?? "unspecified"}
          {level !== "" && (
            <>
              <span class="sep">·</span>
              {level}
            </>
          )}
        </p>
      </header>
      <Figures session={session} row={row} />
      {notes(model, row).map((note) => (
        <p class="note" key={note}>
          <span aria-hidden="true">⚠ </span>
          {note}
        </p>
      ))}
      <button
        type="button"
        class="visually-hidden"
        tabIndex={-1}
        aria-hidden="true"
        data-action="directive"
        onClick={() => {
          directiveShown.value = !directiveShown.value;
          // What a key opened has to be seen.
          requestAnimationFrame(() => {
            document.querySelector(".directive")?.closest("details")?.scrollIntoView();
          });
        }}
      />
      {failure.value !== "" && <p class="hint is-error">{failure.value}</p>}
      {current && <Details detail={current} session={session} row={row} />}
    </div>
  );
}

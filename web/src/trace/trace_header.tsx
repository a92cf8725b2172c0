/** The header of a trace: which it is, when, how long, how many spans. */
import { useEffect } from "preact/hooks";
import { isStandalone } from "../api/standalone.ts";
import { colourOf } from "../canvas/palette.ts";
import { formatCount, formatDuration } from "../format/numbers.ts";
import { plural } from "../format/text.ts";
import { formatDate, formatExact, formatTime } from "../format/time.ts";
import { Icon } from "../shell/icons.tsx";
import { Menu } from "../shell/menu.tsx";
import { listAddress } from "../shell/router.ts";
import { zone } from "../shell/settings.ts";
import { copyText } from "../shell/toast.tsx";
import { Mark, TopBar } from "../shell/top_bar.tsx";
import type { TraceSession } from "./session.ts";

const MOST_SERVICES = 5;

function Services({ names }: { names: string[] }) {
  const shown = names.slice(0, MOST_SERVICES);
  return (
    <span class="trace-services" title={names.join(", ")}>
      {shown.map((name) => (
        <span class="service" key={name}>
          <span class={`dot self-${colourOf(name)}`} /> <span class="service-name">{name}</span>
        </span>
      ))}
      {names.length > shown.length && <span class="muted">+{names.length - shown.length}</span>}
    </span>
  );
}

function Meta({ session }: { session: TraceSession }) {
  const model = session.model.value;
  const summary = session.summary.value;
  if (model === null) return null;
  const { start, spans } = model.skeleton;
  const errors = model.data.errors.length;
  const orphans = model.data.tree.roots.filter((row) => model.isMarked(row, "orphan")).length;
  const levels = model.data.tree.deepest + 1;
  const dropped = summary?.dropped_spans ?? 0;
  return (
    <span class="trace-meta">
      <span title={formatExact(start, zone.value)}>
        <span class="wide-only">{formatDate(start, zone.value)} </span>
        {formatTime(start, zone.value)}
      </span>
      <b>{formatDuration(model.end)}</b>
      <span>
        {formatCount(spans)} {plural(spans, "span")}
      </span>
      {errors > 0 && (
        <span class="is-error">
          <span aria-hidden="true">✕</span> {formatCount(errors)} {plural(errors, "error")}
        </span>
      )}
      <span class="wide-only">
        {levels} {plural(levels, "level")}
      </span>
      {(summary?.open ?? 0) > 0 && <span>{summary?.open} open</span>}
      {orphans > 0 && (
        <span
          class="is-warning"
          title={`The parent of ${orphans} ${plural(orphans, "span")} has not arrived`}
        >
          <span aria-hidden="true">⚠</span> {orphans} without parent
        </span>
      )}
      {dropped > 0 && (
        <span
          class="is-warning"
          title="The trace had more spans than the viewer keeps of one trace"
        >
          <span aria-hidden="true">⚠</span> {formatCount(dropped)} dropped
        </span>
      )}
    </span>
  );
}

export function TraceHeader({ session }: { session: TraceSession }) {
  const model = session.model.value;
  const summary = session.summary.value;
  const root = model?.data.tree.roots[0];
  const name = summary?.root || (model && root !== undefined ? model.name(root) : "");
  const length = model === null ? "" : ` · ${formatDuration(model.end)}`;
  useEffect(() => {
    document.title = `${name || "Trace"}${length}`;
  }, [name, length]);
  const services = model?.skeleton.services ?? summary?.services ?? [];
  const base = `/api/traces/${session.id}/export?format=`;
  return (
    <TopBar>
      {isStandalone ? (
        <span class="brand">
          <Mark />
        </span>
      ) : (
        <a class="back" href={listAddress.value} aria-label="All traces" title="All traces (Esc)">
          <Icon name="back" />
          <Mark />
        </a>
      )}
      <h1 class="trace-name" title={name}>
        {name || "Trace"}
      </h1>
      <Services names={services} />
      <Meta session={session} />
      <span class="spring" />
      {session.changed.value && (
        <button
          type="button"
          class="quiet is-new"
          title="Take in what is new (.)"
          onClick={() => void session.reload()}
        >
          new spans <kbd>.</kbd>
        </button>
      )}
      {!isStandalone && (
        <Menu
          label="Share this trace"
          className="button"
          items={[
            {
              label: "Copy the link",
              hint: "y",
              run: () => void copyText(location.href, "the link"),
            },
            { label: "Copy the trace id", run: () => void copyText(session.id, "the trace id") },
            { label: "One HTML file", hint: ".html", href: `${base}html`, download: true },
            { label: "OTLP JSON lines", hint: ".jsonl", href: `${base}otlp`, download: true },
            {
              label: "Chrome trace for Perfetto",
              hint: ".json",
              href: `${base}chrome`,
              download: true,
            },
            { label: "Text tree", hint: ".txt", href: `${base}text`, download: true },
          ]}
        >
          Share <Icon name="down" />
        </Menu>
      )}
    </TopBar>
  );
}

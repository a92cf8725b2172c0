/** The panel of repeated siblings: how many, how long, and the slowest of them. */
import { colourOf } from "../../canvas/palette.ts";
import { formatCount, formatDuration, formatShare } from "../../format/numbers.ts";
import { groupOf } from "../../model/folding.ts";
import type { TraceSession } from "../session.ts";

const SLOWEST = 10;
const BINS = 32;

/** Return how many durations fall into each of the bins, whose width grows by the same factor. */
export function histogram(
  durations: Float64Array,
  bins: number,
): { counts: number[]; from: number; to: number } {
  const positive = durations.filter((value) => value > 0);
  const from = positive.reduce((least, value) => Math.min(least, value), Number.POSITIVE_INFINITY);
  const to = positive.reduce((most, value) => Math.max(most, value), 0);
  const counts = new Array<number>(bins).fill(0);
  const range = Math.log(to / from) || 1;
  for (const value of durations) {
    const place = value <= from ? 0 : Math.floor((Math.log(value / from) / range) * bins);
    counts[Math.max(0, Math.min(bins - 1, place))]!++;
  }
  return { counts, from: Number.isFinite(from) ? from : 0, to };
}

export function GroupPanel({ session, item }: { session: TraceSession; item: number }) {
  const model = session.model.value!;
  const group = groupOf(item);
  const members = model.members(group);
  const { siblings, self, ends } = model.data;
  const duration = (row: number): number => ends[row]! - model.skeleton.startTime[row]!;
  const durations = Float64Array.from(members, duration);
  const total = siblings.total[group]!;
  const sorted = durations.slice().sort();
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
  const ownTime = members.reduce((sum, row) => sum + self[row]!, 0);
  const slowest = [...members].sort((a, b) => duration(b) - duration(a)).slice(0, SLOWEST);
  const { counts, from, to } = histogram(durations, BINS);
  const most = Math.max(...counts);
  const row = model.rowOfItem(item);
  const errors = siblings.errors[group]!;
  const figures: [string, string, string][] = [
    ["Spans", formatCount(members.length), errors > 0 ? `✕ ${errors} failed` : ""],
    ["Total", formatDuration(total), `${formatShare(total, model.end)} of the trace`],
    ["Self", formatDuration(ownTime), formatShare(ownTime, total)],
    ["Median", formatDuration(at(0.5)), ""],
    ["95 % within", formatDuration(at(0.95)), ""],
    ["Slowest", formatDuration(sorted[sorted.length - 1]!), ""],
  ];
  return (
    <div class="panel-content">
      <header class="panel-head">
        <h2>
          {model.name(row)} <span class="row-count">× {formatCount(members.length)}</span>
        </h2>
        <p class="panel-meta">
          <span class={`dot self-${colourOf(model.service(row))}`} /> {model.service(row)}
          <span class="sep">·</span>repeated siblings
        </p>
      </header>
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
      <svg
        class="histogram"
        viewBox={`0 0 ${BINS * 10} 60`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`Durations from ${formatDuration(from)} to ${formatDuration(to)}`}
      >
        {counts.map((count, bin) => {
          const height = count === 0 ? 0 : Math.max(2, (count / most) * 58);
          return <rect key={bin} x={bin * 10} y={60 - height} width={8.5} height={height} />;
        })}
      </svg>
      <p class="histogram-ends">
        <span>{formatDuration(from)}</span>
        <span>{formatDuration(to)}</span>
      </p>
      <h3 class="panel-title">Slowest</h3>
      <ul class="slowest">
        {slowest.map((member) => (
          <li key={member}>
            <button type="button" onClick={() => session.reveal(member)}>
              <span>
                {model.failed(member) && <span class="badge badge-error">✕</span>}
                at {formatDuration(model.skeleton.startTime[member]!)}
              </span>
              <b>{formatDuration(duration(member))}</b>
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}
